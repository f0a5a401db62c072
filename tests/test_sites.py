"""Programs of several sites: their terms are those of the ELBO, whichever way a site is summed, drawn or observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from conftest import new_vae
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pyro_bvae import BetaVAE, fit
from pyro_bvae.datasets import Dataset, Rows
from pyro_bvae.terms import arguments_of, batches, given_to, layout_of, mean_terms, terms, traces
from pyro_bvae.terms.terms import _kl as kl_of

CLASSES = 3
Draw = Callable[..., Any]


def joined(*parts: Tensor) -> Tensor:
    shape = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*shape, part.shape[-1]) for part in parts], -1)


class Classes(BetaVAE):
    """A class y beside z: y ~ p(y), z ~ p(z), x ~ p(x | z, y); q(y | x) q(z | x, y), with y known in some rows."""

    enumerate = "parallel"

    def __init__(self, shape: tuple[int, ...] = (1, 8, 8), **options: Any) -> None:
        super().__init__(shape, 2, hidden=(8,), **options)
        self.class_logits = nn.Parameter(torch.tensor([0.3, -0.2, 0.1]))
        self.of_class = nn.Linear(shape[0] * 64, CLASSES)
        self.shift = nn.Linear(CLASSES, 2)

    def model(self, x: Tensor | None = None, size: int = 1, labels: Tensor | None = None) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else len(x), dim=-1):
            p = dist.Categorical(logits=self.class_logits)
            if labels is None:
                y = pyro.sample("y", p)
            else:
                y = pyro.sample("y", p, obs=labels.clamp(min=0), obs_mask=labels >= 0)
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(z + self.shift(one_hot(y, CLASSES).float())), obs=x)

    def guide(self, x: Tensor, labels: Tensor | None = None) -> None:
        self.register()
        q = dist.Categorical(logits=self.of_class(x.flatten(1)))
        infer = {"enumerate": self.enumerate} if self.enumerate else {}
        with pyro.plate("batch", len(x), dim=-1):
            if labels is None:
                y = pyro.sample("y", q, infer=infer)
            else:
                known = labels >= 0
                with poutine.mask(mask=~known):
                    drawn = pyro.sample("y_unobserved", q, infer=infer)
                y = torch.where(known, labels.clamp(min=0), drawn)
            loc, log_variance = self.encoder(x)
            with self.weighted():
                loc = loc + self.shift(one_hot(y, CLASSES).float())
                pyro.sample("z", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(1))


class Layers(BetaVAE):
    """z2 → z1 → x; q(z1 | x) q(z2 | z1), whose order is another than the model's, or q(z2 | x) q(z1 | x, z2)."""

    def __init__(self, bottom_up: bool = True, **options: Any) -> None:
        super().__init__((1, 8, 8), 2, hidden=(8,), **options)
        self.bottom_up = bottom_up
        self.down, self.up = nn.Linear(1, 2), nn.Linear(2, 1)

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else len(x), dim=-1):
            with self.weighted():
                z2 = pyro.sample("z2", dist.Normal(torch.zeros(1), 1.0).to_event(1))
                z1 = pyro.sample("z1", dist.Normal(self.down(z2), 0.7).to_event(1))
            return pyro.sample("x", self.decode(z1), obs=x)

    def guide(self, x: Tensor) -> None:
        self.register()
        loc, log_variance = self.encoder(x)
        with pyro.plate("batch", len(x), dim=-1), self.weighted():
            if self.bottom_up:
                z1 = pyro.sample("z1", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(1))
                pyro.sample("z2", dist.Normal(self.up(z1), 0.8).to_event(1))
            else:
                z2 = pyro.sample("z2", dist.Normal(self.up(loc), 0.8).to_event(1))
                z1 = loc + self.down(z2)
                pyro.sample("z1", dist.Normal(z1, (0.5 * log_variance).exp()).to_event(1))


class Relaxed(Classes):
    """A class that the guide relaxes, under a prior of classes or of relaxed ones."""

    prior_is_relaxed = False

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:  # type: ignore[override]
        self.register()
        probabilities = torch.full((CLASSES,), 1 / CLASSES)
        p: Any = dist.OneHotCategorical(probabilities)
        if self.prior_is_relaxed:
            p = dist.RelaxedOneHotCategorical(torch.tensor(0.5), probabilities)
        with pyro.plate("batch", size if x is None else len(x), dim=-1):
            y = pyro.sample("y", p)
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(z + self.shift(y)), obs=x)

    def guide(self, x: Tensor) -> None:  # type: ignore[override]
        self.register()
        with pyro.plate("batch", len(x), dim=-1):
            logits = self.of_class(x.flatten(1))
            pyro.sample("y", self.relaxed()(torch.tensor(0.5), logits=logits))
            with self.weighted():
                pyro.sample("z", self.encode(x))

    def relaxed(self) -> Any:
        return dist.RelaxedOneHotCategorical


class StraightThrough(Relaxed):
    def relaxed(self) -> Any:
        return dist.RelaxedOneHotCategoricalStraightThrough


class Condition(BetaVAE):
    """p(x | z, c) under a condition that stands beside x, without a default, and a second observed site."""

    def __init__(self, **options: Any) -> None:
        super().__init__((1, 8, 8), 2, hidden=(8,), **options)
        self.of_condition = nn.Linear(1, 2)

    def model(self, x: Tensor | None = None, size: int = 1, *, c: Tensor) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else len(x), dim=-1):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            with poutine.scale(scale=0.25):
                pyro.sample("c", dist.Normal(z[..., 0], 1.0), obs=c)
            return pyro.sample("x", self.decode(z + self.of_condition(c[:, None])), obs=x)

    def guide(self, x: Tensor, c: Tensor) -> None:
        self.register()
        with pyro.plate("batch", len(x), dim=-1), self.weighted():
            loc, log_variance = self.encoder(x)
            pyro.sample("z", dist.Normal(loc + c[:, None], (0.5 * log_variance).exp()).to_event(1))


PROGRAMS: dict[str, Callable[[], BetaVAE]] = {
    "classes": Classes,
    "layers, bottom up": Layers,
    "layers, top down": lambda: Layers(bottom_up=False),
    "relaxed under relaxed": lambda: _with(Relaxed(), prior_is_relaxed=True),
    "condition": Condition,
}


def _with(vae: BetaVAE, **attributes: Any) -> BetaVAE:
    for name, value in attributes.items():
        setattr(vae, name, value)
    return vae


@pytest.fixture
def data() -> Dataset:
    torch.manual_seed(1)
    labels = torch.randint(CLASSES, (60,))
    few = labels.where(torch.rand(60) < 0.3, -1)
    extra = {"labels": few, "c": torch.randn(60, dtype=torch.float64)}
    return Dataset("mine", torch.rand(60, 1, 8, 8).round(), labels=labels, extra=extra)


def batch_of(vae: BetaVAE, data: Dataset, size: int = 8) -> tuple[Tensor, dict[str, Tensor]]:
    _, x, given = next(batches(vae, data.rows(slice(size)), size))
    return x, given


@pytest.mark.parametrize("make", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_terms_at_beta_one_add_up_to_the_elbo_of_the_unscaled_programs(make: Draw, data: Dataset) -> None:
    vae = make()
    vae.beta = 3.0
    x, given = batch_of(vae, data)
    with torch.no_grad(), pyro.validation_enabled(False):
        many = [terms(vae, x, **given) for _ in range(500)]
    ours = torch.stack([-(one.distortion + one.rate).sum() for one in many])
    elbo = TraceEnum_ELBO if isinstance(vae, Classes) and not isinstance(vae, Relaxed) else Trace_ELBO
    vae.beta = 1.0
    model = poutine.block(vae.model, hide=[]) if not isinstance(vae, Condition) else vae.model
    with torch.no_grad(), pyro.validation_enabled(False), _unscaled():
        theirs = torch.tensor([-elbo(max_plate_nesting=1).loss(model, vae.guide, x, **given) for _ in range(300)])
    error = (ours.var() / len(ours) + theirs.var() / len(theirs)).sqrt()
    assert abs(ours.mean() - theirs.mean()) < 4 * error + 1e-3


def _unscaled() -> Any:
    """Scales other than β's are taken out of the traces' log-probabilities."""

    class Unscaled(poutine.messenger.Messenger):
        def _pyro_post_sample(self, msg: Any) -> None:
            msg["scale"] = 1.0

    return Unscaled()


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
    from pyro_bvae.objectives import Beta

    vae = make()
    vae.beta = torch.tensor(beta, requires_grad=True)
    x, given = batch_of(vae, data)
    torch.manual_seed(5)
    loss = Beta().differentiable_loss(vae.model, vae.guide, x, **given)
    (slope,) = torch.autograd.grad(loss, vae.beta)
    torch.manual_seed(5)
    rates = terms(vae, x, **given).rates
    weighted = sum(rate.sum() for name, rate in rates.items() if name != "y")
    torch.testing.assert_close(slope, weighted)


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
    from pyro_bvae.objectives import Beta
    from pyro_bvae.settings.training import TrainingSettings
    from pyro_bvae.training import Training

    results = []
    for record in (False, True):
        torch.manual_seed(0)
        vae = make()
        settings = TrainingSettings(batch_size=16, steps=3, lr=1e-2)
        training = Training(vae, data, settings, Beta())
        if record:
            step = training.compile(None)
        pyro.set_rng_seed(0)
        with pyro.validation_enabled(False):
            for _ in range(3):
                training.advance()
        if record:
            assert step.reason is None
        results.append([parameter.detach().clone() for parameter in vae.parameters()])
    for eager, recorded in zip(*results, strict=True):
        torch.testing.assert_close(recorded, eager, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("elbo", "how"), [(Trace_ELBO(), ""), (TraceEnum_ELBO(max_plate_nesting=1), "parallel")])
def test_pyros_own_elbos_fit_classes(elbo: Any, how: str, data: Dataset) -> None:
    run = fit(_with(Classes(), enumerate=how), data, steps=4, batch_size=16, elbo=elbo, compile=False)
    assert set(run.history[-1]["held_out_rates"]) == {"y", "z"}


def test_all_sites_marked_by_config_enumerate_are_summed(data: Dataset) -> None:
    vae = _with(Classes(), enumerate="")
    vae.guide = config_enumerate(vae.guide)  # type: ignore[method-assign]
    x, given = batch_of(vae, data)
    assert terms(vae, x, **given).rates["y"].shape == (8,)
    assert arguments_of(vae) == ("labels",)


class Unmasked(Classes):
    def guide(self, x: Tensor, labels: Tensor | None = None) -> None:
        self.register()
        q = dist.Categorical(logits=self.of_class(x.flatten(1)))
        with pyro.plate("batch", len(x), dim=-1):
            pyro.sample("y" if labels is None else "y_unobserved", q, infer={"enumerate": "parallel"})
            with self.weighted():
                pyro.sample("z", self.encode(x))


class OtherWeights(Layers):
    def guide(self, x: Tensor) -> None:
        self.register()
        loc, log_variance = self.encoder(x)
        with pyro.plate("batch", len(x), dim=-1):
            z1 = pyro.sample("z1", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(1))
            with self.weighted():
                pyro.sample("z2", dist.Normal(self.up(z1), 0.8).to_event(1))


class Outside(Layers):
    def guide(self, x: Tensor) -> None:
        self.register()
        loc, log_variance = self.encoder(x)
        with self.weighted():
            pyro.sample("z1", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(2))
            pyro.sample("z2", dist.Normal(self.up(loc), 0.8).to_event(2))


REFUSED: dict[str, tuple[Callable[[], BetaVAE], str]] = {
    "drawn": (lambda: _with(Classes(), enumerate=""), r"no gradient through draws of 'y', a Categorical: sum over"),
    "unmasked": (Unmasked, r"'y_unobserved' is masked in one of the programs, or in another way"),
    "weights": (lambda: OtherWeights(beta=2.0), r"'z1' is weighed by 2 in the model and by 1 in the guide"),
    "outside of the plate": (Outside, r"'z[12]' must be inside `with pyro.plate"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_programs_that_would_silently_go_wrong_are_refused(make: Draw, message: str, data: Dataset) -> None:
    with pytest.raises(ValueError, match=message):
        fit(make(), data, steps=1, batch_size=16)


@pytest.mark.parametrize("objective", ["tc:beta=2", "factor:gamma=2", "dip-i", "info"])
def test_objectives_of_one_code_refuse_several(objective: str, data: Dataset) -> None:
    with pytest.raises(ValueError, match="is for one latent site, and the programs have z2, z1"):
        fit(Layers(), data, steps=1, batch_size=16, objective=objective)


def test_data_without_what_programs_take_are_refused(data: Dataset) -> None:
    bare = Dataset("bare", data.images)
    with pytest.raises(ValueError, match="the programs take `c`, and the data have nothing beside images"):
        fit(Condition(), bare, steps=1)
    assert given_to(Classes(), {}) == {}
    fit(Classes(), bare, steps=1, compile=False)
    with pytest.raises(ValueError, match="the programs take `c`"):
        mean_terms(Condition(), data.images)
    assert mean_terms(Condition(), Rows(data.images, data.extra)).rate > 0


def test_history_and_config_name_sites_and_weights(data: Dataset) -> None:
    run = fit(Condition(), data, steps=2, batch_size=16, compile=False)
    assert run.config["latents"] == ["z[0]", "z[1]"]
    assert run.config["weights"] == {"c": 0.25}
    assert set(run.history[-1]["distortions"]) == {"x", "c"}
    classes = fit(Classes(), data, steps=2, batch_size=16, compile=False)
    assert classes.config["latents"] == ["y", "z[0]", "z[1]"]
    assert len(classes.history[-1]["kl_per_latent"]) == 3


def test_the_kl_of_a_site_is_that_of_its_units(data: Dataset) -> None:
    means = mean_terms(Classes(), data.rows())
    assert means.kl_per_latent is not None
    assert means.units == ["y", "z[0]", "z[1]"]
    assert means.kl_of("z") == means.kl_per_latent[1:]
    assert means.kl_of("y") is None
    assert mean_terms(new_vae(), torch.rand(5, 1, 16, 16)).units == ["z[0]", "z[1]", "z[2]"]


def test_a_rate_below_zero_is_remarked_on() -> None:
    from pyro_bvae.training.faults import remark_on_rates

    remark_on_rates({"z": 0.0, "y": -0.5})
    with pytest.warns(RuntimeWarning, match="the rate of 'y' has fallen below 0, where no KL is"):
        remark_on_rates({"z": 2.0, "y": -253_820.0})


def test_programs_that_were_put_on_an_object_are_looked_at(data: Dataset) -> None:
    layers = Layers()
    vae = BetaVAE((1, 8, 8), 2, hidden=(8,))
    vae.layers = layers  # type: ignore[assignment]
    vae.model, vae.guide = layers.model, layers.guide  # type: ignore[method-assign]
    run = fit(vae, data, steps=2, batch_size=16, compile=False)
    assert run.config["latents"] == ["z2[0]", "z1[0]", "z1[1]"]


def test_the_kl_of_classes_is_torchs() -> None:
    probabilities = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.4, 0.6], [1.0, 0.0, 0.0]])
    for kind in (dist.Categorical, dist.OneHotCategorical):
        q, p = kind(probabilities), kind(torch.tensor([0.5, 0.25, 0.25]))
        torch.testing.assert_close(kl_of(q, p, torch.zeros(3), True), torch.distributions.kl_divergence(q, p))
        assert kl_of(p, kind(torch.tensor([0.0, 0.5, 0.5])), torch.zeros(3), True).isinf()
