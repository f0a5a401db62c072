"""What a compiled step costs against the sizes of data and model, with another program beside it.

    python tests/benchmarks/cost.py --results cost.json --panel batch --panel latents
    python tests/benchmarks/cost.py --results cost.json --panel side --threads 2
    python tests/benchmarks/cost.py --results cost.json --figure figures/cost.png
    python tests/benchmarks/cost.py --fixed --threads 1     # what a step costs that has next to nothing to compute

Milliseconds a step on random images: of 784-400-K beside NumPyro, all steps inside `lax.scan`; of the convolutional
pair beside PyTorch on the same networks. Both take turns. Each call adds to the results what is not there yet, so
that a measurement can be taken in pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from contestants import Steps, numpyro, ours, plain_networks
from matplotlib.figure import Figure
from speed import random_images

from pyro_bvae.plots import save_figure

CPU = torch.device("cpu")
COLOURS = {"pyro_bvae": "C0", "NumPyro": "C1", "PyTorch": "C2"}


@dataclass(frozen=True)
class Size:
    """The sizes of a step.

    Attributes:
        images: Of the data set, N.
        batch: Images a step, B.
        latents: K.
        side: Of an image, pixels.
        channels: Of an image.
        network: The encoder and decoder pair.
    """

    images: int = 10_000
    batch: int = 128
    latents: int = 10
    side: int = 28
    channels: int = 1
    network: str = "mlp"

    def contestants(self) -> dict[str, Steps]:
        """The two whose steps are timed."""
        data = random_images(self.images, (self.channels, self.side, self.side))
        fast = ours(data, self.batch, self.latents, CPU, True, "fp32", self.network)
        if self.network == "mlp":
            return {"pyro_bvae": fast, "NumPyro": numpyro(data, self.batch, self.latents, CPU)}
        return {"pyro_bvae": fast, "PyTorch": plain_networks(data, self.batch, self.latents, self.network)}


@dataclass(frozen=True)
class Panel:
    """A size that varies.

    Attributes:
        title: Above the panel.
        label: Of the axis.
        sizes: For each value, the sizes of its step.
    """

    title: str
    label: str
    sizes: dict[int, Size]


PANELS = {
    "images": Panel("784-400-10, batch 128", "images of the data set N", {
        n: Size(images=n) for n in (1000, 4000, 16_000, 60_000)
    }),
    "batch": Panel("784-400-10", "images of a batch B", {b: Size(batch=b) for b in (1, 8, 32, 128, 512, 2048)}),
    "latents": Panel("784-400-K, batch 128", "latents K", {k: Size(latents=k) for k in (2, 10, 32, 128, 400)}),
    "side": Panel("conv, one channel, batch 16", "side of an image, pixels", {
        s: Size(500, 16, 10, s, 1, "conv") for s in (32, 64, 128, 256)
    }),
    "channels": Panel("conv, 64×64, batch 16", "channels of an image", {
        c: Size(500, 16, 10, 64, c, "conv") for c in (1, 2, 3, 6, 12)
    }),
}  # fmt: skip


def measure(contestants: dict[str, Steps], seconds: float, turns: int) -> dict[str, float]:
    """Milliseconds a step of each, medians over turns of the two that last so long together."""
    counts = {}
    for name, take in contestants.items():
        take(2)  # compiles
        counts[name] = max(1, int(seconds / turns / len(contestants) / _seconds(take, 2)))
        take(counts[name])  # NumPyro compiles for each number of steps
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, take in contestants.items():
            times[name].append(1000 * _seconds(take, counts[name]))
    return {name: median(each) for name, each in times.items()}


def _seconds(take: Callable[[int], None], steps: int) -> float:
    """Seconds a step."""
    start = time.perf_counter()
    take(steps)
    return (time.perf_counter() - start) / steps


def fixed(seconds: float, turns: int) -> dict[str, float]:
    """Milliseconds of a step of 16-16-2 at batch 1: the call, the update and the history."""
    data = random_images(1000, (1, 4, 4))
    contestants = {
        "pyro_bvae": ours(data, 1, 2, CPU, True, "fp32", hidden=16),
        "NumPyro, a call a step": numpyro(data, 1, 2, CPU, 16, in_scan=False),
        "NumPyro, lax.scan": numpyro(data, 1, 2, CPU, 16),
    }
    return measure(contestants, seconds, turns)


def draw(results: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """A panel a size, with a line a program; both axes logarithmic, and milliseconds the same in all panels."""
    shown = [name for name in PANELS if name in results]
    figure = Figure(figsize=(3.4 * len(shown), 3.3), layout="constrained", dpi=100)
    for axes, name in zip(figure.subplots(1, len(shown), squeeze=False, sharey=True).flat, shown, strict=True):
        values = sorted(int(value) for value in results[name])
        for program in results[name][str(values[0])]:
            times = [results[name][str(value)][program] for value in values]
            axes.plot(values, times, "o-", color=COLOURS[program], label=program)
        axes.set(xscale="log", yscale="log", xlabel=PANELS[name].label)
        axes.set_title(PANELS[name].title, fontsize="medium")
        axes.set_xticks(
            values, [f"{value:,}" for value in values], minor=False, rotation=30 if max(values) > 999 else 0
        )
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.axes[0].set_ylabel("milliseconds a step")
    return figure


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("cost.json"), help="read, and added to")
    parser.add_argument("--panel", action="append", default=[], choices=list(PANELS), help="to measure")
    parser.add_argument("--figure", type=Path, help="where to draw all that the results hold")
    parser.add_argument("--fixed", action="store_true", help="the fixed cost of a step, printed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=2.0, help="of measuring, a point")
    parser.add_argument("--turns", type=int, default=5)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Measure, keep and draw."""
    torch.set_num_threads(options.threads)
    results: dict[str, Any] = json.loads(options.results.read_text()) if options.results.exists() else {}
    for name in options.panel:
        for value, size in PANELS[name].sizes.items():
            if str(value) in results.get(name, {}):
                continue
            results.setdefault(name, {})[str(value)] = measure(size.contestants(), options.seconds, options.turns)
            print(name, value, results[name][str(value)], flush=True)
            options.results.write_text(json.dumps(results, indent=1))
    if options.fixed:
        print(json.dumps(fixed(options.seconds, options.turns), indent=1))
    if options.figure:
        save_figure(draw(results), options.figure)


if __name__ == "__main__":
    main(parse())
