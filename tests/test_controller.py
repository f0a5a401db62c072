"""The controller moves β the right way, ends where it should, and resumes."""

from __future__ import annotations

from math import exp
from pathlib import Path

import pytest
import torch

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.objectives import RateController


def test_a_high_rate_raises_beta_and_a_low_one_lowers_it() -> None:
    controller = RateController(10.0, gain=0.1)
    assert controller(2.0, 15.0) == pytest.approx(2 * exp(0.05))
    assert controller(2.0, 5.0) == pytest.approx(2 * exp(-0.05))
    assert controller(2.0, 1e9) == pytest.approx(2 * exp(0.1))  # an excess is cut
    assert controller(2.0, 0.0) == pytest.approx(2 * exp(-0.1))


def test_a_fixed_point_is_where_the_rate_is_the_target() -> None:
    controller, beta = RateController(3.0), 1.0
    for _ in range(2000):
        beta = controller(beta, 12 / beta)  # a model whose rate falls as β rises
    assert beta == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "gaussian-optimal"])
def test_every_family_comes_to_the_same_rate(likelihood: str, digits: Dataset) -> None:
    torch.manual_seed(0)
    run = fit(BetaVAE(digits.shape, hidden=(50,), likelihood=likelihood), digits, epochs=45, match_rate=10.0)
    assert run.history[-1]["rate"] == pytest.approx(10, rel=0.05)
    assert run.history[-1]["beta"] != run.config["beta"] == 1.0


def test_the_controllers_state_is_resumed(images: Dataset, tmp_path: Path) -> None:
    def new() -> BetaVAE:
        torch.manual_seed(0)
        return BetaVAE(images.shape, 3, hidden=(20,))

    whole = fit(new(), images, steps=9, match_rate=2.0)
    fit(new(), images, steps=4, match_rate=2.0, out=tmp_path)
    parts = fit(new(), images, steps=9, match_rate=2.0, out=tmp_path, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True))
    assert load_run(tmp_path).model.beta == whole.model.beta


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_cannot_be_held_is_refused(rate: float, images: Dataset) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        RateController(rate)
    with pytest.raises(ValueError, match="match_rate must be at least 1e-06"):
        fit(BetaVAE(images.shape), images, steps=1, match_rate=rate)
