"""Programs as users write them, which are none of the package's own: what is reported of them is right or refused."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import TraceEnum_ELBO, TraceMeanField_ELBO
from torch import Tensor, nn

from pyro_bvae import BetaVAE, evaluate, fit, traverse
from pyro_bvae.codes import encode
from pyro_bvae.codes.moments import moments
from pyro_bvae.datasets import Dataset, Rows
from pyro_bvae.generation import sample, sample_sites
from pyro_bvae.objectives import Beta
from pyro_bvae.programs import joined, one_hot
from pyro_bvae.terms import layout_of, mean_terms, terms, traces
from pyro_bvae.traversal import base, class_sites, read_value, sweep_classes


class Vectors(BetaVAE):
    """Vectors of four values, features of them, and a likelihood that takes vectors of several sites."""

    def __init__(self, width: int, latent_dim: int = 2) -> None:
        super().__init__((4,), latent_dim, hidden=(6,), likelihood="gaussian")
        self.features, self.values = nn.Linear(4, 8), nn.Linear(width, 4)

    def show(self, *parts: Tensor) -> Any:
        return dist.Normal(self.values(joined(*parts)), 1.0).to_event(1)

    def plate(self, x: Tensor | None, size: int = 1) -> Any:
        return pyro.plate("batch", size if x is None else len(x), dim=-1)


class Kinds(Vectors):
    """A kind, a style that depends on it, and a sort of that kind; kind and sort are summed over."""

    def __init__(self) -> None:
        super().__init__(2 + 2 + 3)
        self.sorts = nn.Parameter(torch.randn(2, 3))

    def model(self, x: Tensor | None = None, size: int = 1) -> Any:
        self.register()
        with self.plate(x, size), self.weighted():
            kind = pyro.sample("kind", dist.Categorical(torch.tensor([0.3, 0.7])))
            z = pyro.sample("z", dist.Normal(one_hot(kind, self.beta, 2), 1.0).to_event(1))
            sort = pyro.sample("sort", dist.Categorical(logits=self.sorts[kind]))
            return pyro.sample("x", self.show(z, one_hot(kind, z, 2), one_hot(sort, z, 3)), obs=x)

    def guide(self, x: Tensor) -> Any:
        self.register()
        h, infer = self.features(x), {"enumerate": "parallel"}
        with self.plate(x), self.weighted():
            kind = pyro.sample("kind", dist.Categorical(logits=h[:, :2]), infer=infer)
            pyro.sample("z", dist.Normal(h[:, 2:4] + one_hot(kind, h, 2), 0.5).to_event(1))
            sorts = h[:, 4:7] + self.sorts[kind]
            pyro.sample("sort", dist.Categorical(logits=sorts), infer=infer)


def test_sites_between_two_that_are_summed_over_have_their_mean_once() -> None:
    vae, x = Kinds(), torch.randn(7, 4)
    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    with torch.no_grad():
        ours = [terms(vae, x) for _ in range(200)]
        theirs = torch.tensor([elbo.loss(vae.model, vae.guide, x) for _ in range(400)])
    losses = torch.stack([(one.distortion + one.rate).sum() for one in ours])
    error = (losses.var() / len(losses) + theirs.var() / len(theirs)).sqrt()
    assert abs(losses.mean() - theirs.mean()) < 4 * error
    h = vae.features(x)
    q = dist.Categorical(logits=h[:, :2]).probs
    each = [dist.Normal(h[:, 2:4] + shift, 0.5).to_event(1) for shift in torch.eye(2)]
    rates = [
        torch.distributions.kl_divergence(q, dist.Normal(loc, 1.0).to_event(1))
        for q, loc in zip(each, torch.eye(2), strict=True)
    ]
    torch.testing.assert_close(ours[0].rates["z"], (q * torch.stack(rates, 1)).sum(1))


class Noted(Vectors):
    """Two vectors, and what is noted along the way: the mean of each datum, and a number of all of them."""

    def __init__(self) -> None:
        super().__init__(2 + 3)

    def model(self, x: Tensor | None = None, size: int = 1) -> Any:
        self.register()
        pyro.deterministic("norm", self.values.weight.norm())
        with self.plate(x, size), self.weighted():
            z = pyro.sample("z", self.prior())
            w = pyro.sample("w", dist.Normal(torch.zeros(3), 1.0).to_event(1))
            mean = pyro.deterministic("mean", self.values(joined(z, w)), event_dim=1)
            return pyro.sample("x", dist.Normal(mean, 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> Any:
        self.register()
        h = self.features(x)
        with self.plate(x), self.weighted():
            z = pyro.sample("z", dist.Normal(h[:, :2], 0.5).to_event(1))
            pyro.sample("w", dist.Normal(h[:, 2:5] * z[:, :1], 0.5).to_event(1))


@pytest.mark.parametrize("kind", ["image", "random-z", "prior"])
def test_what_a_program_notes_is_no_latent(kind: str) -> None:
    vae, data = Noted(), Rows(torch.randn(10, 4))
    assert list(sample_sites(vae, 5, batch_size=2)[0]) == ["z", "w"]
    start = base(vae, data, kind)
    swept = traverse(vae, start, columns=3)
    assert swept.images.shape == (1, 2, 3, 4)
    w = start.given.held["w"]
    with torch.no_grad():
        mean = vae.values(torch.cat([swept.codes[0, 1], w.expand(3, 3)], -1))
    torch.testing.assert_close(swept.images[0, 1], mean)


class HalfOptional(Vectors):
    """A condition that one program can do without, and the other cannot."""

    def __init__(self) -> None:
        super().__init__(2 + 1)

    def model(self, x: Tensor | None = None, size: int = 1, *, c: Tensor) -> Any:
        self.register()
        with self.plate(x, size), self.weighted():
            return pyro.sample("x", self.show(pyro.sample("z", self.prior()), c[:, None]), obs=x)

    def guide(self, x: Tensor, c: Tensor | None = None) -> Any:
        self.register()
        loc = self.features(x)[:, :2] if c is None else c[:, None].expand(-1, 2)
        with self.plate(x), self.weighted():
            return pyro.sample("z", dist.Normal(loc, 0.5).to_event(1))


def test_an_argument_that_one_program_needs_is_asked_for() -> None:
    with pytest.raises(ValueError, match="the programs take `c`, and the data have nothing beside images"):
        fit(HalfOptional(), Dataset("mine", torch.randn(20, 4)), steps=1)


class Flagged(Vectors):
    """A flag beside each datum, as booleans; and a coin."""

    def __init__(self) -> None:
        super().__init__(2 + 1 + 1)

    def model(self, x: Tensor | None = None, size: int = 1, *, flag: Tensor) -> Any:
        self.register()
        with self.plate(x, size), self.weighted():
            z, coin = pyro.sample("z", self.prior()), pyro.sample("coin", dist.Bernoulli(torch.tensor(0.5)))
            return pyro.sample("x", self.show(z, coin[..., None], torch.where(flag, 1.0, -1.0)[:, None]), obs=x)

    def guide(self, x: Tensor, *, flag: Tensor) -> Any:
        self.register()
        h = self.features(x) * torch.where(flag, 1.0, 0.5)[:, None]
        with self.plate(x), self.weighted():
            pyro.sample("z", dist.Normal(h[:, :2], 0.5).to_event(1))
            pyro.sample("coin", dist.Bernoulli(logits=h[:, 2]), infer={"enumerate": "parallel"})


def flagged(size: int = 20) -> Dataset:
    return Dataset("mine", torch.randn(size, 4), extra={"flag": torch.arange(size) % 3 == 0})


def test_booleans_stay_what_they_are() -> None:
    vae, data = Flagged(), flagged()
    fit(vae, data, steps=2, batch_size=8, compile=False)
    both = sample(vae, 2, given={"flag": torch.tensor([True, False]), "z": torch.zeros(2), "coin": 1})[1]
    with torch.no_grad():
        torch.testing.assert_close(both[0] - both[1], 2 * vae.values.weight[:, -1])
    assert torch.equal(sample(vae, 3, given={"flag": read_value(vae, "flag", "1", data)})[1],
                       sample(vae, 3, given={"flag": True})[1])  # fmt: skip
    start = base(vae, data.rows(), count=2)
    assert class_sites(vae, data) == {"coin": ["0", "1"]}
    for site in ("flag", "coin"):
        swept = sweep_classes(vae, start, site, classes=2)
        own = start.given.arguments["flag"] if site == "flag" else start.given.held["coin"]
        torch.testing.assert_close(swept.images[torch.arange(2), own.long()], swept.reconstructions)


@pytest.mark.parametrize("value", [0.5, float("nan"), torch.tensor([1.0, 7.0])])
def test_a_value_that_is_no_class_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"the site 'coin' draws 0.0, 1.0, got "):
        sample(Flagged(), 2, given={"flag": True, "coin": value})
    vae = Flagged()
    with pytest.raises(ValueError, match="'coin' has 2 classes, and there are 1 `names`: give one each"):
        sweep_classes(vae, base(vae, flagged().rows()), "coin", names=["tails"])


class Unequal(Vectors):
    """Data that weigh more or less, as where some are rare."""

    def __init__(self) -> None:
        super().__init__(2)

    def model(self, x: Tensor | None = None, size: int = 1, *, weight: Tensor) -> Any:
        self.register()
        with self.plate(x, size), poutine.scale(scale=weight):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.show(z), obs=x)

    def guide(self, x: Tensor, *, weight: Tensor) -> Any:
        self.register()
        with self.plate(x), poutine.scale(scale=weight), self.weighted():
            pyro.sample("z", dist.Normal(self.features(x)[:, :2], 0.5).to_event(1))


def test_data_may_have_weights_of_their_own() -> None:
    vae, x, weight = Unequal(), torch.randn(20, 4), torch.rand(20) + 0.5
    vae.beta = 3.0
    losses = []
    for elbo in (Beta(), TraceMeanField_ELBO()):
        torch.manual_seed(0)
        losses.append(elbo.differentiable_loss(vae.model, vae.guide, x, weight=weight))
    torch.testing.assert_close(*losses)
    data = Dataset("mine", x, extra={"weight": weight})
    for objective in ("beta", None):
        chosen = {} if objective is None else {"objective": objective}
        run = fit(vae, data, steps=2, batch_size=8, compile=False, **chosen)
        assert run.history[-1]["held_out_rate"] > 0
    layout = layout_of(*traces(vae.model, vae.guide, x, weight=weight), vae.beta_value)
    assert layout.weights == pytest.approx({"z": 3 * weight.mean().item(), "x": weight.mean().item()})


@pytest.mark.parametrize("beta", [0.1, 0.3, 1.0, 7.7])
def test_beta_is_no_weight_of_its_own(beta: float) -> None:
    vae = Kinds()
    vae.beta = beta
    assert layout_of(*traces(vae.model, vae.guide, torch.randn(3, 4)), vae.beta_value).weights == {}


class Number(Vectors):
    """One latent, which is a number and no vector."""

    def __init__(self) -> None:
        super().__init__(1, latent_dim=1)

    def model(self, x: Tensor | None = None, size: int = 1) -> Any:
        self.register()
        with self.plate(x, size), self.weighted():
            return pyro.sample(
                "x", self.show(pyro.sample("z", dist.Normal(self.beta.new_zeros(1), 1.0))[..., None]), obs=x
            )

    def guide(self, x: Tensor) -> Any:
        self.register()
        with self.plate(x), self.weighted():
            pyro.sample("z", dist.Normal(self.features(x)[:, 0], 0.5))


def test_a_latent_that_is_a_number_is_called_by_its_site() -> None:
    vae, x = Number(), torch.randn(6, 4)
    means = mean_terms(vae, x)
    assert means.units == ["z"] == [*layout_of(*traces(vae.model, vae.guide, x), 1.0).units] == evaluate(vae, x).latents
    assert means.kl_per_latent == [pytest.approx(means.rate)]
    assert traverse(vae, torch.zeros(2, 1), columns=3).images.shape == (2, 1, 3, 4)


@pytest.mark.parametrize("p", [dist.Cauchy(2.0, 1.0), dist.StudentT(1.0, 2.0, 1.0), dist.StudentT(3.0, 2.0, 1.0)])
def test_a_family_without_a_mean_stands_at_its_mode(p: Any) -> None:
    assert moments(p)[0].tolist() == [2.0]
    assert moments(p.expand([3, 2]).to_event(1))[0].tolist() == [[2.0, 2.0]] * 3


class Beside(Vectors):
    """A vector beside each datum goes through a layer."""

    def __init__(self) -> None:
        super().__init__(2 + 3)

    def model(self, x: Tensor | None = None, size: int = 1, *, c: Tensor) -> Any:
        self.register()
        with self.plate(x, size), self.weighted():
            return pyro.sample("x", self.show(pyro.sample("z", self.prior()), c), obs=x)

    def guide(self, x: Tensor, *, c: Tensor) -> Any:
        self.register()
        with self.plate(x), self.weighted():
            loc = self.values(joined(x[:, :2], c))[:, :2]
            pyro.sample("z", dist.Normal(loc, 0.5).to_event(1))


def test_what_stands_beside_many_data_is_as_precise_as_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    data, vae = Rows(torch.randn(20, 4), {"c": torch.randn(20, 3)}), Beside().double()
    one = encode(vae, data).loc
    monkeypatch.setattr(import_module("pyro_bvae.terms.batches"), "FEWEST_VALUES", 1)
    torch.testing.assert_close(encode(vae, data).loc, one)
    assert one.dtype is torch.float64
