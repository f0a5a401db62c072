"""The estimators agree with the exact aggregate posterior as far as their known bias allows."""

from __future__ import annotations

from itertools import combinations
from math import log

import pyro.distributions as dist
import pytest
import torch
from conftest import sites

from pyro_bvae.objectives import Sites
from pyro_bvae.objectives.total_correlation import aggregate_terms


def some(whole: Sites, index: list[int]) -> Sites:
    """The sites of a few data."""
    q, p = (dist.Normal(d.base_dist.loc[index], d.base_dist.scale[index]).to_event(1) for d in (whole.q, whole.p))
    return Sites(whole.distortion[index], whole.rate[index], whole.kl[index], q, p, whole.z[index], 1.0)


def exact_terms(given: Sites) -> list[float]:
    """Information, total correlation and dimension-wise KL at the draws, by the definitions."""
    size = len(given.z)
    pairs = given.q.base_dist.log_prob(given.z[:, None])
    joint, product = pairs.sum(-1).logsumexp(1) - log(size), (pairs.logsumexp(1) - log(size)).sum(-1)
    parts = (given.q.log_prob(given.z) - joint, joint - product, product - given.p.log_prob(given.z))
    return [part.mean().item() for part in parts]


def test_on_all_data_the_stratified_terms_are_exact_and_the_weighted_off_by_what_is_known() -> None:
    given = sites()
    information, correlation, by_dimension = exact = exact_terms(given)
    assert [term.item() for term in aggregate_terms(given, 6, "stratified")] == pytest.approx(exact, rel=1e-5)
    shifted = [information + log(6), correlation + 2 * log(6), by_dimension - 3 * log(6)]
    assert [term.item() for term in aggregate_terms(given, 6, "weighted")] == pytest.approx(shifted, rel=1e-4)


def test_over_all_batches_with_a_datum_the_stratified_density_is_exact() -> None:
    given, own = sites(), 0
    exact = (given.q.log_prob(given.z[own]).logsumexp(0) - log(6)).exp().item()
    densities = []
    for others in combinations(range(1, 6), 2):
        batch = some(given, [own, *others])
        weights = torch.tensor([1 / 6, 5 / 12, 5 / 12])
        densities.append((weights * batch.q.log_prob(given.z[own]).exp()).sum().item())
        information = aggregate_terms(batch, 6, "stratified")[0]
        logs = (weights.log() + batch.q.log_prob(batch.z[:, None])[0]).logsumexp(0)
        assert logs.exp().item() == pytest.approx(densities[-1], rel=1e-4)
        assert information <= log(6) + 1e-5  # no datum weighs less than 1/N at its own draw
    assert sum(densities) / len(densities) == pytest.approx(exact, rel=1e-5)


def test_far_data_of_independent_latents_have_no_total_correlation() -> None:
    """The fault of others, weights once a latent in the joint, reports tens of nats here."""
    grid = torch.cartesian_prod(*[torch.arange(8.0) * 20] * 2)
    q = dist.Normal(grid, torch.ones(64, 2)).to_event(1)
    p = dist.Normal(torch.zeros(64, 2), torch.ones(2)).to_event(1)
    whole = Sites(torch.zeros(64), torch.zeros(64), torch.zeros(64, 2), q, p, q.sample(), 1.0)
    information, correlation, _ = aggregate_terms(whole, 64, "stratified")
    assert information.item() == pytest.approx(log(64), abs=1e-4)
    assert correlation.item() == pytest.approx(0, abs=1e-4)
    information, correlation, _ = aggregate_terms(some(whole, list(range(0, 64, 3))), 64, "stratified")
    assert information.item() == pytest.approx(log(64), abs=1e-4)
    assert abs(correlation.item()) < log(64)
