"""The parameters that an exported file gives are those from which a distribution is made."""

from __future__ import annotations

import pyro.distributions as dist
import pytest
import torch

from pyro_bvae.exports.parts import parameters_of

A, B = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0)) + 0.5
FAMILIES = {
    "Bernoulli": dist.Bernoulli(A / 3),
    "Bernoulli by logits": dist.Bernoulli(logits=A),
    "Beta": dist.Beta(A, B),
    "Categorical": dist.Categorical(logits=A),
    "Cauchy": dist.Cauchy(A, B),
    "Chi2": dist.Chi2(A),
    "ContinuousBernoulli": dist.ContinuousBernoulli(logits=A),
    "Dirichlet": dist.Dirichlet(A),
    "Exponential": dist.Exponential(A),
    "Gamma": dist.Gamma(A, B),
    "Gumbel": dist.Gumbel(A, B),
    "HalfNormal": dist.HalfNormal(A),
    "InverseGamma": dist.InverseGamma(A, B),
    "Kumaraswamy": dist.Kumaraswamy(A, B),
    "Laplace": dist.Laplace(A, B),
    "Logistic": dist.Logistic(A, B),
    "LogNormal": dist.LogNormal(A, B),
    "MultivariateNormal": dist.MultivariateNormal(A, scale_tril=torch.eye(2)),
    "NegativeBinomial": dist.NegativeBinomial(A, logits=B),
    "Normal": dist.Normal(A, B),
    "Pareto": dist.Pareto(A, B),
    "Poisson": dist.Poisson(A),
    "StudentT": dist.StudentT(A + 2, A, B),
    "VonMises": dist.VonMises(A, B),
    "Weibull": dist.Weibull(A, B),
}


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_distribution_is_made_anew_from_them(name: str) -> None:
    p = FAMILIES[name]
    again = type(p)(**parameters_of(p))
    x = p.sample()
    torch.testing.assert_close(again.log_prob(x), p.log_prob(x))
