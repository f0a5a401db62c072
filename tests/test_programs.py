"""The programs that have names: their terms are those of their papers, however a site is summed, drawn or observed."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from laws import batch_of, check_derivative_in_beta, check_recorded_equals_eager, check_terms_are_the_elbo
from pyro.infer import ELBO, SVI, Trace_ELBO, TraceEnum_ELBO
from torch import Tensor

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.datasets.few_labels import with_few_labels
from pyro_bvae.likelihoods import LIKELIHOODS
from pyro_bvae.objectives import Beta
from pyro_bvae.programs import PROGRAMS, Conditional, Hierarchical, Joint, SemiSupervised, program_of
from pyro_bvae.terms import terms, traces

SHAPE, CLASSES = (1, 8, 8), 3
SMALL: dict[str, Any] = {"latent_dim": 2, "hidden": (8,)}
MADE: dict[str, Callable[..., BetaVAE]] = {
    "semi-supervised": lambda **more: SemiSupervised(SHAPE, classes=CLASSES, share=0.5, **SMALL, **more),
    "joint": lambda **more: Joint(SHAPE, classes=CLASSES, **SMALL, **more),
    "joint, y weighed by itself": lambda **more: Joint(SHAPE, classes=CLASSES, gamma=0.5, **SMALL, **more),
    "hierarchical": lambda **more: Hierarchical(SHAPE, lower=3, **SMALL, **more),
    "conditional": lambda **more: Conditional(SHAPE, classes=CLASSES, width=2, **SMALL, **more),
}
WEIGHTED = {"semi-supervised": ["z"], "joint": ["z", "y"], "joint, y weighed by itself": ["z"],
            "hierarchical": ["z2", "z1"], "conditional": ["z"]}  # fmt: skip
every_program = pytest.mark.parametrize("name", MADE)


def some_data() -> Dataset:
    """Sixty images with classes, of which programs see a few, and a vector beside each, of which some are missing."""
    generator = torch.Generator().manual_seed(1)
    c = torch.randn(60, 2, generator=generator)
    c[::7] = torch.nan
    images = torch.rand(60, *SHAPE, generator=generator).round()
    some = Dataset("mine", images, labels=torch.arange(60) % CLASSES, extra={"c": c})
    return with_few_labels(some, 30)


@pytest.fixture
def data() -> Dataset:
    return some_data()


def elbo_of(name: str) -> ELBO:
    """Pyro's, which sums over classes where there are some."""
    return Trace_ELBO() if name in ("hierarchical", "conditional") else TraceEnum_ELBO(max_plate_nesting=1)


@every_program
def test_terms_at_beta_one_add_up_to_pyros_elbo_of_the_unscaled_programs(name: str, data: Dataset) -> None:
    vae = MADE[name](beta=3.0)
    check_terms_are_the_elbo(vae, *batch_of(vae, data, 4), elbo_of(name))


@every_program
@pytest.mark.parametrize("beta", [0.0, 0.5, 4.0])
def test_the_derivative_in_beta_is_the_rate_of_what_is_weighted(name: str, beta: float, data: Dataset) -> None:
    vae = MADE[name]()
    check_derivative_in_beta(vae, *batch_of(vae, data), beta, WEIGHTED[name])


def test_m2_is_what_its_paper_says(data: Dataset) -> None:
    vae = MADE["semi-supervised"](beta=2.0, alpha=0.3)
    x, given = batch_of(vae, data)
    known, labels = given["labels"] >= 0, given["labels"].clamp(min=0)
    torch.manual_seed(3)
    one = terms(vae, x, **given)
    torch.manual_seed(3)
    z = traces(vae.model, vae.guide, x, **given)[1].nodes["z"]["value"]  # (C, B, K)
    h = vae.encoder(x)
    q = vae.of_class(h).softmax(-1)  # (B, C)
    of_classes = []
    for number in range(CLASSES):
        y = torch.where(known, labels, number)
        one_hot = torch.nn.functional.one_hot(y, CLASSES).float()
        rate = torch.distributions.kl_divergence(
            vae.posterior(*vae.of_style(h, one_hot)).base_dist, dist.Normal(0.0, 1.0)
        ).sum(-1)
        logits = vae.decoder(torch.cat([z[number], one_hot], -1))
        of_classes.append((dist.Bernoulli(logits=logits, validate_args=False).log_prob(x).flatten(1).sum(-1), rate))
    log_p, rates = (torch.stack(each, -1) for each in zip(*of_classes, strict=True))  # (B, C)
    torch.testing.assert_close(one.distortions["x"], -(q * log_p).sum(-1))
    torch.testing.assert_close(one.rates["z"], (q * rates).sum(-1))
    entropy = -(q * q.log()).sum(-1)
    uniform = torch.tensor(float(CLASSES)).log()
    torch.testing.assert_close(one.rates["y"], torch.where(known, torch.zeros(8), uniform - entropy))
    torch.testing.assert_close(one.distortions["y"], torch.where(known, uniform, torch.zeros(8)))
    of_classifier = -q.log().gather(1, labels[:, None])[:, 0] * known
    torch.testing.assert_close(one.distortions["classified"], of_classifier)
    torch.manual_seed(3)
    loss = Beta().differentiable_loss(vae.model, vae.guide, x, **given)
    rest = one.distortions["x"] + one.distortions["y"] + one.rates["y"] + 2 * one.rates["z"]
    torch.testing.assert_close(loss, (rest + 0.3 / 0.5 * of_classifier).sum())


def test_the_rate_of_the_lower_layer_is_a_mean_of_closed_forms(data: Dataset) -> None:
    vae = MADE["hierarchical"]()
    x, _ = batch_of(vae, data)
    torch.manual_seed(3)
    one = terms(vae, x)
    torch.manual_seed(3)
    z2 = traces(vae.model, vae.guide, x)[1].nodes["z2"]["value"]
    h = vae.encoder(x)
    kl = torch.distributions.kl_divergence
    torch.testing.assert_close(one.rates["z2"], kl(vae.posterior(*vae.of_z2(h)), vae.prior()))
    torch.testing.assert_close(one.rates["z1"], kl(vae.of_z1(h, z2), vae.given_z2(z2)))
    assert one.kl is not None
    assert one.kl.shape == (8, 2 + 3)


@pytest.mark.parametrize("kind", [SemiSupervised, Joint])
def test_the_elbo_of_a_tiny_model_with_its_exact_posterior_is_its_evidence(kind: type[BetaVAE]) -> None:
    """With z apart from x, p(x) is a sum over classes; the guide that has q(y | x) = p(y | x) reaches it."""
    torch.manual_seed(0)
    vae = kind((4,), 1, classes=CLASSES, hidden=(8,), likelihood="gaussian")
    x = torch.randn(5, 4)
    vae.decoder.layers[0].weight.data[:, 0] = 0.0
    log_p = vae.decode(torch.cat([torch.zeros(CLASSES, 1), torch.eye(CLASSES)], -1)[:, None]).log_prob(x)  # (C, B)
    evidence = log_p.logsumexp(0) - torch.tensor(float(CLASSES)).log()
    exact = log_p.softmax(0).t()
    head = vae.of_class if kind is SemiSupervised else vae.of_kind
    vae._modules["of_class" if kind is SemiSupervised else "of_kind"] = _Fixed(exact.log())
    vae.of_style.head.weight.data.zero_()
    vae.of_style.head.bias.data.zero_()  # q(z) = p(z)
    assert head.out_features == CLASSES
    one = terms(vae, x)
    torch.testing.assert_close(-(one.distortion + one.rate), evidence)


def test_importance_weights_of_classes_and_styles_reach_the_evidence() -> None:
    """Of one z and three classes, log p(x) is a quadrature."""
    torch.manual_seed(0)
    vae = Joint((3,), 1, classes=CLASSES, hidden=(8,), likelihood="gaussian")
    x = torch.randn(4, 3)
    z = torch.linspace(-8, 8, 2001)[:, None]
    of_classes = [vae.decode(torch.cat([z, y.expand(len(z), -1)], -1)) for y in torch.eye(CLASSES)]
    log_p = torch.stack([p.log_prob(x[:, None]) for p in of_classes])  # (C, B, 2001)
    weighed = log_p + dist.Normal(0.0, 1.0).log_prob(z[:, 0]) - torch.tensor(float(CLASSES)).log()
    evidence = torch.trapezoid(weighed.logsumexp(0).exp(), z[:, 0], dim=-1).log().mean()
    weights = []
    with torch.no_grad(), pyro.validation_enabled(False):
        for _ in range(2000):
            model, guide = traces(vae.model, vae.guide, x)
            of_class = model.nodes["x"]["fn"].log_prob(x) + model.nodes["y"]["fn"].log_prob(model.nodes["y"]["value"])
            drawn = guide.nodes["z"]["value"]
            of_style = model.nodes["z"]["fn"].log_prob(drawn) - guide.nodes["z"]["fn"].log_prob(drawn)
            weights.append(of_class.logsumexp(0) + of_style)
    bound = torch.stack(weights).logsumexp(0) - torch.tensor(2000.0).log()
    torch.testing.assert_close(bound.mean(), evidence, atol=0.02, rtol=0.0)


class _Fixed(torch.nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, _: Tensor) -> Tensor:
        return self.value


@every_program
def test_a_recorded_step_equals_an_eager_one(name: str, data: Dataset) -> None:
    check_recorded_equals_eager(lambda: MADE[name](beta=2.0), data)


@every_program
def test_a_fit_resumes_bit_for_bit_and_loads_by_itself(name: str, data: Dataset, tmp_path: Path) -> None:
    def fitted(steps: int, out: str, **options: Any) -> Any:
        torch.manual_seed(0)
        vae = MADE[name](beta=2.0)
        return fit(vae, data, steps=steps, batch_size=16, compile=False, out=tmp_path / out, **options)

    whole = fitted(6, "whole")
    fitted(3, "parts")
    rest = fitted(6, "parts", resume=True)
    again = load_run(tmp_path / "parts").model
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[key]), key
        assert torch.equal(value, again.state_dict()[key]), key
    assert type(again) is type(whole.model)
    assert program_of(again) == program_of(whole.model)


@every_program
@pytest.mark.parametrize("which", ["none", "all", "no argument"])
def test_any_labels_may_be_missing(name: str, which: str, data: Dataset) -> None:
    vae = MADE[name](beta=2.0)
    x, given = batch_of(vae, data)
    if which == "no argument":
        given.pop("labels", None)
    elif "labels" in given:
        given["labels"] = torch.full_like(given["labels"], -1) if which == "none" else data.labels[data.train[:8]]
    loss = Beta().differentiable_loss(vae.model, vae.guide, x, **given)
    loss.backward()
    assert loss.isfinite()
    gradients = [parameter.grad for parameter in vae.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_rows_without_labels_are_as_a_batch_without_any(data: Dataset) -> None:
    vae = MADE["semi-supervised"]()
    x, _ = batch_of(vae, data)
    torch.manual_seed(2)
    one = terms(vae, x)
    torch.manual_seed(2)
    other = terms(vae, x, labels=torch.full((8,), -1))
    torch.testing.assert_close(one.distortion, other.distortion)
    torch.testing.assert_close(one.rate, other.rate)


@every_program
def test_programs_draw_without_data(name: str) -> None:
    assert MADE[name]().model(None, 5).shape == (5, *SHAPE)


def test_a_missing_condition_is_all_zeros(data: Dataset) -> None:
    vae = MADE["conditional"]()
    labels, c = torch.tensor([1, -1]), torch.tensor([[0.5, torch.nan], [2.0, 3.0]])
    expected = torch.tensor([[0.0, 1.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 2.0, 3.0]])
    assert torch.equal(vae.condition(labels, c), expected)
    assert not vae.condition(None, None).any()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@every_program
def test_programs_take_any_likelihood(name: str, likelihood: str, data: Dataset) -> None:
    vae = MADE[name](likelihood=likelihood)
    x, given = batch_of(vae, data)
    assert terms(vae, vae.prepare(x.clamp(0.01, 0.99)), **given).distortion.shape == (8,)


FAMILIES = [*({"posterior": text} for text in ("full", "iaf:2", "planar:2", "spline:1")),
            *({"prior": text} for text in ("laplace", "mixture:3", "vamp:3"))]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: "".join(family.values()))
@every_program
def test_programs_take_any_prior_and_posterior(name: str, family: dict[str, str], data: Dataset) -> None:
    vae = MADE[name](beta=2.0, **family)
    run = fit(vae, data, steps=2, batch_size=16, compile=False)
    assert isfinite(run.history[-1]["held_out_rate"])
    check_terms_are_the_elbo(vae, *batch_of(vae, data), elbo_of(name), draws=100, errors=5.0)


@pytest.mark.parametrize("kind", PROGRAMS.values(), ids=PROGRAMS)
def test_programs_take_any_network(kind: type[BetaVAE]) -> None:
    options = {"classes": CLASSES} if kind is not Hierarchical else {}
    vae = kind((1, 16, 16), 2, network="conv", hidden=(8,), **options)
    name = next(name for name, each in PROGRAMS.items() if each is kind)
    svi = SVI(vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-3}), elbo_of(name))
    assert svi.step(torch.rand(4, 1, 16, 16).round()) > 0


def test_the_features_of_an_image_are_taken_once_a_program() -> None:
    vae, calls = MADE["semi-supervised"](), []
    vae.encoder.register_forward_hook(lambda *called: calls.append(called[-1].shape))
    labels = torch.tensor([0, 1, -1, -1])
    terms(vae, torch.rand(4, *SHAPE).round(), labels=labels)
    assert calls == [(4, 8), (4, 8)]  # for the guide, and for the classifier in the model
