"""The step of the recipe `paper-dsprites`: by one thread, by two, and in two processes at a time with a thread each.

    python tests/benchmarks/paper_step.py --precision bf16

The three take turns of `fit`'s own compiled loop. Printed are medians over turns: milliseconds a step, and a step of
any of the runs at a time.
"""

from __future__ import annotations

import argparse
from statistics import median

from before_after import ROOT, start, take_turn

WORKER = """
import sys
from time import perf_counter
sys.path.insert(0, "tests/benchmarks")
import pyro, torch
from pyro.infer import TraceMeanField_ELBO
from speed import random_images
from pyro_bvae.compiled.step import inductor
from pyro_bvae.runs.building import build_model
from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.training.state import Training

precision, threads, steps = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
torch.manual_seed(0)
data = random_images(1000, (1, 64, 64))
chosen = {**RECIPES["paper-dsprites"].settings, "seed": 0}
small = 1e-4  # since noise is learned with no larger rate
settings = TrainingSettings(precision=precision, optimizer="adagrad", lr=small, batch_size=chosen["batch_size"])
training = Training(build_model(chosen, data.shape), data, settings, TraceMeanField_ELBO())
training.compile(inductor)
with pyro.validation_enabled(False), pyro.get_param_store().scope():
    for _ in range(5):
        training.advance()
    training.settle()
    print("ready", flush=True)
    while sys.stdin.readline():
        begin = perf_counter()
        for _ in range(steps):
            training.advance()
        training.settle()
        print((perf_counter() - begin) / steps, flush=True)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", action="append", choices=("fp32", "bf16"), help="both without")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="of a turn")
    given = parser.parse_args()
    for precision in given.precision or ("fp32", "bf16"):
        processes = [start(ROOT, WORKER, [precision, threads, given.steps]) for threads in (1, 1, 2)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        one, other, both = processes
        ways = {"one thread": [one], "two threads": [both], "two processes, a thread each": [one, other]}
        turns = [[take_turn(*way) for way in ways.values()] for _ in range(given.turns)]
        for process in processes:
            process.communicate()
        for (name, way), column in zip(ways.items(), zip(*turns, strict=True), strict=True):
            step = 1000 * median(column)
            print(f"{precision}  {name:30} {step:6.1f} ms a step, {step / len(way):6.1f} a step of any")


if __name__ == "__main__":
    main()
