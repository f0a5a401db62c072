"""How long encoding takes: all dSprites, as the library does it, and what the encoder's layers alone take.

    python tests/benchmarks/encoding.py --images 36864

Times are those of all 737,280 images, projected from fewer. In another checkout the same file measures that one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from pyro_bvae import BetaVAE, codes, datasets

WHOLE = 737_280
NETWORKS = {"conv": {"network": "conv"}, "mlp 1200-1200": {"hidden": (1200, 1200)}}


def seconds(work: Callable[[], object], turns: int) -> float:
    """The median of some turns, after one that is not counted."""
    times = []
    for _ in range(turns + 1):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return median(times[1:])


def products(vae: BetaVAE, images: Tensor) -> float:
    """Seconds of large matrix products with as many multiplications as the encoder has, for these images."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        vae.encode(torch.zeros(1, *vae.shape))
    a = torch.rand(2048, 2048)
    return counter.get_total_flops() * len(images) * seconds(lambda: a @ a, 5) / (2 * len(a) ** 3)


def main() -> None:
    """Print a row a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=36_864)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    images = datasets.load("dsprites").images[:: WHOLE // asked.images]
    for name, options in NETWORKS.items():
        torch.manual_seed(0)
        vae = BetaVAE(images.shape[1:], **options)
        scale = WHOLE / len(images)
        ours = scale * seconds(lambda vae=vae: codes.encode(vae, images), asked.turns)
        print(f"{name}: {ours:.1f} s, products alone {scale * products(vae, images):.1f} s")


if __name__ == "__main__":
    main()
