"""The convolutional step, beside another checkout's and beside its convolutions alone.

    python tests/benchmarks/conv.py OTHER_TREE --side 64 --batch 64

One process a checkout takes steps of `fit`'s own loop, eager, compiled in fp32 and in bf16. They take turns. Printed
are medians over turns in milliseconds a step. The floor is what each convolution of the network takes alone, there and
back, in its best layout and the faster of its ways, and what a large product of as many operations takes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from before_after import ROOT, start, take_turn
from torch import Tensor

from pyro_bvae.compiled.matmul import Products

aten = torch.ops.aten

WAYS = {"eager": (False, "fp32"), "compiled": (True, "fp32"), "compiled, bf16": (True, "bf16")}
WORKER = """
import sys
from time import perf_counter
sys.path.insert(0, "tests/benchmarks")
import torch
from contestants import ours
from speed import random_images

compiles, precision, channels, side, batch, threads, steps = sys.argv[1] == "True", sys.argv[2], *map(int, sys.argv[3:])
torch.set_num_threads(threads)
data = random_images(max(300, 3 * batch), (channels, side, side))
take = ours(data, batch, 10, torch.device("cpu"), compiles, precision, "conv")
take(5)
print("ready", flush=True)
while sys.stdin.readline():
    begin = perf_counter()
    take(steps)
    print((perf_counter() - begin) / steps, flush=True)
"""


def layers(channels: int, side: int) -> list[tuple[bool, int, int, int]]:
    """Whether it is transposed, channels before and after, and the side before, of each halving and doubling."""
    sides = [side]
    while sides[-1] > 4:
        sides.append(sides[-1] // 2)
    there = [(False, channels if size == side else 32, 32, size) for size in sides[:-1]]
    widths = [64, 64, *[32] * (len(sides) - 3), channels]
    back = [(True, *pair, size) for pair, size in zip(pairwise(widths), sides[:0:-1], strict=True)]
    return there + back


def floor(channels: int, side: int, batch: int, dtype: torch.dtype) -> tuple[float, float]:
    """Seconds of all convolutions there and back, each alone, and of a large product of as many operations."""
    seconds, operations = 0.0, 0
    for transposed, before, after, size in layers(channels, side):
        kernels = torch.randn((before, after, 4, 4) if transposed else (after, before, 4, 4)).to(dtype)
        images = torch.randn(batch, before, size, size).to(dtype)
        x, weight = (each.contiguous(memory_format=torch.channels_last) for each in (images, kernels))
        geometry: Any = ([2, 2], [1, 1], [1, 1], transposed, [0, 0], 1)
        y = aten.convolution.default(x, weight, None, *geometry)
        asked = [[False, True, False]] if before == channels else [[True, False, False], [False, True, False]]
        seconds += typical(aten.convolution.default, x, weight, None, *geometry)
        for mask in asked:
            seconds += typical(aten.convolution_backward.default, y, x, weight, None, *geometry, mask)
        operations += 2 * 16 * before * after * batch * min(size, y.shape[2]) ** 2 * (1 + len(asked))
    square = torch.randn(2048, 2048).to(dtype)
    return seconds, typical(torch.mm, square, square) * operations / (2 * 2048**3)


def typical(function: Callable[..., Any], *arguments: Any, tries: int = 11) -> float:
    """Seconds of a call, the median of a few; by the way of `Products` where that is faster."""
    medians = []
    routed = Products("fp32" if arguments[0].dtype == torch.float32 else "bf16")  # which routes operands of float32
    plain = [each.float() if isinstance(each, Tensor) else each for each in arguments]
    for way, operands in ((nullcontext(), arguments), (routed, plain)):
        seconds = []
        with way, torch.no_grad():
            for _ in range(tries):
                begin = perf_counter()
                function(*operands)
                seconds.append(perf_counter() - begin)
        medians.append(median(seconds))
    return min(medians)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("others", type=Path, nargs="*", help="other checkouts")
    for name, value in {"channels": 1, "side": 64, "batch": 64, "turns": 9, "steps": 4}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    size = (given.channels, given.side, given.batch)
    print(f"{given.channels} × {given.side} × {given.side}, batch {given.batch}, ms a step: {ROOT}, {given.others}")
    for name, way in WAYS.items():
        words = [*way, *size, given.threads, given.steps]
        processes = [start(tree, WORKER, words) for tree in (ROOT, *[tree.resolve() for tree in given.others])]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        turns = [[take_turn(process) for process in processes] for _ in range(given.turns)]
        for process in processes:
            process.communicate()
        print(f"{name:16}", *[f"{1000 * median(column):8.1f}" for column in zip(*turns, strict=True)])
    torch.set_num_threads(given.threads)
    for dtype in (torch.float32, torch.bfloat16):
        alone, large = floor(*size, dtype)
        print(f"floor, {dtype}: convolutions alone {1000 * alone:.1f}, a large product {1000 * large:.1f}")


if __name__ == "__main__":
    main()
