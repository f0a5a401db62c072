"""The two estimators of total correlation: how far their gradients by the encoder's weights agree.

    python tests/benchmarks/estimators.py runs/digits-beta1-seed0 --data-root data --batch-size 64

Of twenty batches, the median ratio of the norms, stratified to weighted, and the median cosine.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from pyro_bvae import BetaVAE, load_run
from pyro_bvae.datasets import pixels
from pyro_bvae.objectives.sites import read
from pyro_bvae.objectives.total_correlation import ESTIMATORS, aggregate_terms
from pyro_bvae.terms import traces

BATCHES = 20


def gradient(vae: BetaVAE, x: Tensor, seed: int, size: int, estimator: str) -> Tensor:
    """Of the total correlation, by all weights of the encoder, in one vector."""
    torch.manual_seed(seed)
    correlation = aggregate_terms(read(*traces(vae.model, vae.guide, x)), size, estimator)[1]
    weights = [*nn.ModuleList([vae.encoder]).parameters()]
    return torch.cat([part.flatten() for part in torch.autograd.grad(correlation, weights)])


def main() -> None:
    """Print a line a run and batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data-root")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[64, 512])
    options = parser.parse_args()
    for path in options.runs:
        run = load_run(path, data_root=options.data_root)
        data = run.dataset()
        generator = torch.Generator().manual_seed(0)
        for batch_size in options.batch_size:
            ratios, cosines = [], []
            for seed in range(BATCHES):
                places = torch.randint(len(data.train), (batch_size,), generator=generator)
                x = pixels(data.images[data.train[places]])
                one, other = (gradient(run.model, x, seed, len(data.train), name) for name in ESTIMATORS)
                ratios.append((one.norm() / other.norm()).item())
                cosines.append(torch.cosine_similarity(one, other, dim=0).item())
            said = f"norms {median(ratios):.2f}, cosine {median(cosines):.2f}"
            print(f"{path.name}: N {len(data.train):,}, B {batch_size}: {said}")


if __name__ == "__main__":
    main()
