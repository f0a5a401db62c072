"""The joint Gaussian: its likelihood is that of scipy, and β-VAEs of it are what theory says they are."""

from __future__ import annotations

from math import log, pi

import numpy as np
import pytest
import torch
from conftest import REAL_DATA
from scipy.stats import multivariate_normal

from pyro_bvae import BetaVAE, datasets, fit
from pyro_bvae.datasets import Dataset, entropy, log_likelihood
from pyro_bvae.generation import sample
from pyro_bvae.terms import mean_terms

PUBLISHED = REAL_DATA / "gaussian10.txt"


@pytest.mark.parametrize(("dim", "rank"), [(10, 2), (4, 4), (3, 1)])
def test_the_vectors_have_the_covariance_they_say(dim: int, rank: int) -> None:
    data = datasets.load("gaussian", dim=dim, rank=rank, points=200_000)
    assert torch.allclose(data.covariance.diagonal(), torch.ones(dim, dtype=torch.float64))
    assert torch.allclose(torch.cov(data.images.T).double(), data.covariance, atol=0.02)
    assert int((torch.linalg.eigvalsh(data.covariance) > 0.21).sum()) == rank
    assert torch.equal(datasets.load("gaussian", dim=dim, rank=rank, points=200_000).images, data.images)


def test_the_exact_likelihood_and_entropy_are_those_of_scipy() -> None:
    data = datasets.load("gaussian", dim=5, points=100)
    expected = multivariate_normal(np.zeros(5), data.covariance.numpy())
    likelihood = expected.logpdf(data.images.numpy()).mean()
    assert log_likelihood(data.images, data.covariance) == pytest.approx(likelihood, abs=1e-4)
    assert entropy(data.covariance) == pytest.approx(expected.entropy())


def test_a_rank_above_the_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="rank must be at most dim, got rank 4 of vectors of 3"):
        datasets.load("gaussian", dim=3, rank=4)


@pytest.mark.parametrize("beta", [pytest.param(0.5, marks=pytest.mark.slow), 1.0, 2.0])
def test_a_linear_model_is_probabilistic_pca_with_the_noise_that_beta_implies(beta: float) -> None:
    """The loss E_q[−log N(x; Wz, σ²I)] + β KL(q ‖ N(0, I)) of one x is least for q ∝ p(z) p(x|z)^(1/β), and is then

        −β log ∫ p(z) p(x|z)^(1/β) dz = β [−log N(x; 0, WWᵀ + τI)] − (βD/2) log 2πτ + (D/2) log 2πσ²,   τ = βσ²,

    because p(x|z)^(1/β) is a Gaussian of variance τ but for its constant. For a given τ the first term is that of
    probabilistic PCA with noise τ, so that WWᵀ = U(Λ − τI)Uᵀ with the K largest eigenvalues λ of the data's covariance.
    What is left, (β/2) [(D − K) log τ + Σ_{i>K} λ_i/τ] + ((1 − β)D/2) log τ, is least at

        τ = β Σ_{i>K} λ_i / (D − βK),   σ² = Σ_{i>K} λ_i / (D − βK),

    which at β 1 is the mean of the discarded eigenvalues. Draws from the model have covariance U(Λ − τI)Uᵀ + σ²I.
    """
    dim, latents = 6, 2
    x = datasets.load("gaussian", dim=dim, rank=latents, points=2000).images
    everything = torch.arange(len(x))
    data = Dataset("linear", x, train=everything, held_out=everything)
    values, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0).double())
    kept, left = values[-latents:], values[:-latents].sum().item()
    variance = left / (dim - beta * latents)
    noise = beta * variance
    likelihood = dim * log(2 * pi) + (kept.log() + 1).sum().item() + (dim - latents) * log(noise) + left / noise
    loss = beta / 2 * likelihood - beta * dim / 2 * log(2 * pi * noise) + dim / 2 * log(2 * pi * variance)
    signal = vectors[:, -latents:] @ (kept - noise).diag() @ vectors[:, -latents:].T

    vae = BetaVAE((dim,), latents, beta=beta, hidden=(), likelihood="gaussian-learned")
    fit(vae, data, steps=1500, batch_size=500, optimizer="adam", lr=1e-2)
    fit(vae, data, steps=500, batch_size=2000, optimizer="adam", lr=1e-3, seed=1)
    means = [mean_terms(vae, x, seed=seed) for seed in range(20)]
    mean_loss = sum(mean.distortion + beta * mean.rate for mean in means) / len(means)
    assert mean_loss == pytest.approx(loss, abs=0.03)
    drawn = torch.cov(sample(vae, 100_000, draw=True)[1].T).double()
    assert torch.allclose(drawn, signal + variance * torch.eye(dim), atol=0.05)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published sample is not here")
def test_the_published_sample_is_read() -> None:
    data = datasets.load(f"txt:{PUBLISHED}")
    assert data.images.shape == (100, 10)
    assert np.array_equal(data.images.numpy(), np.loadtxt(PUBLISHED).astype(np.float32))
