"""Numbers about a model agree with what is known exactly, and with other implementations."""

from __future__ import annotations

from math import log, pi

import numpy as np
import pytest
import torch

from pyro_bvae import BetaVAE, evaluate
from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.evaluation.importance import iw_bound
from pyro_bvae.evaluation.probe import probe_accuracy
from pyro_bvae.evaluation.similarity import psnr, ssim
from pyro_bvae.likelihoods import LIKELIHOODS


def linear_gaussian() -> tuple[BetaVAE, torch.Tensor, float]:
    """A linear model of five features, a guide that is off, data, and their exact mean log-likelihood."""
    torch.manual_seed(0)
    vae = BetaVAE((5,), 2, hidden=(), likelihood="gaussian", scale=0.5)
    layer = vae.decoder.layers[0]
    x = torch.randn(40, 5)
    covariance = layer.weight @ layer.weight.T + 0.25 * torch.eye(5)
    exact = torch.distributions.MultivariateNormal(layer.bias, covariance).log_prob(x).mean().item()
    return vae, x, exact


def test_the_importance_weighted_bound_rises_to_the_exact_likelihood() -> None:
    vae, x, exact = linear_gaussian()
    elbo = evaluate(vae, x).elbo
    bounds = [iw_bound(vae, x, particles) for particles in (1, 10, 100, 4000)]
    assert bounds[0] == pytest.approx(elbo, abs=0.5)
    assert bounds[0] < bounds[1] < bounds[2] < bounds[3] + 0.01
    assert bounds[3] == pytest.approx(exact, abs=0.02)


def test_the_bound_does_not_depend_on_beta_or_the_batches() -> None:
    vae, x, _ = linear_gaussian()
    bound = iw_bound(vae, x, 1000)
    vae.beta = 7.0
    assert iw_bound(vae, x, 1000) == bound
    assert iw_bound(vae, x, 1000, batch_size=14) == pytest.approx(bound, abs=0.08)


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_every_family_is_evaluated(name: str, images: Dataset) -> None:
    vae = BetaVAE(images.shape, 3, hidden=(20,), likelihood=name)
    result = evaluate(vae, images.images, particles=5)
    assert (result.bits_per_dim is None) == ("bernoulli" in name and "continuous" not in name)
    assert (result.coverage_50 is None) == ("bernoulli" in name and "continuous" not in name)
    kinds = {"bernoulli": "no probability", "binarized-bernoulli": "mass of 2 levels"}
    kinds |= dict.fromkeys(("categorical", "discretized-logistic"), "mass of 256 levels")
    assert result.nats == kinds.get(name, "density")
    assert result.iw_bound > result.elbo - 5
    assert 0 <= result.mse < 1


def test_bits_of_a_categorical_are_its_nats(images: Dataset) -> None:
    result = evaluate(BetaVAE(images.shape, 3, likelihood="categorical"), images.images)
    assert result.bits_per_dim == pytest.approx(-result.elbo / (256 * log(2)), rel=5e-3)


def test_bits_of_a_wide_density_are_its_nats_and_the_width_of_a_bin(images: Dataset) -> None:
    inside = Dataset("inside", images.images.clamp(1, 254))  # the outer bins reach further
    result = evaluate(BetaVAE(images.shape, 3, likelihood="gaussian", scale=0.5), inside.images)
    assert result.bits_per_dim == pytest.approx((-result.elbo / 256 + log(255)) / log(2), rel=1e-3)


def test_a_well_placed_normal_is_calibrated() -> None:
    x = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    vae = BetaVAE((4,), 1, hidden=(), likelihood="gaussian")
    for parameter in vae.decoder.parameters():
        parameter.data.zero_()
    result = evaluate(vae, x)
    assert result.coverage_50 == pytest.approx(0.5, abs=0.02)
    assert result.coverage_90 == pytest.approx(0.9, abs=0.02)
    assert result.distortion == pytest.approx(2 * log(2 * pi) + 2, abs=0.1)
    assert (result.psnr, result.ssim, result.bits_per_dim) == (None, None, None)


def test_binarised_images_are_the_same_at_every_call(images: Dataset) -> None:
    vae = BetaVAE(images.shape, 3, likelihood="binarized-bernoulli")
    one, other = evaluate(vae, images.images), evaluate(vae, images.images, batch_size=7)
    assert evaluate(vae, images.images) == one
    assert other.rate == pytest.approx(one.rate, rel=1e-5)
    drawn = vae.prepare(pixels(images.images), torch.Generator().manual_seed(0))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean().item() == pytest.approx(pixels(images.images).mean().item(), abs=0.01)


def test_psnr_is_ten_decibels_a_tenth() -> None:
    assert [psnr(mse) for mse in (1.0, 0.1, 0.001)] == pytest.approx([0, 10, 30])


def test_ssim_agrees_with_the_formula_window_by_window() -> None:
    random = np.random.default_rng(0)
    one, other = random.random((2, 3, 14, 17))
    bell = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    kernel = np.outer(bell, bell) / bell.sum() ** 2
    values = []
    for c, i, j in np.ndindex(3, 4, 7):
        a, b = (x[c, i : i + 11, j : j + 11] for x in (one, other))
        ma, mb = (kernel * a).sum(), (kernel * b).sum()
        va, vb, vab = ((kernel * p * q).sum() - m for p, q, m in ((a, a, ma**2), (b, b, mb**2), (a, b, ma * mb)))
        values.append((2 * ma * mb + 1e-4) * (2 * vab + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    similarity = ssim(torch.from_numpy(one)[None], torch.from_numpy(other)[None])
    assert similarity.shape == (1,)
    assert similarity.item() == pytest.approx(np.mean(values), rel=1e-9)


def test_ssim_of_equal_pictures_is_one_at_any_size() -> None:
    for shape in ((2, 1, 28, 28), (2, 3, 8, 8), (2, 1, 5, 40)):
        x = torch.rand(shape)
        torch.testing.assert_close(ssim(x, x), torch.ones(2))


def test_a_probe_reads_what_is_there_and_nothing_else() -> None:
    labels = torch.arange(200) % 2
    x = torch.randn(200, 4) + 8 * labels[:, None]
    vae = BetaVAE((4,), 2, hidden=(), likelihood="gaussian")
    assert probe_accuracy(vae, Dataset("two", x, labels=labels)) == 1.0
    shuffled = labels[torch.randperm(200)]
    assert probe_accuracy(vae, Dataset("noise", x, labels=shuffled)) < 0.8
    assert probe_accuracy(vae, Dataset("none", x)) is None


def test_a_probe_does_not_take_what_is_missing_for_a_class() -> None:
    labels = torch.arange(200) % 2
    x = torch.randn(200, 4) + 80 * labels[:, None]
    vae = BetaVAE((4,), 2, hidden=(), likelihood="gaussian")
    missing = torch.rand(200) < 0.5  # of either class
    few = Dataset("few", x, labels=torch.where(missing, -1, labels))
    assert probe_accuracy(vae, few) == 1.0
    assert few.notes == (f"{missing.sum()} of 200 labels are below 0: missing, to programs and probe",)
    assert probe_accuracy(vae, Dataset("one class", x, labels=torch.where(labels == 0, -1, labels))) is None
    unknown = labels.clone()
    unknown[few.held_out] = -1
    assert probe_accuracy(vae, Dataset("none held out", x, labels=unknown)) is None
