"""Programs of several sites: their terms are those of the ELBO, whichever way a site is summed, drawn or observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro.distributions as dist
import pytest
import torch
from laws import batch_of, check_derivative_in_beta, check_recorded_equals_eager, check_terms_are_the_elbo
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate
from sited import CLASSES, PROGRAMS, Classes, Layers, Relaxed, StraightThrough, few_labels, with_

from pyro_bvae import BetaVAE, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.terms import arguments_of, layout_of, mean_terms, terms, traces
from pyro_bvae.terms.terms import _kl as kl_of

Draw = Callable[..., Any]


@pytest.fixture
def data() -> Dataset:
    return few_labels()


@pytest.mark.parametrize("make", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_terms_at_beta_one_add_up_to_the_elbo_of_the_unscaled_programs(make: Draw, data: Dataset) -> None:
    vae = make()
    vae.beta = 3.0
    x, given = batch_of(vae, data)
    sums = isinstance(vae, Classes) and not isinstance(vae, Relaxed)
    check_terms_are_the_elbo(vae, x, given, TraceEnum_ELBO(max_plate_nesting=1) if sums else Trace_ELBO())


def test_enumerated_terms_are_sums_by_hand(data: Dataset) -> None:
    vae = Classes(beta=2.0)
    x, given = batch_of(vae, data)
    torch.manual_seed(3)
    one = terms(vae, x, **given)
    model, guide = traces(vae.model, vae.guide, x, **given)
    q = vae.of_class(x.flatten(1)).softmax(-1)
    p = vae.class_logits.softmax(-1)
    unknown = given["labels"] < 0
    of_y = torch.where(unknown, (q * (q / p).log()).sum(-1), torch.zeros(8))
    torch.testing.assert_close(one.rates["y"], of_y)
    known = torch.where(unknown, torch.zeros(8), -p.log()[given["labels"].clamp(min=0)])
    torch.testing.assert_close(one.distortions["y"], known)
    torch.testing.assert_close(one.rate, one.rates["y"] + one.rates["z"])
    assert layout_of(model, guide, 2.0).units == ("y", "z[0]", "z[1]")
    assert guide.nodes["z"]["value"].shape == (CLASSES, 8, 2)
    assert one.kl is not None
    torch.testing.assert_close(one.kl[:, 0], of_y)


@pytest.mark.parametrize("make", [Classes, Layers, lambda: Layers(bottom_up=False)])
@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_the_derivative_in_beta_is_the_kl_of_what_is_weighted(make: Draw, beta: float, data: Dataset) -> None:
    vae = make()
    check_derivative_in_beta(vae, *batch_of(vae, data), beta, ["z"] if isinstance(vae, Classes) else ["z2", "z1"])


def test_a_relaxed_class_under_classes_has_the_kl_of_classes(data: Dataset) -> None:
    for kind in (Relaxed, StraightThrough):
        vae = kind()
        x = data.images[:8]
        q = dist.OneHotCategorical(logits=vae.of_class(x.flatten(1)))
        p = dist.OneHotCategorical(torch.full((CLASSES,), 1 / CLASSES))
        torch.testing.assert_close(terms(vae, x).rates["y"], torch.distributions.kl_divergence(q, p))


FITTED: dict[str, Callable[[], BetaVAE]] = {**PROGRAMS, "relaxed": Relaxed, "straight-through": StraightThrough}


@pytest.mark.parametrize("make", FITTED.values(), ids=FITTED.keys())
def test_programs_of_several_sites_are_fitted_recorded_and_resumed(make: Draw, data: Dataset, tmp_path: Any) -> None:
    def fitted(steps: int, out: str | None = None, **options: Any) -> Any:
        torch.manual_seed(0)
        vae = make()
        vae.beta = 2.0
        where = out and tmp_path / out
        return fit(vae, data, steps=steps, batch_size=16, eval_every=3, compile=False, out=where, **options)

    whole = fitted(8)
    half = fitted(4, "run")
    assert half.step == 4
    rest = fitted(8, "run", resume=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name]), name
    again = mean_terms(whole.model, data.rows(data.held_out))
    assert whole.history[-1]["held_out_rate"] == pytest.approx(again.rate)
    if len(again.rates) > 1:
        assert whole.history[-1]["held_out_rates"] == pytest.approx(again.rates)
        assert sum(whole.history[-1]["rates"].values()) == pytest.approx(whole.history[-1]["rate"], rel=1e-5)


@pytest.mark.parametrize("make", FITTED.values(), ids=FITTED.keys())
def test_a_recorded_step_equals_an_eager_one(make: Draw, data: Dataset) -> None:
    check_recorded_equals_eager(make, data)


@pytest.mark.parametrize(("elbo", "how"), [(Trace_ELBO(), ""), (TraceEnum_ELBO(max_plate_nesting=1), "parallel")])
def test_pyros_own_elbos_fit_classes(elbo: Any, how: str, data: Dataset) -> None:
    run = fit(with_(Classes(), enumerate=how), data, steps=4, batch_size=16, elbo=elbo, compile=False)
    assert set(run.history[-1]["held_out_rates"]) == {"y", "z"}


def test_all_sites_marked_by_config_enumerate_are_summed(data: Dataset) -> None:
    vae = with_(Classes(), enumerate="")
    vae.guide = config_enumerate(vae.guide)  # type: ignore[method-assign]
    x, given = batch_of(vae, data)
    assert terms(vae, x, **given).rates["y"].shape == (8,)
    assert arguments_of(vae) == ("labels",)


def test_the_kl_of_classes_is_torchs() -> None:
    probabilities = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.4, 0.6], [1.0, 0.0, 0.0]])
    for kind in (dist.Categorical, dist.OneHotCategorical):
        q, p = kind(probabilities), kind(torch.tensor([0.5, 0.25, 0.25]))
        torch.testing.assert_close(kl_of(q, p, torch.zeros(3), True), torch.distributions.kl_divergence(q, p))
        assert kl_of(p, kind(torch.tensor([0.0, 0.5, 0.5])), torch.zeros(3), True).isinf()
