"""The Ada-GVAE averages what a pair shares, and `fit` makes its batches of pairs that the factors say."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from conftest import Cli
from torch import Tensor

from pyro_bvae import BetaVAE, fit
from pyro_bvae.datasets import Dataset, Pairs
from pyro_bvae.objectives import Ada
from pyro_bvae.objectives.ada import averaged
from pyro_bvae.training.minibatches import Minibatches

CPU = torch.device("cpu")
SIZES = (5, 4, 3)


def grid(sizes: tuple[int, ...] = SIZES) -> Tensor:
    return torch.cartesian_prod(*[torch.arange(size) for size in sizes])


def by_loops(loc: Tensor, scale: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """The averaged moments, one number after the other."""
    new_loc, new_scale = loc.clone(), scale.clone()
    half = len(loc) // 2
    for one in range(half):
        other = one + half
        kl = []
        for k in range(loc.shape[1]):
            (m, s), (n, r) = ((loc[row, k].item(), scale[row, k].item()) for row in (one, other))
            kl.append(log(r / s) + (s**2 + (m - n) ** 2) / (2 * r**2) - 0.5)
        for k in range(loc.shape[1]):
            if kl[k] < threshold * (max(kl) + min(kl)):
                new_loc[[one, other], k] = (loc[one, k] + loc[other, k]) / 2
                new_scale[[one, other], k] = ((scale[one, k] ** 2 + scale[other, k] ** 2) / 2) ** 0.5
    return new_loc, new_scale


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9, 5.0])
@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_shared_latents_are_those_whose_kl_is_small(size: int, threshold: float) -> None:
    loc, scale = torch.randn(size, 4), torch.rand(size, 4) + 0.1
    q = averaged(dist.Normal(loc, scale).to_event(1), torch.tensor(threshold))
    expected = by_loops(loc, scale, threshold)
    torch.testing.assert_close(q.base_dist.loc, expected[0])
    torch.testing.assert_close(q.base_dist.scale, expected[1])


def test_one_latent_is_never_shared_and_two_equal_images_share_all() -> None:
    q = dist.Normal(torch.tensor([[0.0], [0.1]]), torch.ones(2, 1)).to_event(1)
    assert torch.equal(averaged(q, torch.tensor(0.5)).base_dist.loc, q.base_dist.loc)
    same = dist.Normal(torch.randn(1, 3).repeat(2, 1), torch.ones(2, 3)).to_event(1)
    torch.testing.assert_close(averaged(same, torch.tensor(0.5)).base_dist.loc, same.base_dist.loc)


def test_the_gradient_is_that_of_the_loss_written_out(vae: BetaVAE, x: Tensor) -> None:
    x = x[:6]
    parameters = list(vae.parameters())
    pyro.set_rng_seed(3)
    loss = Ada(2.0, 0.5).differentiable_loss(vae.model, vae.guide, x)
    gradients = torch.autograd.grad(loss, parameters)
    loc, log_variance = vae.encoder(x)
    new_loc, new_scale = by_loops(loc, (0.5 * log_variance).exp(), 0.5)
    pyro.set_rng_seed(3)
    z = dist.Normal(new_loc, new_scale).rsample()
    distortion = -vae.decode(z).log_prob(x)
    rate = ((new_scale**2 + new_loc**2 - 1) / 2 - new_scale.log()).sum(-1)
    expected = (distortion + 2.0 * rate).sum()
    torch.testing.assert_close(loss, expected)
    for one, other in zip(gradients, torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_other_posteriors_are_refused(x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, hidden=(8,), posterior="full")
    with pytest.raises(ValueError, match=r"Ada averages one latent, .* take the posterior diagonal"):
        Ada(threshold=0.5).differentiable_loss(vae.model, vae.guide, x)


@pytest.mark.parametrize("differing", [1, 2])
def test_partners_share_all_but_a_few_factors(differing: int) -> None:
    factors = grid((6, 1, 4, 3))
    data = Dataset("mine", torch.rand(72, 4), factors=factors, train=torch.arange(72), held_out=torch.arange(1))
    own = np.arange(72).repeat(50)
    differ = factors[Pairs(data, differing)(own, np.random.default_rng(0))] != factors[own]
    assert set(differ.sum(1).tolist()) == set(range(1, differing + 1))
    counts = differ[differ.sum(1) == 1].float().mean(0)
    torch.testing.assert_close(counts, torch.tensor([1 / 3, 0, 1 / 3, 1 / 3]), rtol=0, atol=0.05)


def test_data_with_the_same_factors_are_partners_alike() -> None:
    factors = grid((2, 2)).repeat(3, 1)
    data = Dataset("mine", torch.rand(12, 4), factors=factors, train=torch.arange(12), held_out=torch.arange(1))
    partners = Pairs(data)(np.zeros(6000, int), np.random.default_rng(0))
    counts = np.bincount(partners, minlength=12)
    differ = (factors != factors[0]).sum(1).numpy() == 1
    assert counts[~differ].sum() == 0
    np.testing.assert_allclose(counts[differ] / 6000, 1 / 6, atol=0.03)


def test_partners_are_training_data(gridded: Dataset) -> None:
    pairs = Pairs(gridded)
    for seed in range(20):
        partners = pairs(np.arange(len(gridded.train)), np.random.default_rng(seed))
        assert partners.min() >= 0
        assert partners.max() < len(gridded.train)


@pytest.mark.parametrize(
    ("factors", "differing", "message"),
    [
        (None, 1, "pairs want data with factors, and noise has none"),
        (torch.arange(60)[:, None], 1, "with 1 factors of noise that vary, 1 cannot differ"),
        (torch.zeros(60, 3, dtype=torch.int64), 1, "with 0 factors of noise that vary"),
        (grid(), 3, "with 3 factors of noise that vary, 3 cannot differ"),
        (torch.arange(60)[:, None].expand(60, 2), 1, "only 0% have a partner with all but 1 of their factors"),
    ],
)
def test_data_without_pairs_are_refused_in_one_line(
    factors: Tensor | None, differing: int, message: str, gridded: Dataset
) -> None:
    data = replace(gridded, factors=factors, factor_sizes=None)
    with pytest.raises(ValueError, match=message) as caught:
        fit(BetaVAE(gridded.shape, 2, hidden=(4,)), data, steps=1, objective=f"ada:differing={differing}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch_size", [2, 7, 16, 54])
def test_the_second_half_of_a_batch_are_partners_of_the_first(batch_size: int, gridded: Dataset) -> None:
    batches = Minibatches(gridded, batch_size, 0, CPU, pairs=Pairs(gridded))
    plain = Minibatches(gridded, batch_size, 0, CPU)
    factors = grid()
    for step in range(2 * batches.per_epoch):
        index = batches.index(step)
        half = len(index) // 2
        differ = (factors[index[:half]] != factors[index[half : 2 * half]]).sum(1)
        assert (differ <= 1).all()
        assert torch.equal(index[:half], plain.index(step)[:half])
        assert torch.equal(index[2 * half :], plain.index(step)[2 * half :])
    again = Minibatches(gridded, batch_size, 0, CPU, pairs=Pairs(gridded))
    assert torch.equal(again.index(step), index)


def test_the_command_line_says_in_one_line_what_pairs_want(cli: Cli, here: Path) -> None:
    result = cli("fit", "--objective", "ada", "--steps", 1)
    assert result.exit_code == 1
    assert "pairs want data with factors, and digits has none" in result.stderr.splitlines()[-1]
