"""Fits of several processes, as `torchrun` starts them, for tests of `ranks`.

Each process runs one of the functions of this file, named on its command line, and leaves what it returns in a file.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar
from unittest import mock

import torch
from pyro import distributions as dist
from pyro.infer import RenyiELBO
from torch import nn

from pyro_bvae import BetaVAE, Callback, evaluate, fit, ranks
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.programs.hierarchical import Hierarchical
from pyro_bvae.programs.semi_supervised import SemiSupervised
from pyro_bvae.terms import mean_terms
from pyro_bvae.training import Interrupted, Training, loop

SECONDS = 1800  # that the processes may take, on a busy machine
CASES: dict[str, dict[str, Any]] = {
    "beta": {},
    "beta:free_bits=0.3": {},
    "beta:num_particles=2": {},
    "capacity:gamma=10,capacity=1": {},
    "capacity:gamma=10,capacity=1,of=image": {},
    "tc:beta=4": {},
    "tc:beta=4,estimator=weighted": {},
    "factor:gamma=5,width=8,layers=1,lr=0.01": {},
    "dip-i:off_diagonal=5,diagonal=5": {},
    "dip-ii:off_diagonal=5,diagonal=5": {},
    "info:alpha=0.5,scale=10": {},
    "controlled:target=0.5,gain=0.5": {},
    "beta, held at a rate": {"match_rate": 0.5},
    "beta, gaussian-optimal": {"likelihood": "gaussian-optimal"},
    "tc:beta=4, gaussian-optimal": {"likelihood": "gaussian-optimal"},
    "beta, with weight decay": {"weight_decay": 0.1},
    "dip-i:off_diagonal=5,diagonal=5, parameters hidden": {"is_hidden": True},
    "info:alpha=0.5,scale=10, parameters hidden": {"is_hidden": True},
    "beta, a mixture and a flow": {"prior": "mixture:2", "posterior": "iaf:1"},
    "tc:beta=4, a VampPrior": {"prior": "vamp:2"},
    "beta, a class beside z": {"kind": SemiSupervised},
    "capacity:gamma=10,capacity=1, two layers": {"kind": Hierarchical},
}


def environment(rank: int, size: int, port: int, **others: str) -> dict[str, str]:
    """What torchrun tells a process."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    texts = {name: str(number) for name, number in numbers.items()}
    return {**os.environ, **texts, "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1", **others}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def started(folder: Path, words: list[str], size: int = 2, **variables: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ranks of one group, what they say in ``RANK.log`` of a folder; killed at the end."""
    port, processes = free_port(), []
    for rank in range(size):
        with open(folder / f"{rank}.log", "w", encoding="utf-8") as log:
            settings = environment(rank, size, port, **variables)
            processes.append(subprocess.Popen(words, env=settings, stdout=log, stderr=log, text=True))
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def returned(folder: Path, name: str, *arguments: object, size: int = 2, ends: tuple[int, ...] = (0, 0)) -> list[Any]:
    """What a function of this file returns in each of several processes, which end with these codes."""
    words = [sys.executable, "-W", "error", __file__, str(folder), name, *map(str, arguments)]
    with started(folder, words, size) as processes:
        codes = [process.wait(timeout=SECONDS) for process in processes]
    assert codes == [*ends], said(folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


def said(folder: Path) -> str:
    """What the processes said."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.log")))


def some_images(count: int = 11) -> Dataset:
    """Grey images of 4×4, most of them to train on."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(count + 5, 1, 4, 4, generator=generator)
    labels = torch.arange(count + 5) % 4 - 1
    return Dataset("some", images, held_out=torch.arange(count, count + 5), extra={"labels": labels})


def small_vae(is_hidden: bool = False, kind: type[BetaVAE] = BetaVAE, **options: Any) -> BetaVAE:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return (HiddenVAE if is_hidden else kind)((1, 4, 4), 3, hidden=(6,), **options)


class Hidden(dist.Normal):
    """A normal that does not say what its parameters are called."""

    arg_constraints: ClassVar = {}

    def expand(self, shape: Any, _instance: Any = None) -> Hidden:
        return Hidden(self.loc.expand(shape), self.scale.expand(shape))


class HiddenVAE(BetaVAE):
    """Guide and prior whose parameters nobody can gather."""

    def __init__(self, *given: Any, **options: Any) -> None:
        zero, one = torch.zeros(3), torch.ones(3)
        super().__init__(*given, prior=lambda: Hidden(zero, one).to_event(1), **options)

    def encode(self, x: torch.Tensor) -> dist.TorchDistribution:
        loc, log_variance = self.encoder(x)
        return Hidden(loc, (0.5 * log_variance).exp()).to_event(1)


@contextmanager
def same_noise() -> Iterator[None]:
    """Let each datum of a batch have the noise that one process gives it, and ranks other draws for the whole batch."""
    bank = torch.randn(64, 32, generator=torch.Generator().manual_seed(5), dtype=torch.float64)

    def noise(shape: Any, dtype: Any = torch.float32, device: Any = None) -> torch.Tensor:
        share = ranks.the_share()
        if len(shape) == 1:
            return bank[0, : shape[0]].to(dtype)
        if len(shape) == 3:  # of each value of an enumerated site
            return noise(shape[1:], dtype).expand(shape)
        rows = slice(shape[0]) if share is None else slice(share.rows.start, share.rows.stop)
        if share is not None and shape[0] != share.rows.stop - share.rows.start:  # for the whole batch
            return (bank[: shape[0], : shape[1]] + ranks.rank()).to(dtype)
        return bank[rows, : shape[1]].to(dtype)

    def sample(self: Any, shape: Any = torch.Size()) -> torch.Tensor:  # noqa: B008
        with torch.no_grad():
            return self.loc + self.scale * noise(self._extended_shape(shape), self.loc.dtype)

    normal = torch.distributions.normal
    with (
        mock.patch.object(normal, "_standard_normal", noise),
        mock.patch.object(normal.Normal, "sample", sample),
        mock.patch.object(torch, "rand_like", lambda tensor: noise(tensor.shape, tensor.dtype).sigmoid()),
    ):
        yield


def fitted(case: str, way: str, **options: Any) -> dict[str, Any]:
    """What a fit of a few steps gives, the third of which has one datum, or the second six."""
    options |= {"compile": way != "eager", "precision": "bf16" if way == "bf16" else "fp32"}
    settings = {"steps": 4, "batch_size": 5, "optimizer": "sgd", "lr": 1e-3, "seed": 2, "eval_every": 2, **CASES[case]}
    parts = ("likelihood", "prior", "posterior", "is_hidden", "kind")
    vae = small_vae(**{name: settings.pop(name) for name in parts if name in settings})
    before = [parameter.detach().clone() for parameter in vae.parameters()]
    objective = case.partition(", ")[0].removesuffix(" ")
    compiler = loop.inductor if way == "inductor" else lambda graph, _: graph
    with same_noise(), mock.patch.object(loop, "inductor", compiler):
        run = fit(vae, some_images(), objective=objective, **settings | options)
    return {
        "before": before,
        "after": [parameter.detach().clone() for parameter in vae.parameters()],
        "buffers": {name: buffer.clone() for name, buffer in vae.named_buffers()},
        "history": run.history,
    }


FEW = [("beta", "graph"), ("tc:beta=4, gaussian-optimal", "graph")]
WAYS = {
    "fast": [*((case, "eager") for case in CASES), *FEW],
    **{way: [(case, way) for case in CASES] for way in ("graph", "bf16", "inductor")},
}


@contextmanager
def alone() -> Iterator[None]:
    """One process, which does not look for others."""
    with mock.patch.dict(os.environ, {"WORLD_SIZE": "1"}):
        yield


def table(_: str, way: str) -> dict[str, Any]:
    """Fits by one process, which rank 0 is at first, and by all."""
    with alone():
        by_one = {case: fitted(*case) for case in WAYS[way]} if os.environ["RANK"] == "0" else {}
    ranks.join()
    return {"alone": by_one, "together": {case: fitted(*case) for case in WAYS[way]}}


def measured(where: Any = nullcontext) -> dict[int, dict[str, Any]]:
    """A model evaluated in batches of several sizes: many, the last one shorter; one for each rank; one in all."""
    vae, images = small_vae(likelihood="binarized-bernoulli"), some_images(12).images
    with where():
        return {
            size: {
                "evaluation": evaluate(vae, images, particles=3, batch_size=size),
                "codes": encode(vae, images, batch_size=size),
                "terms": mean_terms(vae, images, batch_size=size),
            }
            for size in (3, 9, len(images))
        }


def resumed(folder: Path) -> list[dict[str, Any]]:
    """A fit in one go, and the same in two parts."""
    options: dict[str, Any] = {"batch_size": 8, "eval_every": 2, "checkpoint_every": 1, "keep": 2}
    ways = []
    for name, lengths in (("whole", [6]), ("parts", [3, 6])):
        for steps in lengths:
            vae = small_vae(likelihood="binarized-bernoulli")
            run = fit(vae, some_images(40), steps=steps, out=folder / name, resume=steps > lengths[0], **options)
        weights = [value.clone() for value in vae.state_dict().values()]
        ways.append({"weights": weights, "history": run.history, "config": run.config})
    return ways


class Poison(Callback):
    """Lets one rank see data that are not finite, after two steps."""

    def on_step(self, training: Training) -> None:
        if training.step == 2 and ranks.rank() == 1:
            training.vae.encoder.register_forward_pre_hook(lambda _, given: (given[0] * float("nan"),))


class Warn(Callback):
    """Sends one rank the signal with which a scheduler warns, after two steps."""

    def on_step(self, training: Training) -> None:
        if training.step == 2 and ranks.rank() == 1:
            signal.raise_signal(signal.SIGTERM)


class Die(Callback):
    """Ends one rank after three steps, as the system does where memory is short."""

    def on_step(self, training: Training) -> None:
        if training.step == 3 and ranks.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def stopped(folder: Path) -> tuple[int, int]:
    """After which step a fit ends of which one rank is warned, and by which signal."""
    try:
        fit(small_vae(), some_images(), steps=10**6, batch_size=6, callbacks=[Warn()], out=folder / "stopped")
    except Interrupted as stop:
        return stop.step, stop.signal
    raise AssertionError("it went on")


def refusal(**options: Any) -> tuple[str, str, bool]:
    """How a fit fails that cannot be taken by several ranks."""
    vae, images = options.pop("vae", None) or small_vae(), options.pop("images", None) or some_images()
    try:
        fit(vae, images, steps=4, batch_size=6, **options)
    except Exception as error:
        return type(error).__name__, str(error), ranks.is_known_to_all(error)
    raise AssertionError("it was taken")


def refusals(folder: Path) -> dict[str, tuple[str, str, bool]]:
    """What is refused, and why."""
    normalised = small_vae()
    normalised.encoder = nn.Sequential(nn.BatchNorm2d(1), normalised.encoder)
    return {
        "nan": refusal(callbacks=[Poison()], out=folder / "nan", checkpoint_every=1, eval_every=4),
        "batch norm": refusal(vae=normalised),
        "elbo": refusal(elbo=RenyiELBO()),
        "data": refusal(images=some_images(11 + ranks.rank())),
        "taken": refusal(out=folder / "whole"),
        "one alone": one_alone(),
    }


def one_alone() -> tuple[str, str, bool]:
    """An error of a single rank."""
    try:
        with ranks.alike():
            if ranks.rank() == 1:
                raise FileNotFoundError("no such data")
    except OSError as error:
        return type(error).__name__, str(error), ranks.is_known_to_all(error)
    raise AssertionError("nobody noticed")


def everything(folder: str) -> dict[str, Any]:
    """All that is tested of one start of several processes, at whose end the second one is killed."""
    place, is_first = Path(folder), os.environ["RANK"] == "0"
    with alone():
        results: dict[str, Any] = {"measured alone": measured()} if is_first else {}
    results |= table(folder, "fast")
    results |= {"measured": measured(ranks.together), "resumed": resumed(place), "refusals": refusals(place)}
    results["stopped"] = stopped(place)
    keep(results, folder)
    start = monotonic()
    lost = refusal(callbacks=[Die()], out=place / "lost", checkpoint_every=1)
    return results | {"lost": (*lost, monotonic() - start)}


def keep(results: Any, folder: str) -> None:
    """Leave results in a file."""
    torch.save(results, Path(folder) / f"{os.environ['RANK']}.pt")


if __name__ == "__main__":
    faulthandler.dump_traceback_later(SECONDS - 20, exit=True)  # where they hang
    folder, name, *arguments = sys.argv[1:]
    keep(globals()[name](folder, *arguments), folder)
