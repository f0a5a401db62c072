"""Whether a step takes as long as it did in another checkout: `python tests/benchmarks/before_after.py OTHER_TREE`.

One process a checkout and way of taking steps fits 784-400-10 to noise of MNIST's size, through `pyro_bvae.fit` alone.
They take turns: so many steps each, all others waiting. What is printed is the median over turns of the ratio here to
there, and of the seconds per 60,000 images.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, median

ROOT = Path(__file__).parents[2]
WORKER = """
import sys
from time import perf_counter
import torch
import pyro_bvae
from pyro_bvae.datasets import Dataset

compiles, threads, steps, turns = sys.argv[1] == "compiled", *map(int, sys.argv[2:])
torch.set_num_threads(threads)
torch.manual_seed(0)
data = Dataset("noise", torch.randint(0, 256, (60_000, 1, 28, 28), dtype=torch.uint8))


class TakeTurns(pyro_bvae.Callback):
    def on_step(self, training):
        if training.step % steps == 0:
            if training.step > steps:
                print(perf_counter() - self.start, flush=True)
            else:
                print("ready", flush=True)
            sys.stdin.readline()
            self.start = perf_counter()


vae = pyro_bvae.BetaVAE(data.shape, 10)
total = steps * (turns + 1)
pyro_bvae.fit(vae, data, steps=total, compile=compiles, eval_every=total, callbacks=[TakeTurns()])
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--steps", type=int, default=200, help="of a turn")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    for way in ("eager", "compiled"):
        words = [way, arguments.threads, arguments.steps, arguments.turns]
        processes = [start(tree, WORKER, words) for tree in (ROOT, arguments.other.resolve())]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        turns = [[take_turn(process) for process in processes] for _ in range(arguments.turns)]
        for process in processes:
            process.communicate("\n")
        here, there = (median(column) * 60_000 / (128 * arguments.steps) for column in zip(*turns, strict=True))
        ratio = median(one / other for one, other in turns)
        print(f"{way:9} {here:.3f} s here, {there:.3f} s there, ratio {ratio:.3f}, median of {len(turns)} pairs")


def start(tree: Path, worker: str, words: list[object]) -> subprocess.Popen[str]:
    """Begin a process that uses the package of a checkout."""
    command = [sys.executable, "-c", worker, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.Popen(
        command, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def take_turn(*processes: subprocess.Popen[str]) -> float:
    """Let processes go on at the same time, each to the end of its turn; the mean of the seconds that they print."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    seconds = []
    for process in processes:
        assert process.stdout is not None
        seconds.append(float(process.stdout.readline()))
    return mean(seconds)


if __name__ == "__main__":
    main()
