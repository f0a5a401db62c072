"""The programs are a β-VAE, and a Pyro user can do with them what one does with Pyro programs."""

from __future__ import annotations

import copy

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import ELBO, SVI, Predictive, RenyiELBO, Trace_ELBO, TraceMeanField_ELBO
from torch import Tensor, nn
from torch.nn.functional import softplus

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset

BOTH_ELBOS = pytest.mark.parametrize("elbo", [TraceMeanField_ELBO(), Trace_ELBO()], ids=["mean-field", "trace"])


class Laplace(nn.Module):
    def forward(self) -> dist.TorchDistribution:
        return dist.Laplace(torch.zeros(3), 1.0).to_event(1)


class Mixture(nn.Module):
    """A learned mixture of four normals in three latents."""

    def __init__(self) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.randn(4, 3))
        self.log_scale = nn.Parameter(torch.zeros(4, 3))
        self.logits = nn.Parameter(torch.zeros(4))

    def forward(self) -> dist.TorchDistribution:
        parts = dist.Normal(self.loc, self.log_scale.exp()).to_event(1)
        return dist.MixtureSameFamily(dist.Categorical(logits=self.logits), parts)


class FullCovariance(BetaVAE):
    """q(z | x) with correlated latents: a head for the Cholesky factor."""

    def __init__(self, shape: tuple[int, ...], latent_dim: int, **options: float) -> None:
        super().__init__(shape, latent_dim, **options)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(256, latent_dim + latent_dim**2))

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        loc, square = self.encoder(x).split([self.latent_dim, self.latent_dim**2], dim=-1)
        square = square.unflatten(-1, (self.latent_dim, self.latent_dim))
        scale_tril = square.tril(-1) + torch.diag_embed(softplus(square.diagonal(dim1=-2, dim2=-1)) + 1e-3)
        return dist.MultivariateNormal(loc, scale_tril=scale_tril)


class OwnDecoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 1, 16)

    def forward(self, z: Tensor) -> Tensor:
        return self.up(z[:, :, None, None])


class OwnGuide(BetaVAE):
    def guide(self, x: Tensor) -> Tensor:
        with pyro.plate("batch", len(x), dim=-1), self.weighted():
            return pyro.sample("z", dist.Normal(self.encoder(x)[0], 0.5).to_event(1))


def extensions() -> dict[str, BetaVAE]:
    shape = (1, 16, 16)
    return {
        "laplace": BetaVAE(shape, 3, prior=Laplace()),
        "mixture": BetaVAE(shape, 3, prior=Mixture()),
        "full covariance": FullCovariance(shape, 3),
        "own network": BetaVAE(shape, 3, decoder=OwnDecoder()),
        "own guide": OwnGuide(shape, 3),
    }


def loss_and_traces(vae: BetaVAE, elbo: ELBO, x: Tensor) -> tuple[Tensor, poutine.Trace, poutine.Trace]:
    model, guide = poutine.trace(vae.model), poutine.trace(vae.guide)
    return elbo.differentiable_loss(model, guide, x), model.trace, guide.trace


def standard_normal_kl(q: dist.TorchDistribution) -> Tensor:
    loc, variance = q.mean, q.variance
    return 0.5 * (loc.square() + variance - 1 - variance.log()).sum()


def log_ratio(guide: poutine.Trace, model: poutine.Trace) -> Tensor:
    z = guide.nodes["z"]["value"]
    return (guide.nodes["z"]["fn"].log_prob(z) - model.nodes["z"]["fn"].log_prob(z)).sum()


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 6.0])
@BOTH_ELBOS
def test_loss_is_distortion_plus_beta_times_kl(vae: BetaVAE, elbo: ELBO, beta: float, x: Tensor) -> None:
    vae.beta = beta
    loss, model, guide = loss_and_traces(vae, elbo, x)
    distortion = -model.nodes["x"]["fn"].log_prob(x).sum()
    exact = isinstance(elbo, TraceMeanField_ELBO)
    kl = standard_normal_kl(guide.nodes["z"]["fn"]) if exact else log_ratio(guide, model)
    torch.testing.assert_close(loss, distortion + beta * kl)


@BOTH_ELBOS
def test_derivative_of_the_loss_in_beta_is_the_kl(vae: BetaVAE, elbo: ELBO, x: Tensor) -> None:
    vae.beta = torch.tensor(3.0, requires_grad=True)
    loss, model, guide = loss_and_traces(vae, elbo, x)
    (slope,) = torch.autograd.grad(loss, vae.beta)
    exact = isinstance(elbo, TraceMeanField_ELBO)
    kl = standard_normal_kl(guide.nodes["z"]["fn"]) if exact else log_ratio(guide, model)
    torch.testing.assert_close(slope, kl)


@BOTH_ELBOS
def test_gradient_of_the_parameters_is_that_of_distortion_plus_beta_kl(vae: BetaVAE, elbo: ELBO, x: Tensor) -> None:
    def gradients(loss: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, list(vae.parameters())))

    loss, _, guide = loss_and_traces(vae, elbo, x)
    by_elbo = gradients(loss)
    z = guide.nodes["z"]["value"]
    q = vae.encode(x)
    noise = (z - guide.nodes["z"]["fn"].mean) / guide.nodes["z"]["fn"].stddev
    z = q.mean + q.stddev * noise.detach()
    exact = isinstance(elbo, TraceMeanField_ELBO)
    kl = standard_normal_kl(q) if exact else (q.log_prob(z) - vae.prior().log_prob(z)).sum()
    by_hand = gradients(-vae.decode(z).log_prob(x).sum() + 4.0 * kl)
    for one, other in zip(by_elbo, by_hand, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@BOTH_ELBOS
def test_a_warm_up_from_zero_does_not_change_the_programs(vae: BetaVAE, elbo: ELBO, x: Tensor) -> None:
    def structure(beta: float) -> list[tuple[str, str, str, bool]]:
        vae.beta = beta
        loss, model, guide = loss_and_traces(vae, elbo, x)
        assert loss.isfinite()
        nodes = [*model.nodes.items(), *guide.nodes.items()]
        return [(name, node["type"], str(type(node.get("scale"))), node.get("mask") is None) for name, node in nodes]

    assert structure(0.0) == structure(0.1) == structure(1.0)


@pytest.mark.parametrize("beta", [-1.0, -1e-9, float("nan"), float("inf")])
def test_beta_is_checked_at_the_door(vae: BetaVAE, beta: float) -> None:
    with pytest.raises(ValueError, match="beta must be a number of at least 0"):
        BetaVAE((1, 16, 16), beta=beta)
    with pytest.raises(ValueError, match="beta must be a number of at least 0"):
        vae.beta = beta
    assert vae.beta == 4.0


@pytest.mark.parametrize("beta", [0.0, 1.0, 6.0])
@BOTH_ELBOS
def test_a_plain_pyro_script_trains(elbo: ELBO, beta: float, x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, hidden=(20,), beta=beta)
    before = copy.deepcopy(vae.state_dict())
    svi = SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-2}), elbo)
    losses = [svi.step(x) for _ in range(60)]
    assert sum(losses[-10:]) < sum(losses[:10])
    assert all(not torch.equal(before[name], value) for name, value in vae.state_dict().items())


def test_several_models_and_copies_train_in_one_process(x: Tensor) -> None:
    first = BetaVAE((1, 16, 16), 3)
    models = [first, BetaVAE((1, 16, 16), 3), copy.deepcopy(first), copy.copy(BetaVAE((1, 16, 16), 3))]
    for vae in models:
        before = copy.deepcopy(vae.state_dict())
        SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-2}), Trace_ELBO()).step(x)
        assert all(not torch.equal(before[name], value) for name, value in vae.state_dict().items())


@BOTH_ELBOS
@pytest.mark.parametrize("name", list(extensions()))
def test_every_extension_trains_with_plain_svi(name: str, elbo: ELBO, x: Tensor) -> None:
    vae = extensions()[name]
    before = {key: value.clone() for key, value in vae.named_parameters()}
    svi = SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-2}), elbo)
    losses = [svi.step(x) for _ in range(40)]
    assert sum(losses[-10:]) < sum(losses[:10])
    still = [key for key, value in vae.named_parameters() if torch.equal(before[key], value)]
    assert all("log_variance" in key for key in still)  # which the guide of fixed scale leaves alone


@pytest.mark.parametrize("name", list(extensions()))
def test_every_extension_goes_through_fit_and_back_from_disk(name: str, images: Dataset, tmp_path) -> None:
    vae = extensions()[name]
    run = fit(vae, images, steps=4, out=tmp_path / "run")
    factorises = name not in ("mixture", "full covariance")
    assert (run.history[-1]["kl_per_latent"] is not None) == factorises
    with pytest.raises(ValueError, match=r"classes of your own .*build it"):
        load_run(tmp_path / "run")
    restored = load_run(tmp_path / "run", model=extensions()[name])
    for one, other in zip(vae.parameters(), restored.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("elbo", [TraceMeanField_ELBO, Trace_ELBO, RenyiELBO])
def test_vectorised_particles_agree_with_looped_ones(network: str, elbo: type[ELBO], x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, network=network)
    few = elbo(num_particles=200).loss(vae.model, vae.guide, x)
    many = elbo(num_particles=200, vectorize_particles=True, max_plate_nesting=1).loss(vae.model, vae.guide, x)
    assert many == pytest.approx(few, rel=2e-3)


def test_renyi_at_beta_one_is_between_the_elbo_and_the_evidence_of_more_particles(vae: BetaVAE, x: Tensor) -> None:
    vae.beta = 1.0
    losses = [
        RenyiELBO(alpha=0.0, num_particles=particles, vectorize_particles=True, max_plate_nesting=1).loss(
            vae.model, vae.guide, x
        )
        for particles in (2, 2000)
    ]
    assert losses[1] < losses[0] + 1.0
    assert losses[1] < Trace_ELBO(num_particles=200).loss(vae.model, vae.guide, x) + 1.0


def test_the_model_runs_without_data(vae: BetaVAE) -> None:
    assert vae.model(size=5).shape == (5, 1, 16, 16)
    drawn = Predictive(vae.model, num_samples=6)()
    assert drawn["x"].shape == (6, 1, 1, 16, 16)
    assert drawn["z"].shape == (6, 1, 3)


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("parallel", [False, True])
def test_predictive_draws_from_the_guide(network: str, parallel: bool, x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, network=network)
    model = poutine.uncondition(vae.model)
    drawn = Predictive(model, guide=vae.guide, num_samples=4, parallel=parallel)(x)
    assert drawn["x"].shape == (4, 7, 1, 16, 16)


def test_a_conditioned_model_uses_the_given_latents(vae: BetaVAE) -> None:
    z = torch.randn(7, 3)
    trace = poutine.trace(poutine.condition(vae.model, data={"z": z})).get_trace(None, 7)
    assert torch.equal(trace.nodes["z"]["value"], z)
    assert torch.equal(trace.nodes["x"]["fn"].mean, vae.decode(z).mean)


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("leading", [(), (4,), (2, 4), (2, 3, 4)])
def test_decode_accepts_any_leading_shape(network: str, leading: tuple[int, ...]) -> None:
    vae = BetaVAE((3, 16, 20), 3, network=network)
    p = vae.decode(torch.randn(*leading, 3))
    assert (p.batch_shape, p.event_shape) == (leading, (3, 16, 20))


def test_programs_sum_over_the_batch(vae: BetaVAE, x: Tensor) -> None:
    pyro.set_rng_seed(3)
    one = TraceMeanField_ELBO(num_particles=400).loss(vae.model, vae.guide, x[:1])
    twice = TraceMeanField_ELBO(num_particles=400).loss(vae.model, vae.guide, x[:1].repeat(2, 1, 1, 1))
    assert twice == pytest.approx(2 * one, rel=1e-3)


def test_beta_norm_is_beta_times_latents_over_values() -> None:
    assert BetaVAE((1, 64, 64), latent_dim=10, beta=4).beta_norm == pytest.approx(0.00977, abs=5e-6)
    assert BetaVAE((3, 64, 64), latent_dim=32, beta=250).beta_norm == pytest.approx(0.651, abs=5e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_dim": 0}, "latent_dim must be at least 1 and at most 65,536, got 0"),
        ({"network": "cnov"}, "unknown network 'cnov': did you mean 'conv'"),
        ({"likelihood": "bernouli"}, "did you mean 'bernoulli'"),
        ({"hidden": (0,)}, r"hidden must be at least 1 and at most 65,536"),
        ({"scale": 0.1}, "the bernoulli likelihood has no scale"),
        ({"shape": (4, 4)}, r"shape is \(C, H, W\)"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BetaVAE(**{"shape": (1, 16, 16), **options})
