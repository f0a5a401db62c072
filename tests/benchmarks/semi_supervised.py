"""Test errors of the program semi-supervised on MNIST, against a plain classifier on the same labels.

    python tests/benchmarks/semi_supervised.py ROOT --labelled 100 --seed 0 --out results.jsonl
    python tests/benchmarks/semi_supervised.py ROOT --labelled 100 --seed 0 --choose --out choices.jsonl

Programs see 50,000 training images and so many of their labels. With ``--choose`` the error is that on the other 10,000
training images, by which alpha, learning rate and length are chosen; without it, that on the 10,000 test images, which
are looked at once a fit. The classifier has the program's trunk and is trained on the labelled images alone, as long as
its error on the 10,000 other training images falls. A line of json is added for each of the two.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from pyro_bvae import datasets, fit
from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.datasets.few_labels import with_few_labels
from pyro_bvae.evaluation.classes import class_errors
from pyro_bvae.programs.semi_supervised import SemiSupervised

TRAINED, ALL = 50_000, 60_000  # images; those between choose


def main() -> None:
    """Fit both, and add their errors to a file."""
    options = _options()
    torch.set_num_threads(options.threads)
    data = datasets.load("mnist", options.root)
    seen = replace(data, train=torch.arange(TRAINED), options={})
    few = with_few_labels(seen, options.labelled, options.seed)
    choosing, test = torch.arange(TRAINED, ALL), torch.arange(ALL, len(data))
    looked_at = choosing if options.choose else test
    for result in (_program(few, looked_at, options), _classifier(few, choosing, looked_at, options)):
        said = {"labelled": options.labelled, "seed": options.seed, "choose": options.choose, **result}
        print(json.dumps(said), flush=True)
        with open(options.out, "a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--labelled", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--alpha", type=float, default=10.0)
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--latent-dim", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--run", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=Path("semi_supervised.jsonl"))
    return parser.parse_args()


def _program(few: Dataset, looked_at: Tensor, options: argparse.Namespace) -> dict[str, Any]:
    torch.manual_seed(options.seed)
    vae = SemiSupervised(
        few.shape,
        options.latent_dim,
        beta=options.beta,
        hidden=(options.hidden,),
        likelihood="bernoulli",
        alpha=options.alpha,
        **SemiSupervised.options_for(few),
    )
    start = perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = fit(
            vae,
            few,
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer="adam",
            lr=options.lr,
            seed=options.seed,
            precision=options.precision,
            eval_every=10**6,
            out=options.run,
            threads=options.threads,
            compile=options.compile,
        )
    seconds = perf_counter() - start
    assert few.labels is not None
    errors = class_errors(vae, few.rows(looked_at), few.labels[looked_at])
    chosen = {name: getattr(options, name) for name in ("alpha", "beta", "lr", "epochs", "hidden", "latent_dim")}
    return {"what": "semi-supervised", "error": errors.error, "seconds": seconds, "steps": run.step, **chosen}


def _classifier(few: Dataset, choosing: Tensor, looked_at: Tensor, options: argparse.Namespace) -> dict[str, Any]:
    """The trunk with a head, on the labelled images alone; it stops where its error on other data is least."""
    torch.manual_seed(options.seed)
    labels = few.beside["labels"]
    kept = (labels >= 0).nonzero().squeeze(1)
    x, y = pixels(few.images[kept]), labels[kept]
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, options.hidden), nn.ReLU(), nn.Linear(options.hidden, 10))
    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    best, best_state = 1.0, network.state_dict()
    for _ in range(40):
        for batch in torch.randperm(len(x)).repeat(max(1, 2000 // len(x))).split(128):
            adam.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            adam.step()
        with torch.no_grad():
            error = _error(network(pixels(few.images[choosing])).argmax(1), few, choosing)
        if error < best:
            best, best_state = error, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(best_state)
    with torch.no_grad():
        classes = network(pixels(few.images[looked_at])).argmax(1)
    return {"what": "classifier", "error": _error(classes, few, looked_at)}


def _error(classes: Tensor, data: Dataset, index: Tensor) -> float:
    assert data.labels is not None
    return (classes != data.labels[index]).float().mean().item()


if __name__ == "__main__":
    main()
