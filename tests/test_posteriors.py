"""Every posterior is a normalised density that independent implementations agree with, wherever it has one."""

from __future__ import annotations

import pyro.distributions as dist
import pytest
import torch
from pyro.distributions.transforms.spline import _monotonic_rational_spline
from scipy import stats
from test_priors import PRIORS_BY_NAME, grid, perturbed
from torch import Tensor, nn
from torch.autograd.functional import jacobian
from torch.distributions import kl_divergence

from pyro_bvae import BetaVAE, codes, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.posteriors import POSTERIORS
from pyro_bvae.posteriors.rational_quadratic import LEAST, rational_quadratic
from pyro_bvae.settings.names import POSTERIORS as NAMES
from pyro_bvae.settings.parsing import counted

POSTERIORS_BY_NAME = ["diagonal", "full", "iaf:2", "planar:3", "spline:2"]
FLOWS = POSTERIORS_BY_NAME[2:]
WITH_A_DENSITY = [text for text in POSTERIORS_BY_NAME if not text.startswith("planar")]


def with_posterior(text: str, latent_dim: int = 2, prior: str = "normal") -> BetaVAE:
    return perturbed(BetaVAE((5,), latent_dim, hidden=(8,), likelihood="gaussian", posterior=text, prior=prior))


def rows(count: int = 3) -> Tensor:
    return torch.randn(count, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("text", WITH_A_DENSITY)
def test_each_posterior_integrates_to_one(text: str, latent_dim: int) -> None:
    q = with_posterior(text, latent_dim).encode(rows(1))
    points, volume = grid(latent_dim)
    with torch.no_grad():
        draws = q.sample((1000,))
        loc, scale = draws.mean(0), 0.7 * draws.std(0)  # the grid is 17 deviations wide
        total = q.log_prob(loc + scale * points).exp().sum() * volume * scale.prod()
    has_ridges = text.startswith("spline") and latent_dim == 2  # some finer than the grid
    assert total.item() == pytest.approx(1, abs=0.03 if has_ridges else 2e-3)


@pytest.mark.parametrize("text", POSTERIORS_BY_NAME)
def test_the_density_of_a_draw_agrees_with_another_implementation(text: str) -> None:
    q = with_posterior(text, latent_dim=4).encode(rows(1))
    z = q.rsample()
    if text == "diagonal":
        expected = stats.norm.logpdf(*(each.detach().numpy() for each in (z, q.base_dist.loc, q.base_dist.scale))).sum()
    elif text == "full":
        loc, covariance = (each.detach().numpy()[0] for each in (q.loc, q.covariance_matrix))
        expected = stats.multivariate_normal(loc, covariance).logpdf(z.detach().numpy())
    else:
        expected = change_of_variables(q).item()
        z = q.transforms[-1]._cached_x_y[1]
    assert q.log_prob(z).item() == pytest.approx(expected, rel=1e-9)


def change_of_variables(q: dist.TransformedDistribution) -> Tensor:
    """The log-density of the draw that is made here: the base's less the log-determinant of autograd's Jacobian."""

    def transformed(start: Tensor) -> Tensor:
        for transform in q.transforms:
            start = transform(start)
        return start

    start = q.base_dist.sample()
    matrix = jacobian(transformed, start)[0, :, 0]
    transformed(start)  # what the transforms remember is the draw again
    return q.base_dist.log_prob(start) - torch.linalg.slogdet(matrix).logabsdet


@pytest.mark.parametrize("text", WITH_A_DENSITY)
def test_the_density_elsewhere_is_that_of_a_draw(text: str) -> None:
    q = with_posterior(text, latent_dim=4).encode(rows())
    z = q.rsample((2,))
    torch.testing.assert_close(q.log_prob(z.clone()), q.log_prob(z), rtol=1e-9, atol=1e-9)
    pairs = q.log_prob(z[0].unsqueeze(1))  # (3, 3), as a mixture asks for
    torch.testing.assert_close(pairs.diagonal(), q.log_prob(z)[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("text", POSTERIORS_BY_NAME)
def test_importance_weights_have_mean_one(text: str) -> None:
    q = with_posterior(text).encode(rows(1))
    with torch.no_grad():
        draws = q.sample((20_000,))
        log_q = q.log_prob(draws)
        p = dist.Normal(draws.mean(0), 0.7 * draws.std(0)).to_event(1)
        weights = (p.log_prob(draws) - log_q).exp().squeeze()
    assert weights.mean().item() == pytest.approx(1, abs=4 * weights.std().item() / len(weights) ** 0.5)
    assert weights.std() < 20


def kl_by_quadrature(q: dist.TorchDistribution, p: dist.TorchDistribution) -> float:
    """KL(q ‖ p) in one latent, in nats: an integral over the base of a flow, which needs no inverse."""
    start = torch.linspace(-12, 12, 12_001, dtype=torch.float64).unsqueeze(-1)
    width = 24 / 12_000
    is_flow = isinstance(q, dist.TransformedDistribution)
    z, log_start = start, (q.base_dist if is_flow else q).log_prob(start)
    log_q = log_start
    for transform in q.transforms if is_flow else ():
        moved = transform(z)
        log_q, z = log_q - transform.log_abs_det_jacobian(z, moved), moved
    return float((log_start.exp() * (log_q - p.log_prob(z))).sum() * width)


@pytest.mark.parametrize("prior", PRIORS_BY_NAME)
@pytest.mark.parametrize("text", POSTERIORS_BY_NAME)
def test_the_estimate_of_the_rate_is_unbiased(text: str, prior: str) -> None:
    if text.startswith("planar") and prior.startswith("vamp"):
        pytest.skip("refused")
    vae = with_posterior(text, latent_dim=1, prior=prior)
    with torch.no_grad():
        q, p = vae.encode(rows(1)), vae.prior()
        expected = kl_by_quadrature(vae.encode(rows(1)), p)
        draws = q.sample((20_000,))
        estimates = (q.log_prob(draws) - p.log_prob(draws)).squeeze()
    error = estimates.std().item() / len(estimates) ** 0.5
    assert estimates.mean().item() == pytest.approx(expected, abs=4 * error + 1e-4)


def test_the_kl_of_a_full_covariance_from_a_normal_is_exact() -> None:
    vae = with_posterior("full", latent_dim=4)
    q, scale = vae.encode(rows()), torch.rand(4, dtype=torch.float64) + 0.5
    p = dist.Normal(torch.arange(4.0, dtype=torch.float64), scale).to_event(1)
    same = dist.MultivariateNormal(p.mean, scale_tril=scale.diag())
    expected = kl_divergence(dist.MultivariateNormal(q.loc, scale_tril=q.scale_tril), same)
    torch.testing.assert_close(kl_divergence(q.expand((2, 3)), p), expected.expand(2, 3))
    with pytest.raises(NotImplementedError):
        kl_divergence(q, dist.Laplace(p.mean, scale).to_event(1))


@pytest.mark.parametrize("text", POSTERIORS_BY_NAME)
def test_each_latent_of_an_image_has_its_own_posterior(text: str) -> None:
    vae = with_posterior(text, latent_dim=3)
    one, other = vae.encode(rows()), vae.encode(rows()[:1])
    with torch.no_grad():
        z = other.sample((10_000,)).squeeze(1)
        first = one.sample((10_000,))[:, 0]
    torch.testing.assert_close(first.mean(0), z.mean(0), rtol=0, atol=0.1)
    torch.testing.assert_close(first.std(0), z.std(0), rtol=0.1, atol=0)


@pytest.mark.parametrize("text", POSTERIORS_BY_NAME)
def test_codes_have_the_moments_of_the_posterior(text: str) -> None:
    vae = with_posterior(text, latent_dim=3)
    coded = codes.encode(vae, rows())
    with torch.no_grad():
        draws = vae.encode(rows()).sample((10_000,))
    assert ((coded.loc - draws.mean(0)).abs() < 0.15 * draws.std(0)).all()
    torch.testing.assert_close(coded.scale, draws.std(0), rtol=0.15, atol=0)


def test_a_planar_density_elsewhere_is_refused_in_one_line() -> None:
    q = with_posterior("planar:3").encode(rows())
    with pytest.raises(ValueError, match="a planar flow has a density at its own draws alone.*iaf or spline") as error:
        q.log_prob(q.sample().clone())
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="a VampPrior wants.*density.*which Planar does not have: choose iaf"):
        BetaVAE((5,), 2, posterior="planar:3", prior="vamp:4")


def knots(bins: int = 8, count: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    drawn = torch.randn(3, count, bins, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return drawn[0].softmax(-1), (2 * drawn[1]).softmax(-1), drawn[2, :, :-1].exp()


def test_a_spline_is_that_of_pyro_between_its_outermost_knots() -> None:
    widths, heights, slopes = knots()
    x = torch.linspace(-3.5, 3.5, 200, dtype=torch.float64)
    y, log_slope = rational_quadratic(x, widths, heights, slopes, bound=3.0)
    theirs, of_theirs = _monotonic_rational_spline(x, widths, heights, slopes, bound=3.0)
    first, last = (6 * (LEAST + (1 - 8 * LEAST) * widths[:, end]) for end in (0, -1))
    is_inner = (x > -3 + first) & (x < 3 - last)  # at the ends, Pyro's slope is 0.999
    assert is_inner.sum() > 100
    torch.testing.assert_close(y[is_inner], theirs[is_inner], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(log_slope[is_inner], of_theirs[is_inner], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(y, theirs, rtol=0, atol=5e-3)


def test_a_spline_has_its_slope_and_its_inverse() -> None:
    parts = knots()
    x = torch.linspace(-4.5, 4.5, 200, dtype=torch.float64, requires_grad=True)
    y, log_slope = rational_quadratic(x, *parts, bound=4.0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope, rtol=1e-9, atol=1e-9)
    back, log_back = rational_quadratic(y, *parts, bound=4.0, inverse=True)
    torch.testing.assert_close(back, x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_back, -log_slope, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("text", FLOWS)
def test_a_flow_starts_near_the_normal(text: str, x: Tensor) -> None:
    q = BetaVAE((1, 16, 16), 3, posterior=text).encode(x)
    draws = q.sample((5_000,))
    assert draws.mean(0).abs().max() < 3
    assert 0.3 < draws.std(0).min() < draws.std(0).max() < 3


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("text", POSTERIORS_BY_NAME)
def test_every_network_gives_the_context(text: str, network: str, x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, network=network, posterior=text)
    wanted = [3, 3, *([vae.posterior.context] if vae.posterior.context else [])]
    assert [each.shape[1] for each in vae.encoder(x)] == wanted
    assert vae.encode(x).batch_shape == (7,)


def test_an_encoder_without_the_context_is_refused(images: Dataset) -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(256, 6))

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return self.body(x).chunk(2, dim=-1)

    vae = BetaVAE((1, 16, 16), 3, encoder=Encoder(), posterior="iaf:2")
    with pytest.raises(ValueError, match=r"and for the posterior InverseAutoregressive a third tensor .54, 64., got"):
        fit(vae, images, steps=1)


def test_a_posterior_of_ones_own_is_a_module(x: Tensor) -> None:
    class Students(nn.Module):
        context = 3

        def forward(self, loc: Tensor, log_variance: Tensor, context: Tensor) -> dist.TorchDistribution:
            return dist.StudentT(2 + context.exp(), loc, (0.5 * log_variance).exp()).to_event(1)

    vae = BetaVAE((1, 16, 16), 3, posterior=Students())
    assert vae.encode(x).base_dist.df.shape == (7, 3)
    assert vae.settings["posterior"] == "custom"
    assert vae.custom["posterior"].endswith("Students")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("iaf", r"the posterior iaf:N wants a number from 1 to 10,000, like iaf:4, got 'iaf'"),
        ("full:2", "the posterior full takes no number"),
        ("splines:2", "unknown posterior 'splines': did you mean 'spline'"),
    ],
)
def test_a_posterior_that_cannot_be_read_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BetaVAE((5,), 2, posterior=text)


def test_every_name_has_a_class_and_every_class_a_test() -> None:
    assert [counted("posterior", text, NAMES)[0] for text in POSTERIORS_BY_NAME] == [*POSTERIORS]
