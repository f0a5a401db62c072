"""Images a second of one process and of several that take a fit together, a thread each: conv and mlp.

    python tests/benchmarks/ranks.py --turns 5 > ranks.json

The batch is that of the whole step, so that two processes have half of it each. Beside it stands the time of the flat
all-reduce of all gradients alone, over gloo on this machine. Processes of either number take turns, and medians are
printed; with more processes than idle cores the numbers are worthless.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from pyro.infer import TraceMeanField_ELBO

from pyro_bvae import BetaVAE, ranks
from pyro_bvae.compiled import inductor
from pyro_bvae.datasets import Dataset
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.training import Training
from pyro_bvae.training.scope import fit_scope

NETWORKS = {"mlp": (28, 128), "mlp, batch 1024": (28, 1024), "conv": (64, 64)}  # side of the images, data a step
STEPS = {"mlp": 300, "mlp, batch 1024": 60, "conv": 40}


def main() -> None:
    """Measure and print, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--most", type=int, default=2, help="processes")
    parser.add_argument("--eager", action="store_true", help="steps that are not compiled")
    parser.add_argument("--be", choices=NETWORKS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.be:
        sys.stdout.write(json.dumps(measured(arguments.be, not arguments.eager)))
        return
    results = {}
    for network in NETWORKS:
        turns = [
            {size: started(network, size, arguments.eager) for size in (1, arguments.most)}
            for _ in range(arguments.turns)
        ]
        results[network] = {
            size: {what: median(turn[size][what] for turn in turns) for what in turns[0][size]}
            for size in (1, arguments.most)
        }
        sys.stderr.write(f"{network}: {results[network]}\n")
    json.dump(results, sys.stdout, indent=2)


def started(network: str, size: int, is_eager: bool) -> dict[str, float]:
    """What the first of so many processes measures."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    words = [sys.executable, __file__, "--be", network, *(["--eager"] if is_eager else [])]
    processes = []
    for rank in range(size):
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
        texts = {name: str(number) for name, number in numbers.items()}
        environment = {**os.environ, **texts, "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        processes.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in processes]
    return json.loads(said[0])  # type: ignore[no-any-return]


def measured(network: str, compiles: bool) -> dict[str, float]:
    """Images a second, and milliseconds of a step and of its all-reduce."""
    ranks.join()
    torch.set_num_threads(1)
    side, batch_size = NETWORKS[network]
    images = torch.randint(0, 256, (4 * batch_size + 1, 1, side, side), dtype=torch.uint8)
    data = Dataset("random", images, held_out=torch.arange(1))
    vae = BetaVAE(data.shape, 10, network=network.partition(",")[0])
    ranks.copy_from_first(vae)
    with fit_scope(vae, 0, torch.device("cpu")):
        training = Training(vae, data, TrainingSettings(batch_size=batch_size, steps=10**6), TraceMeanField_ELBO())
        if compiles:
            training.compile(inductor)
        for _ in range(2 * training.steps_per_epoch):  # compiles each shape
            training.advance()
        seconds = best(training.advance, STEPS[network])
    alone = 0.0
    if ranks.size() > 1:
        gradients = [torch.zeros_like(parameter) for parameter in vae.parameters()]
        with ranks.sharing(batch_size):
            alone = best(lambda: ranks.add_up(gradients), 50)
    return {"images_per_second": batch_size / seconds, "step_ms": 1000 * seconds, "all_reduce_ms": 1000 * alone}


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of one, the best mean of three series."""
    means = []
    for _ in range(3):
        ranks.greatest(0.0)  # begin together
        start = perf_counter()
        for _ in range(repeats):
            work()
        means.append((perf_counter() - start) / repeats)
    return min(means)


if __name__ == "__main__":
    main()
