"""Networks at equal time: held-out ELBO, scores and steps of each.

    python tests/benchmarks/networks.py --dataset digits --size 64 --seconds 600 --seeds 0,1 --out networks.jsonl
    python tests/benchmarks/networks.py --dataset dsprites --networks conv,locatello --seconds 600 --out d.jsonl

Each network is fitted for so many seconds of the processor in steps, on one thread, compiled, in bf16; compiling and
scoring take no part of them, and work beside it takes none away. A network is a name, or an encoder and a decoder, like
locatello+broadcast. Each fit adds a line to the file, and what is in it already is not fitted again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from pyro_bvae import BetaVAE, Callback, Run, datasets, fit, scoring
from pyro_bvae.compiled.randomness import own_generator
from pyro_bvae.datasets import Dataset
from pyro_bvae.scoring.registry import METRICS
from pyro_bvae.settings.names import NETWORKS

KEYS = ("network", "dataset", "size", "seed", "seconds", "beta", "objective", "lr", "batch_size")
FOREVER = 10**8  # steps


class Limit(Callback):
    """Ends a fit after so many seconds of the processor, counted from the first step, which compiles."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.start: float | None = None

    def on_step(self, training: Any) -> None:
        """Take no more steps when the time is over."""
        now = time.process_time()
        self.start = now if self.start is None else self.start
        if now - self.start >= self.seconds:
            training.total = training.step


def fitted(data: Dataset, task: dict[str, Any], options: argparse.Namespace) -> Run:
    """The run of a network after its seconds."""
    network, _, decoder = task["network"].partition("+")
    with own_generator(task["seed"], torch.device("cpu")):
        vae = BetaVAE(
            data.shape,
            options.latents,
            beta=task["beta"],
            network=network,
            decoder=decoder or None,
            likelihood=options.likelihood,
        )
    return fit(
        vae,
        data,
        steps=FOREVER,
        eval_every=FOREVER,
        optimizer="adam",
        lr=task["lr"],
        batch_size=task["batch_size"],
        seed=task["seed"],
        objective=task["objective"],
        threads=1,
        compile=not options.eager,
        precision="fp32" if options.eager else "bf16",
        callbacks=[Limit(task["seconds"])],
    )


def results_of(run: Run, data: Dataset, names: list[str]) -> dict[str, Any]:
    """Terms in nats an image, and scores."""
    last = run.history[-1]
    known = scoring.applicable((), data, 1, run.model.latent_dim)
    chosen = [name for name in names or known if name in known]
    rows = scoring.score([run], chosen, repeats=1) if chosen else []
    return {
        "steps": run.step,
        "parameters": sum(parameter.numel() for parameter in run.model.parameters()),
        "elbo": last["held_out_elbo"],
        "distortion": last["held_out_distortion"],
        "rate": last["held_out_rate"],
        "kl_per_latent": last["held_out_kl_per_latent"],
        "scores": {name: value for row in rows for name, value in row.scores.items()},
    }


def main() -> None:
    """Fit what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS), help="names, or ENCODER+DECODER, with commas")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--data-root")
    parser.add_argument("--size", type=int, help="side in pixels to which images are brought")
    parser.add_argument("--subsample", type=int, help="take so many of the images")
    parser.add_argument("--seconds", type=float, default=600.0, help="of the processor, each network")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--objective", default="beta")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--latents", type=int, default=10)
    parser.add_argument("--likelihood", default="bernoulli")
    parser.add_argument("--scores", default="", help=f"of {', '.join(METRICS)}; all that the data allow without")
    parser.add_argument("--eager", action="store_true", help="neither compiled nor in bf16, for a rehearsal")
    parser.add_argument("--out", type=Path, required=True, help="file of json lines")
    options = parser.parse_args()
    loading = {"image_size": options.size, "subsample": options.subsample}
    given = {name: value for name, value in loading.items() if value is not None}
    data = datasets.load(options.dataset, options.data_root, **given)
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    done = [[json.loads(line)[key] for key in KEYS] for line in lines]
    for seed in map(int, options.seeds.split(",")):
        for network in options.networks.split(","):
            task = {key: getattr(options, key, None) for key in KEYS} | {"network": network, "seed": seed}
            if [task[key] for key in KEYS] in done:
                continue
            run = fitted(data, task, options)
            line = task | results_of(run, data, list(filter(None, options.scores.split(","))))
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{network:22} seed {seed}  {line['steps']:7,} steps  ELBO {line['elbo']:9.2f}", flush=True)


if __name__ == "__main__":
    main()
