"""The gaps between log p(x) and the ELBO are those that are known, for every kind of posterior."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from conftest import Cli
from pyro import poutine
from pyro.distributions import transforms
from torch import Tensor

from pyro_bvae import BetaVAE
from pyro_bvae.evaluation import gaps, iw_bound
from pyro_bvae.evaluation.weights import effective_draws, log_mean_weight, weights
from pyro_bvae.runs.run import Run
from pyro_bvae.terms import evaluation_mode

NOISE = 0.5  # deviation of the likelihood
SHIFT = torch.tensor([0.3, -0.2])  # of the encoder's means
WIDER = 0.5  # added to the encoder's log-variances


class Linear(BetaVAE):
    """A linear-Gaussian model, whose posterior is a normal with precision I + WᵀW/σ², and an encoder that is off."""

    def __init__(self, family: Callable[[Tensor, Tensor], Any] | None = None) -> None:
        super().__init__((5,), 2, hidden=(), likelihood="gaussian", scale=NOISE, beta=4.0)
        self.family = family or (lambda loc, scale: dist.Normal(loc, scale).to_event(1))
        decoder, encoder = self.decoder.layers[0], self.encoder
        decoder.weight.data = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
        gain = self.precision().inverse() @ decoder.weight.data.T / NOISE**2
        encoder.loc.weight.data, encoder.loc.bias.data = gain, SHIFT - gain @ decoder.bias.data
        encoder.log_variance.weight.data.zero_()
        encoder.log_variance.bias.data = WIDER - self.precision().diagonal().log()

    def encode(self, x: Tensor) -> Any:
        loc, log_variance = self.encoder(x)
        return self.family(loc, (0.5 * log_variance).exp())

    def precision(self) -> Tensor:
        weight = self.decoder.layers[0].weight.data
        return torch.eye(2) + weight.T @ weight / NOISE**2

    def log_likelihood(self, x: Tensor) -> Tensor:
        layer = self.decoder.layers[0]
        covariance = layer.weight.data @ layer.weight.data.T + NOISE**2 * torch.eye(5)
        return dist.MultivariateNormal(layer.bias.data, covariance).log_prob(x)

    def of_diagonal(self) -> float:
        """The approximation gap of independent normals: ½ (Σ log A_kk − log det A) for the precision A."""
        return 0.5 * (self.precision().diagonal().log().sum() - self.precision().logdet()).item()

    def of_encoder(self) -> float:
        """The amortisation gap of the encoder: KL of its shift and of its width at the best diagonal."""
        wide = torch.tensor(WIDER).exp() - 1 - WIDER
        return (0.5 * SHIFT @ self.precision() @ SHIFT + wide).item()


def as_flow(loc: Tensor, scale: Tensor) -> Any:
    base = dist.Normal(torch.zeros_like(loc), torch.ones_like(scale)).to_event(1)
    return dist.TransformedDistribution(base, [transforms.AffineTransform(loc, scale, event_dim=1)])


DIAGONAL: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "normals": lambda loc, scale: dist.Normal(loc, scale).to_event(1),
    "a flow on what the encoder hands to it": as_flow,
}
FULL: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "a triangle": lambda loc, scale: dist.MultivariateNormal(loc, scale_tril=torch.diag_embed(scale)),
    "a covariance": lambda loc, scale: dist.MultivariateNormal(loc, torch.diag_embed(scale**2)),
    "low rank": lambda loc, scale: dist.LowRankMultivariateNormal(loc, 0.1 * scale[..., None], scale**2),
}


def data(size: int = 80) -> Tensor:
    return torch.randn(size, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", DIAGONAL)
def test_both_gaps_of_a_diagonal_posterior_are_the_known_ones(name: str) -> None:
    vae, x = Linear(DIAGONAL[name]), data()
    parts = gaps(vae, x, images=len(x), steps=400)
    error = parts.standard_error
    exact = vae.log_likelihood(x).mean().item()
    assert parts.log_likelihood == pytest.approx(exact, abs=0.01)
    assert parts.approximation_gap == pytest.approx(vae.of_diagonal(), abs=0.005 + 4 * error["approximation_gap"])
    assert parts.amortisation_gap == pytest.approx(vae.of_encoder(), abs=0.005 + 4 * error["amortisation_gap"])
    assert error["amortisation_gap"] < 0.03
    assert abs(parts.still_rising) < 4 * error["still_rising"] + 0.002
    assert parts.gap == pytest.approx(parts.approximation_gap + parts.amortisation_gap)
    assert parts.gap == pytest.approx(parts.log_likelihood - parts.elbo)


@pytest.mark.parametrize("name", FULL)
def test_a_family_that_holds_the_posterior_has_no_approximation_gap(name: str) -> None:
    vae, x = Linear(FULL[name]), data(40)
    parts = gaps(vae, x, images=len(x), draws=200, steps=400)
    assert -0.001 < parts.approximation_gap < 0.01
    assert parts.amortisation_gap == pytest.approx(vae.of_encoder() + vae.of_diagonal(), abs=0.2)
    assert parts.effective_draws > 0.98 * parts.draws


@pytest.mark.parametrize("name", ["diagonal", "full", "iaf:1", "planar:1", "spline:1"])
def test_every_posterior_by_name_is_fitted_and_its_weights_find_the_likelihood(name: str) -> None:
    torch.manual_seed(0)
    vae, x = BetaVAE((5,), 2, hidden=(), likelihood="gaussian", scale=NOISE, posterior=name), data(30)
    exact = Linear.log_likelihood(vae, x).mean().item()
    parts = gaps(vae, x, images=len(x), draws=300, steps=300)
    error = parts.standard_error
    assert parts.log_likelihood == pytest.approx(exact, abs=0.02 + 4 * error["approximation_gap"])
    assert parts.approximation_gap > -4 * error["approximation_gap"]
    assert parts.amortisation_gap > 3 * error["amortisation_gap"] > 0
    assert parts.approximation_gap < (0.02 if name == "full" else 0.5)  # of networks as they were drawn


def test_the_gaps_are_those_at_beta_one_and_repeat() -> None:
    vae, x = Linear(), data(30)
    small: dict[str, Any] = {"images": 20, "draws": 50, "steps": 30}
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    vae.train()
    parts = gaps(vae, x, **small)
    vae.beta = 0.0
    assert gaps(vae, x, **small) == parts
    assert gaps(vae, x, seed=1, **small) != parts
    assert parts.images == 20
    assert vae.training
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items())
    assert all(parameter.grad is None for parameter in vae.parameters())
    in_batches = gaps(vae, x, batch_size=70, **small)
    assert in_batches.amortisation_gap == pytest.approx(parts.amortisation_gap, abs=0.6)


def test_steps_that_are_too_few_show_as_still_rising() -> None:
    vae, x = Linear(), data()
    vae.encoder.loc.bias.data += 10
    parts = gaps(vae, x, images=len(x), draws=50, steps=50)
    assert parts.still_rising > max(0.2, 2 * parts.standard_error["still_rising"])


class Classes(Linear):
    """A class of three beside z; the guide sums over it."""

    def model(self, x: Tensor | None = None, size: int = 1, y: Tensor | None = None) -> Any:
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            with self.weighted():
                c = pyro.sample("y", dist.Categorical(logits=torch.tensor([0.5, 0.0, -1.0])), obs=y)
                z = pyro.sample("z", dist.Normal(c[..., None] - 1.0, torch.ones(2)).to_event(1))
            return pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> Any:
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            c = y
            if c is None:
                logits = torch.tensor([0.0, 0.3, 0.0]).expand(len(x), 3)
                c = pyro.sample("y", dist.Categorical(logits=logits), infer={"enumerate": "parallel"})
            q = self.encode(x).base_dist
            loc, scale = torch.broadcast_tensors(q.loc + 0.1 * c[..., None], q.scale)
            return pyro.sample("z", dist.Normal(loc, scale).to_event(1))

    def of_class(self, x: Tensor) -> Tensor:
        """Log p(x, y), ``(3, B)``."""
        layer, prior = self.decoder.layers[0], torch.tensor([0.5, 0.0, -1.0]).log_softmax(0)
        covariance = layer.weight.data @ layer.weight.data.T + NOISE**2 * torch.eye(5)
        locs = [layer.bias.data + layer.weight.data.sum(1) * (c - 1.0) for c in range(3)]
        each = [dist.MultivariateNormal(loc, covariance).log_prob(x) for loc in locs]
        return torch.stack(each) + prior[:, None]


def test_sites_that_the_guide_sums_over_are_summed_over_in_the_weights() -> None:
    vae, x = Classes(), data(30)
    with evaluation_mode(vae, 0):
        draws = [weights(vae.model, vae.guide, x) for _ in range(3000)]
    bound = log_mean_weight(torch.stack([draw.log_weight for draw in draws]))
    torch.testing.assert_close(bound, vae.of_class(x).logsumexp(0), atol=0.2, rtol=0)
    assert all((draw.elbo <= draw.log_weight + 1e-4).all() for draw in draws)
    known = torch.zeros(30, dtype=torch.long)
    with evaluation_mode(vae, 0):
        draws = [weights(vae.model, vae.guide, x, y=known) for _ in range(3000)]
    bound = log_mean_weight(torch.stack([draw.log_weight for draw in draws]))
    torch.testing.assert_close(bound, vae.of_class(x)[0], atol=0.2, rtol=0)


def test_posteriors_of_each_class_are_fitted_too() -> None:
    vae, x = Classes(), data(30)
    parts = gaps(vae, x, images=30, draws=300, steps=400)
    exact = vae.of_class(x).logsumexp(0).mean().item()
    assert parts.log_likelihood == pytest.approx(exact, abs=0.01)
    assert parts.approximation_gap == pytest.approx(vae.of_diagonal(), abs=0.01)  # of z in each class
    assert parts.iw_bound == pytest.approx(iw_bound(vae, x, 300), abs=0.05)


def test_effective_draws_are_all_or_one() -> None:
    assert effective_draws(torch.zeros(50, 1)).item() == pytest.approx(50)
    assert effective_draws(torch.tensor([[0.0], [-100.0], [-100.0]])).item() == pytest.approx(1)


def test_what_cannot_be_fitted_is_refused_in_one_line() -> None:
    class Mixture(dist.MixtureSameFamily):
        has_rsample = True

        def rsample(self, sample_shape: Any = ()) -> Tensor:
            return self.sample(sample_shape)

    class Mixed(Linear):
        def encode(self, x: Tensor) -> Any:
            parts = dist.Normal(x[:, :2, None].expand(-1, -1, 2), 1.0).to_event(1)
            return Mixture(dist.Categorical(torch.ones(len(x), 2)), parts)

    class Drawn(Classes):
        def guide(self, x: Tensor, y: Tensor | None = None) -> Any:
            return poutine.infer_config(super().guide, lambda _: {"enumerate": None})(x, y)

    with pytest.raises(ValueError, match=r"a Mixture, has no parameters .*, and the guide does not call"):
        gaps(Mixed(), data(4), images=4, draws=2, steps=1)
    with pytest.raises(ValueError, match=r"the posterior of 'y' is drawn without a gradient, .*: let the guide sum"):
        gaps(Drawn(), data(4), images=4, draws=2, steps=1)
    with pytest.raises(ValueError, match=r"gaps want at least 2 images and 2 `draws`"):
        gaps(Linear(), data(1))


def test_the_command_prints_the_gaps(cli: Cli, digits_run: Run) -> None:
    options = ["evaluate", digits_run.path, "--gaps", 20, "--gap-draws", 20, "--gap-steps", 20]
    parts = json.loads(cli(*options, "--json").stdout)["gaps"]
    assert (parts["images"], parts["draws"], parts["steps"]) == (20, 20, 20)
    assert parts["gap"] == pytest.approx(parts["approximation_gap"] + parts["amortisation_gap"])
    assert parts["amortisation_gap"] > 0
    text = cli(*options).stdout
    assert "gaps of 20 data at β 1" in text
    assert "amortisation" in text
