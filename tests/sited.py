"""Programs whose sites are summed over, relaxed, in layers or observed, for the laws of terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pyro_bvae import BetaVAE
from pyro_bvae.datasets import Dataset

__all__ = ["CLASSES", "PROGRAMS", "Classes", "Condition", "Layers", "Relaxed", "StraightThrough", "few_labels", "with_"]

CLASSES = 3


class Classes(BetaVAE):
    """A class y beside z: y ~ p(y), z ~ p(z), x ~ p(x | z, y); q(y | x) q(z | x, y), with y known in some rows."""

    enumerate = "parallel"

    def __init__(self, shape: tuple[int, ...] = (1, 8, 8), **options: Any) -> None:
        super().__init__(shape, 2, hidden=(8,), **options)
        self.class_logits = nn.Parameter(torch.tensor([0.3, -0.2, 0.1]))
        self.of_class = nn.Linear(shape[0] * 64, CLASSES)
        self.shift = nn.Linear(CLASSES, 2)

    def model(self, x: Tensor | None = None, size: int = 1, labels: Tensor | None = None) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            p = dist.Categorical(logits=self.class_logits)
            if labels is None:
                y = pyro.sample("y", p)
            else:
                y = pyro.sample("y", p, obs=labels.clamp(min=0), obs_mask=labels >= 0)
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(z + self.shift(one_hot(y, CLASSES).float())), obs=x)

    def guide(self, x: Tensor, labels: Tensor | None = None) -> None:
        self.register()
        q = dist.Categorical(logits=self.of_class(x.flatten(1)))
        infer = {"enumerate": self.enumerate} if self.enumerate else {}
        with pyro.plate("batch", x.shape[0], dim=-1):
            if labels is None:
                y = pyro.sample("y", q, infer=infer)
            else:
                known = labels >= 0
                with poutine.mask(mask=~known):
                    drawn = pyro.sample("y_unobserved", q, infer=infer)
                y = torch.where(known, labels.clamp(min=0), drawn)
            loc, log_variance = self.encoder(x)
            with self.weighted():
                loc = loc + self.shift(one_hot(y, CLASSES).float())
                pyro.sample("z", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(1))


class Layers(BetaVAE):
    """z2 → z1 → x; q(z1 | x) q(z2 | z1), whose order is another than the model's, or q(z2 | x) q(z1 | x, z2)."""

    def __init__(self, bottom_up: bool = True, **options: Any) -> None:
        super().__init__((1, 8, 8), 2, hidden=(8,), **options)
        self.bottom_up = bottom_up
        self.down, self.up = nn.Linear(1, 2), nn.Linear(2, 1)

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            with self.weighted():
                z2 = pyro.sample("z2", dist.Normal(torch.zeros(1), 1.0).to_event(1))
                z1 = pyro.sample("z1", dist.Normal(self.down(z2), 0.7).to_event(1))
            return pyro.sample("x", self.decode(z1), obs=x)

    def guide(self, x: Tensor) -> None:
        self.register()
        loc, log_variance = self.encoder(x)
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            if self.bottom_up:
                z1 = pyro.sample("z1", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(1))
                pyro.sample("z2", dist.Normal(self.up(z1), 0.8).to_event(1))
            else:
                z2 = pyro.sample("z2", dist.Normal(self.up(loc), 0.8).to_event(1))
                z1 = loc + self.down(z2)
                pyro.sample("z1", dist.Normal(z1, (0.5 * log_variance).exp()).to_event(1))


class Relaxed(Classes):
    """A class that the guide relaxes, under a prior of classes or of relaxed ones."""

    prior_is_relaxed = False

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:  # type: ignore[override]
        self.register()
        probabilities = torch.full((CLASSES,), 1 / CLASSES)
        p: Any = dist.OneHotCategorical(probabilities)
        if self.prior_is_relaxed:
            p = dist.RelaxedOneHotCategorical(torch.tensor(0.5), probabilities)
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            y = pyro.sample("y", p)
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(z + self.shift(y)), obs=x)

    def guide(self, x: Tensor) -> None:  # type: ignore[override]
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1):
            logits = self.of_class(x.flatten(1))
            pyro.sample("y", self.relaxed()(torch.tensor(0.5), logits=logits))
            with self.weighted():
                pyro.sample("z", self.encode(x))

    def relaxed(self) -> Any:
        return dist.RelaxedOneHotCategorical


class StraightThrough(Relaxed):
    def relaxed(self) -> Any:
        return dist.RelaxedOneHotCategoricalStraightThrough


class Condition(BetaVAE):
    """p(x | z, c) under a condition that stands beside x, without a default, and a second observed site."""

    def __init__(self, **options: Any) -> None:
        super().__init__((1, 8, 8), 2, hidden=(8,), **options)
        self.of_condition = nn.Linear(1, 2)

    def model(self, x: Tensor | None = None, size: int = 1, *, c: Tensor) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            with poutine.scale(scale=0.25):
                pyro.sample("c", dist.Normal(z[..., 0], 1.0), obs=c)
            return pyro.sample("x", self.decode(z + self.of_condition(c[:, None])), obs=x)

    def guide(self, x: Tensor, c: Tensor) -> None:
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            loc, log_variance = self.encoder(x)
            pyro.sample("z", dist.Normal(loc + c[:, None], (0.5 * log_variance).exp()).to_event(1))


PROGRAMS: dict[str, Callable[[], BetaVAE]] = {
    "classes": Classes,
    "layers, bottom up": Layers,
    "layers, top down": lambda: Layers(bottom_up=False),
    "relaxed under relaxed": lambda: with_(Relaxed(), prior_is_relaxed=True),
    "condition": Condition,
}


def with_(vae: BetaVAE, **attributes: Any) -> BetaVAE:
    for name, value in attributes.items():
        setattr(vae, name, value)
    return vae


def few_labels() -> Dataset:
    """Sixty images, a third of whose labels are known, and a number beside each."""
    torch.manual_seed(1)
    labels = torch.randint(CLASSES, (60,))
    few = labels.where(torch.rand(60) < 0.3, -1)
    extra = {"labels": few, "c": torch.randn(60, dtype=torch.float64)}
    return Dataset("mine", torch.rand(60, 1, 8, 8).round(), labels=labels, extra=extra)
