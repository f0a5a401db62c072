"""Programs with more than one latent site, and odd ones, that are looked at in the tests."""

from __future__ import annotations

from collections.abc import Callable

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pyro_bvae import BetaVAE
from pyro_bvae.programs import joined

__all__ = [
    "CLASSES",
    "LATENTS",
    "PROGRAMS",
    "SHAPE",
    "Conditional",
    "Joint",
    "Layers",
    "Mixture",
    "Odd",
    "SemiSupervised",
    "TwoVectors",
]

SHAPE, CLASSES = (1, 4, 4), 3
"""Small enough to be written out; the weights are large, so that every latent shows."""


def wide(module: nn.Linear) -> nn.Linear:
    """A layer with weights of about 1."""
    nn.init.normal_(module.weight)
    return module


class Small(BetaVAE):
    """What the programs below share: features of x, and pixels from a row of numbers."""

    inputs = 3

    def __init__(self) -> None:
        super().__init__(SHAPE, 2, hidden=(5,))
        self.features, self.pixels = wide(nn.Linear(16, 6)), wide(nn.Linear(self.inputs, 16))
        self.second = wide(nn.Linear(2 + CLASSES, 2))

    def look(self, x: Tensor) -> Tensor:
        return self.features(x.flatten(1)).tanh()

    def show(self, *rows: Tensor) -> dist.TorchDistribution:
        logits = self.pixels(joined(*rows)).unflatten(-1, SHAPE)
        return dist.Bernoulli(logits=logits, validate_args=False).to_event(3)


class SemiSupervised(Small):
    """M2: a class y, observed where it is known, and a style z whose posterior depends on it."""

    inputs = 2 + CLASSES

    def model(self, x=None, size=1, y=None):
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1), self.weighted():
            p = dist.Categorical(logits=torch.zeros(CLASSES))
            seen = {} if y is None else {"obs": y.clamp(min=0), "obs_mask": y >= 0}
            y = pyro.sample("y", p, **seen)
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.show(z, one_hot(y, CLASSES).float()), obs=x)

    def guide(self, x, y=None):
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            h = self.look(x)
            q = dist.Categorical(logits=h[:, :CLASSES])
            if y is None:
                y = pyro.sample("y", q, infer={"enumerate": "parallel"})
            else:
                with poutine.mask(mask=y < 0):
                    drawn = pyro.sample("y_unobserved", q, infer={"enumerate": "parallel"})
                y = torch.where(y >= 0, y, drawn)
            shift = self.second(joined(h[:, 3:5], one_hot(y, CLASSES).float()))
            return pyro.sample("z", dist.Normal(shift, 0.5).to_event(1))


class Mixture(SemiSupervised):
    """A class y whose prior of z depends on it: z follows y."""

    def model(self, x=None, size=1, y=None):
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1), self.weighted():
            y = pyro.sample("y", dist.OneHotCategorical(logits=torch.zeros(CLASSES)))
            z = pyro.sample("z", dist.Normal(self.second(joined(0 * y[..., :2], y)), 1.0).to_event(1))
            return pyro.sample("x", self.show(z, y), obs=x)

    def guide(self, x, y=None):
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            h = self.look(x)
            y = pyro.sample("y", dist.OneHotCategorical(logits=h[:, :CLASSES]))
            return pyro.sample("z", dist.Normal(self.second(joined(h[:, 3:5], y)), 0.5).to_event(1))


class Joint(Small):
    """A relaxed class and a vector, independent of each other in the guide."""

    inputs = 2 + CLASSES

    def model(self, x=None, size=1):
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1), self.weighted():
            y = pyro.sample("y", dist.RelaxedOneHotCategorical(torch.tensor(0.5), logits=torch.zeros(CLASSES)))
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.show(z, y), obs=x)

    def guide(self, x):
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            h = self.look(x)
            pyro.sample("y", dist.RelaxedOneHotCategorical(torch.tensor(0.5), logits=h[:, :CLASSES]))
            return pyro.sample("z", dist.Normal(h[:, 3:5], 0.5).to_event(1))


class Layers(Small):
    """Two layers, z2 → z1 → x, and x → z1 → z2 in the guide."""

    inputs = 2

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = wide(nn.Linear(2, 2)), wide(nn.Linear(2, 2))

    def model(self, x=None, size=1):
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1), self.weighted():
            z2 = pyro.sample("z2", self.prior())
            z1 = pyro.sample("z1", dist.Normal(self.down(z2), 0.3).to_event(1))
            return pyro.sample("x", self.show(z1), obs=x)

    def guide(self, x):
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            z1 = pyro.sample("z1", dist.Normal(self.look(x)[:, :2], 0.5).to_event(1))
            return pyro.sample("z2", dist.Normal(self.up(z1), 0.5).to_event(1))


class Conditional(Small):
    """p(x | z, c) of a condition c that both programs need."""

    inputs = 2 + 2

    def model(self, x=None, size=1, *, c):
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1), self.weighted():
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.show(z, c), obs=x)

    def guide(self, x, *, c):
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            return pyro.sample("z", dist.Normal(self.look(x)[:, :2] + c, 0.5).to_event(1))


class TwoVectors(Small):
    """Two continuous sites, none of them called z, and an argument with a default."""

    inputs = 2 + 3

    def model(self, x=None, size=1, shift=None):
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1), self.weighted():
            pose = pyro.sample("pose", self.prior())
            form = pyro.sample("form", dist.Laplace(torch.zeros(3), 1.0).to_event(1))
            form = form if shift is None else form + shift[:, None]
            return pyro.sample("x", self.show(pose, form), obs=x)

    def guide(self, x, shift=None):
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            h = self.look(x if shift is None else x + shift[:, None, None, None])
            form = pyro.sample("form", dist.Normal(h[:, :3], 0.5).to_event(1))
            pyro.sample("pose", dist.Normal(h[:, 3:5] * form[:, :1], 0.5).to_event(1))


class Odd(Small):
    """A scalar latent, a matrix of latents, a coin and a vector of coins."""

    inputs = 1 + 4 + 1 + 2

    def sites(self, x):
        """Where the four lie, by the features of the data, or 0."""
        h = torch.zeros(1, 6) if x is None else self.look(x)
        w = pyro.sample("w", dist.Normal(h[:, 0], 1.0))
        m = pyro.sample("m", dist.Normal(h[:, 1:5].unflatten(-1, (2, 2)), 1.0).to_event(2))
        coin = pyro.sample("coin", dist.Bernoulli(logits=h[:, 5]))
        coins = pyro.sample("coins", dist.Bernoulli(logits=h[:, :2]).to_event(1))
        return w[:, None], m.flatten(-2), coin[:, None], coins

    def model(self, x=None, size=1):
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1), self.weighted():
            return pyro.sample("x", self.show(*self.sites(None)), obs=x)

    def guide(self, x):
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            self.sites(x)


PROGRAMS: dict[str, Callable[[], BetaVAE]] = {
    "semi-supervised": SemiSupervised,
    "mixture": Mixture,
    "joint": Joint,
    "layers": Layers,
    "conditional": Conditional,
    "two vectors": TwoVectors,
    "odd": Odd,
}
LATENTS = {
    "semi-supervised": ("y", "z"),
    "mixture": ("y", "z"),
    "joint": ("y", "z"),
    "layers": ("z1", "z2"),
    "conditional": ("z",),
    "two vectors": ("form", "pose"),
    "odd": ("w", "m", "coin", "coins"),
}
