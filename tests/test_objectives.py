"""Every objective is the ELBO at its neutral setting, and each coefficient weighs the term that it names."""

from __future__ import annotations

import copy
import io
from inspect import Parameter, signature
from math import isfinite, log

import pyro
import pyro.distributions as dist
import pytest
import torch
from conftest import sites
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from torch import Tensor, nn

from pyro_bvae import BetaVAE
from pyro_bvae.compiled.step import CompiledStep
from pyro_bvae.objectives import (
    OBJECTIVES,
    Ada,
    Beta,
    Capacity,
    Controlled,
    DipI,
    DipII,
    Factor,
    Info,
    PerImage,
    Qlae,
    RateController,
    Regularised,
    Sites,
    TotalCorrelation,
    suggest_capacity,
)
from pyro_bvae.objectives.factor import permuted
from pyro_bvae.objectives.info import squared_discrepancy
from pyro_bvae.objectives.total_correlation import aggregate_terms
from pyro_bvae.terms import terms

NEUTRAL = {
    "beta": Beta,
    "capacity": Capacity,
    "capacity of each image": lambda: Capacity(of="image"),
    "tc": lambda: TotalCorrelation(50),
    "tc weighted": lambda: TotalCorrelation(50, estimator="weighted"),
    "factor": lambda: Factor(3, width=20),
    "dip-i": DipI,
    "dip-ii": DipII,
    "info": Info,
    "controlled": lambda: Controlled(10.0, gain=0.0),
    "ada": Ada,
    "qlae": lambda: Qlae(3, 16),
}
WEIGHTED = {
    "capacity": lambda: Capacity(3.0, 1.5),
    "tc": lambda: TotalCorrelation(50, 3.0, alpha=0.5, gamma=2.0),
    "factor": lambda: Factor(3, 4.0, width=20),
    "dip-i": lambda: DipI(2.0, 3.0),
    "dip-ii": lambda: DipII(2.0, 3.0),
    "info": lambda: Info(0.5, 7.0),
    "controlled": lambda: Controlled(10.0, beta=2.0),
    "ada": lambda: Ada(2.0, 0.5),
    "qlae": lambda: Qlae(3, 6, 2.0, 0.25, 1.0),
}


def loss_of(objective: object, vae: BetaVAE, x: Tensor) -> Tensor:
    pyro.set_rng_seed(3)
    return objective.differentiable_loss(vae.model, vae.guide, x)


@pytest.mark.parametrize("name", list(NEUTRAL))
def test_an_objective_at_its_neutral_setting_is_the_elbo(name: str, vae: BetaVAE, x: Tensor) -> None:
    if name == "beta":
        vae.beta = 1.0  # all others ignore the programs' β
    loss = loss_of(NEUTRAL[name](), vae, x)
    gradients = torch.autograd.grad(loss, list(vae.parameters()))
    vae.beta = 1.0
    expected = loss_of(TraceMeanField_ELBO(), vae, x)
    torch.testing.assert_close(loss, expected)
    for gradient, right in zip(gradients, torch.autograd.grad(expected, list(vae.parameters())), strict=True):
        torch.testing.assert_close(gradient, right, rtol=1e-4, atol=1e-4)


def test_all_objectives_have_a_neutral_setting_here() -> None:
    assert {name.split()[0] for name in NEUTRAL} == set(OBJECTIVES)
    assert all(type(NEUTRAL[name]()) is OBJECTIVES[name.split()[0]] for name in NEUTRAL)


@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_beta_is_the_mean_field_elbo_at_the_programs_beta(beta: float, vae: BetaVAE, x: Tensor) -> None:
    vae.beta = beta
    torch.testing.assert_close(loss_of(Beta(), vae, x), loss_of(TraceMeanField_ELBO(), vae, x))


@pytest.mark.parametrize("name", list(WEIGHTED))
def test_the_loss_ignores_the_programs_beta(name: str, vae: BetaVAE, x: Tensor) -> None:
    objective = WEIGHTED[name]()
    loss = loss_of(objective, vae, x)
    vae.beta = 0.0
    torch.testing.assert_close(loss_of(objective, vae, x), loss)


def gradient_in(name: str, objective: Regularised, given: Sites) -> float:
    """The derivative of the regulariser in a coefficient."""
    coefficient = getattr(objective, name).requires_grad_()
    pyro.set_rng_seed(5)
    (gradient,) = torch.autograd.grad(objective.regulariser(given), coefficient)
    return gradient.item()


def test_the_gradients_in_the_weights_of_the_tcvae_are_its_terms() -> None:
    given = sites()
    for estimator in ("stratified", "weighted"):
        expected = [term.item() for term in aggregate_terms(given, 50, estimator)]
        objective = TotalCorrelation(50, 3.0, alpha=2.0, gamma=0.5, estimator=estimator)
        gradients = [gradient_in(name, objective, given) for name in ("alpha", "beta", "gamma")]
        assert gradients == pytest.approx(expected, rel=1e-5)


def test_the_gradients_in_gamma_and_capacity_are_the_excess_and_its_sign() -> None:
    given = sites()
    mean = given.rate.mean().item()
    assert gradient_in("gamma", Capacity(3.0, 2.0), given) == pytest.approx(abs(mean - 2), rel=1e-5)
    assert gradient_in("capacity", Capacity(3.0, 2.0), given) == pytest.approx(-3)
    assert gradient_in("capacity", Capacity(3.0, 99.0), given) == pytest.approx(3)
    middle = given.rate.median().item()
    each = (given.rate - middle).abs().mean().item()
    assert gradient_in("gamma", Capacity(3.0, middle, of="image"), given) == pytest.approx(each, rel=1e-5)


def test_the_gradients_in_the_weights_of_the_dip_vae_are_squares_of_a_covariance() -> None:
    given = sites()
    of_means = torch.cov(given.q.mean.T, correction=0)
    whole = of_means + torch.diag(given.q.variance.mean(0))
    for objective, covariance in ((DipI(1.0, 1.0), of_means), (DipII(1.0, 1.0), whole)):
        off = covariance[~torch.eye(3, dtype=torch.bool)].square().sum().item()
        assert gradient_in("off_diagonal", objective, given) == pytest.approx(off, rel=1e-4)
        own = (covariance.diagonal() - 1).square().sum().item()
        assert gradient_in("diagonal", objective, given) == pytest.approx(own, rel=1e-4)


def test_the_gradients_in_the_weights_of_the_infovae_are_rate_and_discrepancy() -> None:
    given = sites()
    pyro.set_rng_seed(5)
    discrepancy = squared_discrepancy(given.z, given.p.sample()).item()
    assert gradient_in("scale", Info(0.5, 7.0), given) == pytest.approx(discrepancy, rel=1e-5)
    expected = discrepancy - given.rate.mean().item()
    assert gradient_in("alpha", Info(0.5, 7.0), given) == pytest.approx(expected, rel=1e-5)


def test_the_gradients_in_beta_and_gamma_are_rate_and_mean_log_odds() -> None:
    given, factor = sites(), Factor(3, 1.0, width=20)
    assert gradient_in("beta", Controlled(3.0), given) == pytest.approx(given.rate.mean().item(), rel=1e-5)
    odds = factor.discriminator(given.z[:3]).mean().item()
    assert gradient_in("gamma", factor, given) == pytest.approx(odds, rel=1e-5)


@pytest.mark.parametrize("name", list(WEIGHTED))
def test_plain_svi_trains_with_every_objective(name: str, vae: BetaVAE, x: Tensor) -> None:
    svi = SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-2}), WEIGHTED[name]())
    losses = [svi.step(x) for _ in range(30)]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert svi.evaluate_loss(x) == pytest.approx(losses[-1], rel=0.2)
    assert isfinite(svi.step(x[:1]))  # the last batch of an epoch may be that short


@pytest.mark.parametrize("name", [name for name in WEIGHTED if name not in ("controlled", "factor")])
def test_a_recorded_step_reads_the_coefficients_anew(name: str, vae: BetaVAE, x: Tensor) -> None:
    objective = WEIGHTED[name]()
    optimizer = torch.optim.SGD(vae.parameters(), lr=0.0)
    step = CompiledStep(vae.model, vae.guide, PerImage(objective), vae, optimizer, compiler=None)
    for value in (0.25, 1.0):
        objective.set(**{key: value for key, _ in objective.named_buffers(recurse=False)})
        pyro.set_rng_seed(3)
        assert step(x)[0].item() == pytest.approx(loss_of(PerImage(objective), vae, x).item(), rel=1e-5)
    assert step.reason is None


@pytest.mark.parametrize("name", [name for name in WEIGHTED if name not in ("controlled", "factor")])
def test_a_recorded_step_moves_the_parameters_as_an_eager_one(name: str, vae: BetaVAE, x: Tensor) -> None:
    moved = []
    for is_recorded in (True, False):
        mine = copy.deepcopy(vae)
        optimizer = torch.optim.SGD(mine.parameters(), lr=0.01)
        step = CompiledStep(mine.model, mine.guide, PerImage(WEIGHTED[name]()), mine, optimizer, compiler=None)
        pyro.set_rng_seed(3)
        with pyro.get_param_store().scope():
            if is_recorded:
                step(x)
            else:
                step.gradient_step.take((x,))
        moved.append(list(mine.parameters()))
    assert not torch.equal(moved[0][0], next(iter(vae.parameters())))
    for recorded, eager in zip(*moved, strict=True):
        torch.testing.assert_close(recorded, eager, rtol=1e-5, atol=1e-6)


def test_free_bits_cost_a_latent_no_less_than_themselves(vae: BetaVAE, x: Tensor) -> None:
    vae.beta = 1.0
    pyro.set_rng_seed(3)
    batch_terms = terms(vae, x)
    middle = batch_terms.kl.mean(0).median().item()
    expected = batch_terms.distortion.sum() + len(x) * batch_terms.kl.mean(0).clamp(min=middle).sum()
    torch.testing.assert_close(loss_of(Beta(free_bits=middle), vae, x), expected)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        Beta(free_bits=-1)


def test_the_discriminator_finds_a_correlation_and_its_state_is_kept() -> None:
    factor = Factor(2, 1.0, width=30, layers=2, lr=3e-3)
    one = torch.randn(600, 1)
    z = 0.6**0.5 * one + 0.4**0.5 * torch.randn(600, 2)  # correlation 0.6: TC = −½ log(1 − 0.36) = 0.22
    q = dist.Normal(z, torch.ones(600, 2)).to_event(1)
    given = Sites(torch.zeros(600), torch.zeros(600), None, q, q, z, 1.0)
    for _ in range(150):
        factor.update(z)
    assert factor.regulariser(given).item() == pytest.approx(-0.5 * log(1 - 0.36), abs=0.1)
    file = io.BytesIO()
    torch.save(factor.state_dict(), file)
    other = Factor(2, 1.0, width=30, layers=2, lr=3e-3)
    other.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    for each in (factor, other):
        pyro.set_rng_seed(0)
        each.update(z)
    assert all(torch.equal(a, b) for a, b in zip(factor.parameters(), other.parameters(), strict=True))


def test_a_permutation_keeps_each_latent_and_breaks_their_tie() -> None:
    z = torch.arange(50.0)[:, None].expand(50, 2)
    mixed = permuted(z)
    assert torch.equal(mixed.sort(0).values, z)
    assert not torch.equal(mixed[:, 0], mixed[:, 1])


def test_the_controlled_objective_moves_its_beta_as_the_controller_does(vae: BetaVAE, x: Tensor) -> None:
    objective, beta = Controlled(2.0, gain=0.1), 1.0
    svi = SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-2}), objective)
    for _ in range(5):
        beta = RateController(2.0, 0.1)(beta, terms(vae, x).rate.mean().item())
        svi.step(x)
    assert objective.state_dict()["beta"].item() == pytest.approx(beta, rel=1e-5)
    assert beta < 1  # the rate of a new model is below


def test_the_suggested_capacity_holds_the_active_latents_and_no_more_than_a_nat_beyond() -> None:
    for kl in (torch.rand(10) * 3).tolist(), [0.02], [25.0, 0.0], [0.4] * 3:
        ramp = suggest_capacity(kl + [0.009] * 200, steps=900)
        assert sum(kl) <= ramp(300) < sum(kl) + 1
        assert (ramp(0), ramp.steps, ramp(900)) == (0.0, 300, ramp(300))


def test_a_capacity_is_not_read_off_a_collapsed_run() -> None:
    with pytest.raises(ValueError, match="no latent of this run is active: fit one at β ≤ 1"):
        suggest_capacity([0.01, 0.0], steps=900)
    with pytest.raises(ValueError, match="does not factorise"):
        suggest_capacity(None, steps=900)


KINDS = {"float": "number", "float | None": "number", "int": "whole number", "str": "word"}


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_the_declared_options_are_those_of_the_constructor(name: str) -> None:
    objective = OBJECTIVES[name]
    arguments = dict(signature(objective).parameters)
    for need in objective.NEEDS:
        assert arguments.pop(need).default is Parameter.empty
    assert list(objective.OPTIONS) == list(arguments)
    for option, argument in zip(objective.OPTIONS.values(), arguments.values(), strict=True):
        assert option.kind == KINDS[argument.annotation]
        assert option.is_required == (argument.default is Parameter.empty)


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_the_options_that_may_be_scheduled_are_the_coefficients(name: str) -> None:
    may_be_scheduled = {name for name, option in OBJECTIVES[name].OPTIONS.items() if option.may_be_scheduled}
    assert (Beta(beta=1.0) if name == "beta" else NEUTRAL[name]()).coefficients.keys() == may_be_scheduled


def test_an_objective_with_an_update_that_nobody_would_call_is_refused(vae: BetaVAE, x: Tensor) -> None:
    class Counting(Capacity):
        learns = True

        def __init__(self) -> None:
            super().__init__()
            self.updates = 0

        def update(self, *inputs: Tensor) -> None:  # noqa: ARG002
            self.updates += 1

    counting = Counting()
    SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-2}), counting).step(x)
    assert counting.updates == 1
    with pytest.raises(TypeError, match="Forgetful has an update of its own, which is called only if learns"):

        class Forgetful(Capacity):
            def update(self, *inputs: Tensor) -> None:
                pass

    class Inherited(Counting):
        pass

    assert Inherited.learns


@pytest.mark.parametrize("old", ["learn", "lesson", "can_be_captured"])
def test_an_older_name_is_refused(old: str) -> None:
    with pytest.raises(TypeError, match=f"Old has the older name {old}, which is .* now"):
        type("Old", (Regularised,), {old: str, "learns": True})


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_an_objective_learns_just_where_it_has_an_update(name: str) -> None:
    assert OBJECTIVES[name].learns == (OBJECTIVES[name].update is not Regularised.update)


def test_an_objective_is_both_an_elbo_and_a_module(vae: BetaVAE, x: Tensor) -> None:
    objective = Capacity(num_particles=200)
    assert isinstance(objective, nn.Module)
    assert objective(vae.model, vae.guide)(x).item() == pytest.approx(loss_of(objective, vae, x).item(), rel=0.01)
    vae.beta = 1.0
    mean = loss_of(Trace_ELBO(num_particles=200), vae, x).item()
    assert objective.loss(vae.model, vae.guide, x) == pytest.approx(mean, rel=0.01)
