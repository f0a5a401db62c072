"""Programs, posteriors and coefficients that an objective cannot take are refused, with what to take."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor

from pyro_bvae import BetaVAE
from pyro_bvae.objectives import (
    OBJECTIVES,
    Beta,
    Capacity,
    Info,
    Sizes,
    TotalCorrelation,
    build_objective,
)
from pyro_bvae.settings.parsing import specified

NEUTRAL = {"capacity": "capacity:gamma=1,capacity=0", "controlled": "controlled:target=10,gain=0"}


def loss_of(objective: object, vae: BetaVAE, x: Tensor) -> Tensor:
    pyro.set_rng_seed(3)
    return objective.differentiable_loss(vae.model, vae.guide, x)


def test_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match="has no coefficient 'capasity'; it has gamma, capacity"):
        Capacity().set(capasity=1.0)
    with pytest.raises(ValueError, match="gamma must be finite, got nan"):
        Capacity(float("nan"))
    with pytest.raises(ValueError, match="size is the number of training data, at least 1, got 0"):
        TotalCorrelation(0)


def test_a_posterior_that_does_not_factorise_is_refused_where_it_matters(x: Tensor) -> None:
    class Full(BetaVAE):
        def encode(self, x: Tensor) -> dist.TorchDistribution:
            loc, _ = self.encoder(x)
            return dist.MultivariateNormal(loc, torch.eye(3))

    full = Full((1, 16, 16), 3, hidden=(20,), prior=lambda: dist.MultivariateNormal(torch.zeros(3), torch.eye(3)))
    torch.testing.assert_close(loss_of(Info(), full, x), loss_of(TraceMeanField_ELBO(), full, x))
    for objective in (TotalCorrelation(50), Beta(free_bits=0.1)):
        with pytest.raises(ValueError, match="factorises? over the latents"):
            loss_of(objective, full, x)


class OfMatrices(BetaVAE):
    """A latent of 2×3 values, which the decoder takes as six."""

    def model(self, x: Tensor) -> Tensor:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(2, 3), 1).to_event(2))
            return pyro.sample("x", self.decode(z.flatten(1)), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with pyro.plate("data", len(x)):
            q = self.encode(x).base_dist
            return pyro.sample("z", dist.Normal(q.loc.unflatten(1, (2, 3)), q.scale.unflatten(1, (2, 3))).to_event(2))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_a_latent_that_is_no_vector_is_taken_whole_or_refused(name: str, x: Tensor) -> None:
    vae = OfMatrices((1, 16, 16), 6, hidden=(20,))
    objective = build_objective(specified(NEUTRAL.get(name, name)), Sizes(size=50, latent_dim=6, data_dim=256))
    if objective.needs_one_site:
        with pytest.raises(ValueError, match=r"\(\d+, 2, 3\): .*the objective beta"):
            loss_of(objective, vae, x)
    else:
        torch.testing.assert_close(loss_of(objective, vae, x), loss_of(TraceMeanField_ELBO(), vae, x))


@pytest.mark.parametrize("wanted", ["tc:beta=linear:-5:10", "qlae:quantised=linear:3:10", "qlae:quantised=cosine:3:9",
                                    "capacity:gamma=2,capacity=cyclic:-1:5:0"])  # fmt: skip
def test_schedules_stay_where_a_coefficient_may_be(wanted: str) -> None:
    with pytest.raises(ValueError, match=r"must be finite and at least 0|is a share from 0 to 1"):
        build_objective(specified(wanted), Sizes(size=9, latent_dim=2, data_dim=4))


def test_the_end_of_a_schedule_draws_nothing() -> None:
    torch.manual_seed(0)
    plain = build_objective(specified("factor:gamma=3"), Sizes(latent_dim=2))
    expected = torch.rand(1)
    torch.manual_seed(0)
    scheduled = build_objective(specified("factor:gamma=linear:3:10"), Sizes(latent_dim=2))
    assert torch.equal(torch.rand(1), expected)
    for one, other in zip(plain.parameters(), scheduled.parameters(), strict=True):
        assert torch.equal(one, other)
