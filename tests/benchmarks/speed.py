"""How long a step takes, side by side, interleaved in one run.

    python tests/benchmarks/speed.py --data-root data --threads 2
    python tests/benchmarks/speed.py --json > speed.json       # random images of MNIST's shape
    python tests/benchmarks/speed.py --conv --sweeps           # and the convolutional step, and cost against sizes

Times beside another load are worthless: two threads spin when they wait for each other. NumPyro and pythae take part
where they are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from contestants import CONTESTANTS, Steps, ours

from pyro_bvae import datasets
from pyro_bvae.datasets import Dataset
from pyro_bvae.training import resolve_device

IMAGES = 60_000


def measure(contestants: dict[str, Steps], steps: int, repeats: int, batch: int) -> dict[str, dict[str, float]]:
    """Seconds per 60,000 images of each, the median and the least over repeats that take turns."""
    for take in contestants.values():
        take(steps)  # compiles, and fills caches
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, take in contestants.items():
            start = time.perf_counter()
            take(steps)
            seconds[name].append((time.perf_counter() - start) * IMAGES / (steps * batch))
    return {name: {"median": median(found), "least": min(found)} for name, found in seconds.items()}


def enter(data: Dataset, batch: int, latents: int, device: torch.device, only: list[str]) -> dict[str, Steps]:
    """Those who are here."""
    found = {}
    for name, make in CONTESTANTS.items():
        if only and name not in only:
            continue
        try:
            found[name] = make(data, batch, latents, device)
        except ImportError as error:
            sys.stderr.write(f"{name} does not take part: {error}\n")
    return found


def floor(batch: int, latents: int, device: torch.device) -> dict[str, float]:
    """Seconds per 60,000 images that the matrix products alone take, by each library that makes them."""
    onednn = torch.ops.mkldnn._linear_pointwise
    makers: dict[str, Callable[[Any, Any], Any]] = {"torch.mm, fp32": torch.mm}
    if device.type == "cpu":
        makers["oneDNN, fp32"] = lambda a, b: onednn(a, b.t(), None, "none", [], "")
    makers["torch.mm, bf16"] = torch.mm
    return {
        name: sum(
            best_of(make, *sides, torch.bfloat16 if "bf16" in name else torch.float32, device)
            for sides in products(batch, latents)
        )
        * (IMAGES / batch)
        for name, make in makers.items()
    }


def products(b: int, k: int) -> list[tuple[int, int, int]]:
    """Rows, inner length and columns of the products of a step at 784-400-k and k-400-784, there and back."""
    there = [(b, 784, 400), (b, 400, k), (b, 400, k), (b, k, 400), (b, 400, 784)]
    weights = [(columns, rows, inner) for rows, inner, columns in there]
    inputs = [(rows, columns, inner) for rows, inner, columns in there[1:]]
    return there + weights + inputs


def best_of(
    make: Callable[[Any, Any], Any], m: int, k: int, n: int, dtype: torch.dtype, device: torch.device, tries: int = 200
) -> float:
    """Seconds of one product, the least of many."""
    a, b = torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype)
    least = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        make(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize()
        least = min(least, time.perf_counter() - start)
    return least


def conv(device: torch.device, steps: int, repeats: int, channels: int) -> dict[str, float]:
    """Milliseconds of a step of the conv pair at 64×64 and batch 64, the least over repeats."""
    data = random_images(2000, (channels, 64, 64))
    takers = {
        "eager": ours(data, 64, 10, device, False, "fp32", "conv"),
        "compiled, fp32": ours(data, 64, 10, device, True, "fp32", "conv"),
        "compiled, bf16": ours(data, 64, 10, device, True, "bf16", "conv"),
    }
    found = measure(takers, steps, repeats, 64)
    return {name: 1000 * times["least"] * 64 / IMAGES for name, times in found.items()}


def sweeps(data: Dataset, device: torch.device, steps: int, repeats: int) -> dict[str, dict[str, float]]:
    """Seconds per 60,000 images of the compiled step, for other batches, latents and sizes of the data set."""
    few = Dataset("few", data.images[:2000])
    sizes = {"batch": (32, 128, 512), "latents": (2, 10, 64)}
    takers = {f"batch {b}": (ours(data, b, 10, device, True, "fp32"), b) for b in sizes["batch"]}
    takers |= {f"latents {k}": (ours(data, 128, k, device, True, "fp32"), 128) for k in sizes["latents"]}
    takers |= {f"images {len(d.train)}": (ours(d, 128, 10, device, True, "fp32"), 128) for d in (few, data)}
    return {name: measure({name: take}, steps, repeats, b)[name] for name, (take, b) in takers.items()}


def random_images(count: int, shape: tuple[int, ...]) -> Dataset:
    """Noise: its step costs what any step costs."""
    return Dataset("random", torch.randint(0, 256, (count, *shape), dtype=torch.uint8))


def peaks(arguments: list[str], names: list[str]) -> dict[str, float]:
    """Peak memory of each contestant in MiB, in a process of its own."""
    found = {}
    for name in names:
        command = [sys.executable, __file__, *arguments, "--only", name, "--repeats", "1", "--json", "--no-memory"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout)["peak_mib"]
    return found


def peak(device: torch.device) -> float:
    """Peak memory of this process so far, in MiB; of the GPU where there is one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with open("/proc/self/status", encoding="ascii") as file:  # getrusage begins with the parent's peak
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", help="where MNIST lies; random images without")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--latents", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100, help="a turn")
    parser.add_argument("--repeats", type=int, default=7, help="turns")
    parser.add_argument("--only", action="append", default=[], choices=list(CONTESTANTS))
    parser.add_argument("--conv", action="store_true", help="the convolutional step too")
    parser.add_argument("--channels", type=int, default=1, help="of its images")
    parser.add_argument("--sweeps", action="store_true", help="cost against batch, latents and data set too")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=False, help="peak memory of each")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for."""
    torch.set_num_threads(options.threads)
    device = resolve_device(options.device)
    root = options.data_root
    data = datasets.load("mnist", root) if root else random_images(IMAGES + 6666, (1, 28, 28))
    takers = enter(data, options.batch, options.latents, device, options.only)
    found: dict[str, Any] = {"device": str(device), "threads": options.threads, "torch": torch.__version__}
    found["seconds"] = measure(takers, options.steps, options.repeats, options.batch)
    found["floor"] = floor(options.batch, options.latents, device)
    found["peak_mib"] = peak(device)
    if options.conv:
        found["conv_ms"] = conv(device, max(3, options.steps // 10), options.repeats, options.channels)
    if options.sweeps:
        found["sweeps"] = sweeps(data, device, options.steps, options.repeats)
    if options.memory:
        passed = [word for word in sys.argv[1:] if word not in ("--memory", "--json", "--conv", "--sweeps")]
        found["peaks_mib"] = peaks(passed, list(takers))
    return found


def table(found: dict[str, Any]) -> str:
    """The same for people."""
    seconds, lines = found["seconds"], [f"{found['device']}, {found['threads']} threads, torch {found['torch']}", ""]
    first = next(iter(seconds.values()))["median"]
    lines.append(f"{'s per 60,000 images':28} {'median':>8} {'least':>8} {'ratio':>8}")
    for name, times in seconds.items():
        lines.append(f"{name:28} {times['median']:8.3f} {times['least']:8.3f} {times['median'] / first:8.2f}")
    lines += [f"products alone, {name:14} {value:8.3f}" for name, value in found["floor"].items()]
    lines += [f"conv 64×64, batch 64, {name:16} {value:6.2f} ms" for name, value in found.get("conv_ms", {}).items()]
    lines += [f"{name:28} {times['median']:8.3f}" for name, times in found.get("sweeps", {}).items()]
    lines += [f"peak memory, {name:26} {value:6.0f} MiB" for name, value in found.get("peaks_mib", {}).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    options = parse()
    found = run(options)
    print(json.dumps(found, indent=2) if options.json else table(found))
