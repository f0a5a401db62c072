"""What a step costs with other programs, priors and posteriors: `python tests/benchmarks/program_steps.py`.

Each fits 784-400-10 to noise of MNIST's size, as `fit` does, eagerly and compiled, in processes that take turns with a
third one, which fits the β-VAE's own programs compiled. A line of the page's table each: medians in ms a step, and the
median over turns of the ratio of compiled to that third.
"""

from __future__ import annotations

import argparse
from statistics import median

from before_after import ROOT, start, take_turn

WORKER = """
import sys, warnings
from time import perf_counter
import torch
import pyro_bvae
from pyro_bvae.datasets import Dataset
from pyro_bvae.programs import PROGRAMS

compiles, threads, steps, turns = sys.argv[1] == "compiled", *map(int, sys.argv[2:5])
program, prior, posterior = sys.argv[5:]
torch.set_num_threads(threads)
torch.manual_seed(0)
images = torch.randint(0, 256, (60_000, 1, 28, 28), dtype=torch.uint8)
labels = torch.arange(60_000) % 10
few = labels.clone()
few[100:] = -1
data = Dataset("noise", images, labels=labels, extra={"labels": few})


class TakeTurns(pyro_bvae.Callback):
    def on_step(self, training):
        if training.step % steps == 0:
            if training.step > steps:
                print(perf_counter() - self.start, flush=True)
            else:
                print("ready", flush=True)
            sys.stdin.readline()
            self.start = perf_counter()


kind = PROGRAMS.get(program, pyro_bvae.BetaVAE)
options = kind.options_for(data) if hasattr(kind, "options_for") else {}
vae = kind(data.shape, 10, prior=prior, posterior=posterior, **options)
total = steps * (turns + 1)
warnings.simplefilter("ignore")
pyro_bvae.fit(vae, data, steps=total, compile=compiles, optimizer="adam", lr=1e-4, eval_every=total,
              callbacks=[TakeTurns()])
"""

OWN = ("beta", "normal", "diagonal")
PROGRAMS = [(name, "normal", "diagonal") for name in ("semi-supervised", "joint", "hierarchical", "conditional")]
PRIORS = [("beta", name, "diagonal") for name in ("laplace", "mixture:10", "vamp:100")]
POSTERIORS = [("beta", "normal", name) for name in ("full", "iaf:2", "planar:4", "spline:2")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--steps", type=int, default=30, help="of a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="those whose names have this in them")
    arguments = parser.parse_args()
    for names in [OWN, *PROGRAMS, *PRIORS, *POSTERIORS]:
        if arguments.only in " ".join(names):
            print(_row(names, arguments.threads, arguments.steps, arguments.turns), flush=True)


def _row(names: tuple[str, str, str], threads: int, steps: int, turns: int) -> str:
    """A row of the table: what, eager and compiled in ms a step, and compiled over the β-VAE's own."""
    runs = [("compiled", OWN), ("eager", names), ("compiled", names)]
    processes = [start(ROOT, WORKER, [way, threads, steps, turns, *which]) for way, which in runs]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    taken = [[take_turn(process) for process in processes] for _ in range(turns)]
    for process in processes:
        process.communicate("\n")
    _, eager, compiled = (1e3 * median(column) / steps for column in zip(*taken, strict=True))
    ratio = median(mine / own for own, _, mine in taken)
    what = ", ".join(name for name, own in zip(names, OWN, strict=True) if name != own) or "the β-VAE"
    return f"| {what} | {eager:.2f} | {compiled:.2f} | {ratio:.1f} |"


if __name__ == "__main__":
    main()
