"""Whether compiled steps of other people's programs are slower than eager ones.

    python tests/benchmarks/other_programs.py

Each program of the family in tests/programs.py, and some whose products read slices of wider tensors, is stepped
eagerly and compiled in turn, on noise. Printed are the medians of both and their ratio; one above 1.2 is marked, and
makes the exit code 1. Compiling all of them takes some minutes.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from pyro.infer import TraceMeanField_ELBO
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from programs import FAMILY, SHAPE, Conditional, Sliced, dense

from pyro_bvae import BetaVAE
from pyro_bvae.compiled import CompiledStep
from pyro_bvae.objectives import PerImage
from pyro_bvae.training.steps import EagerStep, report_of

MOST = 1.2
WIDE = (3, 64, 64)


class Heads(nn.Module):
    """An encoder of any layers to 400 features."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.loc, self.log_variance = nn.Linear(400, 10), nn.Linear(400, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance."""
        h = self.layers(x)
        return self.loc(h), self.log_variance(h)


def one_channel() -> BetaVAE:
    """An encoder of the first of three channels, whose products read rows of a wider matrix."""
    return BetaVAE(WIDE, 10, encoder=Heads(Sliced(0, 4096), *dense(4096, 400)))


def every_second() -> BetaVAE:
    """An encoder of every second value."""
    return BetaVAE(WIDE, 10, encoder=Heads(Sliced(0, 12288, 2), *dense(6144, 400)))


PROGRAMS: dict[str, tuple[Callable[[], BetaVAE], tuple[int, ...]]] = {
    **{name: (make, SHAPE) for name, make in FAMILY.items()},
    "a label beside x and z, wide": (lambda: Conditional(400), SHAPE),
    "the first of three channels": (one_channel, WIDE),
    "every second value": (every_second, WIDE),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=30, help="steps of each, in turn")
    parser.add_argument("--only", help="programs whose name has this in it")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    slow = 0
    for name, (make, shape) in PROGRAMS.items():
        if arguments.only is None or arguments.only in name:
            slow += _measure(name, make, torch.rand(128, *shape), arguments.turns)
    raise SystemExit(slow > 0)


def _measure(name: str, make: Callable[[], BetaVAE], x: torch.Tensor, turns: int) -> bool:
    steps = []
    for compiles in (False, True):
        torch.manual_seed(0)
        vae, elbo = make(), TraceMeanField_ELBO()
        optimizer, report = torch.optim.RMSprop(vae.parameters(), lr=1e-4), report_of(elbo)
        eager = EagerStep(vae, elbo, optimizer, report)
        compiled = CompiledStep(vae.model, vae.guide, PerImage(elbo), vae, optimizer, report=report)
        steps.append(compiled if compiles else eager)
    with warnings.catch_warnings(action="ignore"):
        times = [[_seconds(step, x) for step in steps] for _ in range(turns + 2)][2:]
    eager_seconds, compiled_seconds = (median(column) for column in zip(*times, strict=True))
    ratio = compiled_seconds / eager_seconds
    said = " SLOWER" if ratio > MOST else ""
    how = f" ({steps[1].reason})" if isinstance(steps[1], CompiledStep) and steps[1].reason else ""
    print(
        f"{name:34} eager {1e3 * eager_seconds:7.2f} ms  compiled {1e3 * compiled_seconds:7.2f} ms  "
        f"{ratio:.2f}{said}{how}"
    )
    return ratio > MOST


def _seconds(step: EagerStep | CompiledStep, x: torch.Tensor) -> float:
    start = perf_counter()
    step(x)
    return perf_counter() - start


if __name__ == "__main__":
    main()
