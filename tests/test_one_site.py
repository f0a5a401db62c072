"""Programs of several latent sites, looked at one site at a time: laws over all of them, and cases worked by hand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pyro
import pytest
import torch
from pyro import poutine
from several import (
    CLASSES,
    LATENTS,
    PROGRAMS,
    SHAPE,
    Conditional,
    Layers,
    Mixture,
    Odd,
    SemiSupervised,
    TwoVectors,
)
from torch import Tensor
from torch.nn.functional import one_hot

from pyro_bvae import BetaVAE, codes, traverse
from pyro_bvae.datasets import Rows
from pyro_bvae.generation import images_of, reconstruct, reconstruct_sites, sample, sample_sites
from pyro_bvae.terms import evaluation_mode
from pyro_bvae.traversal import base, sweep_classes

EVERY_SITE = [(name, site) for name, sites in LATENTS.items() for site in sites]


@pytest.fixture
def x() -> Tensor:
    return torch.rand(7, *SHAPE, generator=torch.Generator().manual_seed(1))


def rows(vae: BetaVAE, x: Tensor) -> Rows:
    c = torch.linspace(-1, 1, 2 * len(x)).unflatten(0, (-1, 2))
    return Rows(x, {"c": c} if isinstance(vae, Conditional) else {})


def known(vae: BetaVAE, x: Tensor) -> dict[str, Tensor]:
    return dict(rows(vae, x)[:1].extra)


def is_continuous(vae: BetaVAE, site: str, x: Tensor) -> bool:
    return codes.class_values(codes.posterior(vae, x[:1], site, **known(vae, x))) is None


@pytest.mark.parametrize(("name", "site"), EVERY_SITE)
def test_the_code_of_a_datum_does_not_depend_on_its_company(name: str, site: str, x: Tensor) -> None:
    vae = PROGRAMS[name]()
    data = rows(vae, x)
    whole, one_by_one = codes.encode(vae, data, site=site), codes.encode(vae, data, site=site, batch_size=1)
    torch.testing.assert_close(whole.loc, one_by_one.loc)
    torch.testing.assert_close(whole.scale, one_by_one.scale)
    assert torch.equal(codes.encode_sites(vae, data)[site].loc, whole.loc)


@pytest.mark.parametrize("name", PROGRAMS)
def test_looking_at_one_site_changes_no_generator_and_no_parameter(name: str, x: Tensor) -> None:
    vae = PROGRAMS[name]()
    before, state = torch.get_rng_state(), {key: value.clone() for key, value in vae.state_dict().items()}
    codes.encode_sites(vae, rows(vae, x))
    reconstruct(vae, rows(vae, x))
    sample(vae, 3, given=known(vae, x))
    base(vae, rows(vae, x), "random-z", given=known(vae, x))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, state[key]) for key, value in vae.state_dict().items())


@pytest.mark.parametrize(("name", "site"), EVERY_SITE)
def test_a_sweep_is_the_model_under_condition(name: str, site: str, x: Tensor) -> None:
    """Every other site stands where the guide has it, but for those that the model draws from the one that is swept."""
    vae = PROGRAMS[name]()
    data = rows(vae, x)
    if not is_continuous(vae, site, x):
        return
    start = base(vae, data, site=site, image=2)
    swept = traverse(vae, start, columns=3)
    code = swept.codes[0, 0, 2]
    with evaluation_mode(vae, seed=0):
        there = codes.centres(vae, x[2:3], **{key: value[2:3] for key, value in data.extra.items()})
    if (name, site) == ("layers", "z2"):
        there = {"z1": vae.down(code)[None]}
    fixed = {**there, site: code.reshape(1, *there[site].shape[1:]) if site in there else code[None]}
    arguments = {key: value[2:3] for key, value in data.extra.items()}
    trace = poutine.trace(poutine.condition(vae.model, data=fixed)).get_trace(None, 1, **arguments)
    torch.testing.assert_close(swept.images[0, 0, 2], trace.nodes["x"]["fn"].mean[0].detach())


@pytest.mark.parametrize(("name", "site"), EVERY_SITE)
def test_a_row_passes_through_the_picture_of_its_base(name: str, site: str, x: Tensor) -> None:
    vae = PROGRAMS[name]()
    if not is_continuous(vae, site, x):
        return
    start = base(vae, rows(vae, x), site=site)
    own = start.codes[0, 0].item()
    swept = traverse(vae, start, latents=[0], low=own, high=own, columns=1)
    torch.testing.assert_close(swept.images[0, 0, 0], swept.reconstructions[0])


@pytest.mark.parametrize("name", ["semi-supervised", "mixture", "joint", "odd"])
def test_what_is_sampled_under_a_class_comes_from_the_conditioned_model(name: str) -> None:
    vae, site = PROGRAMS[name](), "coin" if name == "odd" else "y"
    of_sites, images = sample_sites(vae, 6, given={site: 1}, seed=5)
    value = {"semi-supervised": torch.ones(6, dtype=torch.int64), "odd": torch.ones(6)}.get(
        name, one_hot(torch.ones(6, dtype=torch.int64), CLASSES).float()
    )
    with evaluation_mode(vae, seed=5):
        trace = poutine.trace(poutine.condition(vae.model, data={site: value})).get_trace(None, 6)
    assert torch.equal(of_sites[site], value)
    assert torch.equal(images, trace.nodes["x"]["fn"].mean)
    for other in of_sites.keys() - {site}:
        assert torch.equal(of_sites[other], trace.nodes[other]["value"])


def test_the_posterior_of_a_style_is_that_of_the_most_probable_class(x: Tensor) -> None:
    vae = SemiSupervised()
    y = codes.encode(vae, x, site="y").loc
    torch.testing.assert_close(y, vae.look(x)[:, :CLASSES].softmax(-1).detach())
    z = codes.encode(vae, x).loc
    known_class = codes.encode(vae, Rows(x, {"y": y.argmax(-1)})).loc
    torch.testing.assert_close(z, known_class)
    unknown = codes.encode(vae, Rows(x, {"y": torch.full((7,), -1)})).loc
    torch.testing.assert_close(z, unknown)
    other = codes.encode(vae, Rows(x, {"y": (y.argmax(-1) + 1) % CLASSES})).loc
    assert (z - other).abs().max() > 0.1


def test_a_reconstruction_under_another_class_keeps_the_style(x: Tensor) -> None:
    vae = SemiSupervised()
    z = codes.encode(vae, x).loc
    for labels in ({}, {"y": torch.full((7,), -1)}):
        latents, images = reconstruct(vae, Rows(x, labels), given={"y": 2})
        torch.testing.assert_close(latents, z)
        expected = vae.show(z, one_hot(torch.tensor(2), CLASSES).float().expand(7, -1)).mean
        torch.testing.assert_close(images, expected.detach())


def test_a_known_class_is_decoded_as_what_it_is(x: Tensor) -> None:
    vae, y = SemiSupervised(), torch.tensor([0, 1, 2, -1, -1, 2, 0])
    of_sites, images = reconstruct_sites(vae, Rows(x, {"y": y}))
    guessed = codes.encode(vae, x, site="y").loc.argmax(-1)
    assert torch.equal(of_sites["y"], torch.where(y >= 0, y, guessed))
    expected = vae.show(of_sites["z"], one_hot(of_sites["y"], CLASSES).float()).mean
    torch.testing.assert_close(images, expected.detach())


def test_a_site_that_depends_on_a_class_follows_it(x: Tensor) -> None:
    vae = Mixture()
    latents, images = reconstruct(vae, x, given={"y": 1})
    y = one_hot(torch.ones(7, dtype=torch.int64), CLASSES).float()
    z = vae.second(torch.cat([torch.zeros(7, 2), y], -1)).detach()
    torch.testing.assert_close(latents, z)
    torch.testing.assert_close(images, vae.show(z, y).mean.detach())
    swept = sweep_classes(vae, base(vae, x, count=7), "y")
    torch.testing.assert_close(swept.images[:, 1], images)


@pytest.mark.parametrize("start", ["y", "z"])
def test_classes_are_swept_with_the_style_of_each_datum(start: str, x: Tensor) -> None:
    vae = SemiSupervised()
    swept = sweep_classes(vae, base(vae, x, site=start, count=4), "y")
    z = codes.encode(vae, x[:4]).loc
    for number in range(CLASSES):
        expected = vae.show(z, one_hot(torch.tensor(number), CLASSES).float().expand(4, -1)).mean
        torch.testing.assert_close(swept.images[:, number], expected.detach())
    torch.testing.assert_close(swept.reconstructions, reconstruct(vae, x[:4])[1])


def test_classes_of_an_argument_are_swept(x: Tensor) -> None:
    class OfLabels(Conditional):
        def model(self, x=None, size=1, labels=None):
            return super().model(x, size, c=one_hot(labels, 2).float())

        def guide(self, x, labels=None):
            return super().guide(x, c=one_hot(labels, 2).float())

    vae, labels = OfLabels(), torch.tensor([0, 1, 1, 0, 1, 0, 0])
    swept = sweep_classes(vae, base(vae, Rows(x, {"labels": labels}), count=7), "labels", classes=2)
    own = swept.images[torch.arange(7), labels]
    torch.testing.assert_close(own, swept.reconstructions)
    torch.testing.assert_close(own, reconstruct(vae, Rows(x, {"labels": labels}))[1])
    other = reconstruct(vae, Rows(x, {"labels": labels}), given={"labels": 1 - labels})[1]
    torch.testing.assert_close(swept.images[torch.arange(7), 1 - labels], other)


def test_conditions_are_given_for_all_or_one_a_datum_whatever_the_batches() -> None:
    vae, z, c = Conditional(), torch.randn(5, 2), torch.randn(5, 2)
    each = images_of(vae, z, given={"c": c}, batch_size=2)
    torch.testing.assert_close(each, vae.show(z, c).mean.detach())
    one = images_of(vae, z, given={"c": c[:1]})
    torch.testing.assert_close(one, vae.show(z, c[:1].expand(5, -1)).mean.detach())


def test_an_argument_with_a_default_can_be_left_out(x: Tensor) -> None:
    vae = TwoVectors()
    plain, shifted = (reconstruct(vae, x, given=given)[1] for given in ({}, {"shift": 1.5}))
    assert not torch.allclose(plain, shifted)
    torch.testing.assert_close(reconstruct(vae, x, given={"shift": 0.0})[1], plain)


def test_a_layer_follows_the_one_that_is_swept_and_not_the_other_way_round(x: Tensor) -> None:
    vae = Layers()
    assert codes.followers(vae, "z2") == {"z1", "x"}
    assert codes.followers(vae, "z1") == {"x"}
    assert codes.site_of(vae) == "z1"


def test_sites_of_any_shape_have_codes_as_rows(x: Tensor) -> None:
    vae = Odd()
    shapes = {site: tuple(each.loc.shape) for site, each in codes.encode_sites(vae, x).items()}
    assert shapes == {"w": (7, 1), "m": (7, 4), "coin": (7, 2), "coins": (7, 2)}
    for site in ("w", "m"):
        assert traverse(vae, base(vae, x, site=site), columns=3).images.shape == (1, shapes[site][1], 3, *SHAPE)
    assert reconstruct(vae, x, site="w")[0].shape == (7, 1)
    values = reconstruct_sites(vae, x)[0]
    assert set(values["coin"].tolist()) <= {0.0, 1.0}
    assert set(values["coins"].flatten().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda x: codes.encode(SemiSupervised(), x, site="q"),
         r"`site` names a latent site of the guide, y or z: got 'q'"),
        (lambda _: sample(SemiSupervised(), 2, given={"y": 3}), r"the site 'y' has the classes 0 to 2, got 3"),
        (lambda _: sample(SemiSupervised(), 2, given={"k": 3}), r"'k' is neither a site of the model \(y, z\) nor an"),
        (lambda _: sample(Conditional(), 2), r"the programs do not run without 'c': say what it is with `given`"),
        (lambda _: traverse(Conditional(), torch.zeros(1, 2)), r"the programs do not run without 'c'"),
        (lambda x: base(SemiSupervised(), x, given={"z": torch.zeros(1, 3)}),
         r"the site 'z' draws values of shape \(2,\), got one of shape \(1, 3\)"),
        (lambda x: reconstruct(SemiSupervised(), x, given={"y": torch.zeros(3, dtype=torch.int64)}),
         r"'y' has 3 values for 7 data: give one for all, or one a datum"),
        (lambda x: traverse(SemiSupervised(), base(SemiSupervised(), x, site="y")),
         r"the site 'y' draws classes, which are no values to sweep: see `sweep_classes`"),
        (lambda x: sweep_classes(SemiSupervised(), base(SemiSupervised(), x), "z"),
         r"the site 'z' draws no classes: sweep its latents with `traverse`"),
        (lambda x: sweep_classes(SemiSupervised(), base(SemiSupervised(), x), "k"),
         r"'k' is neither a latent site nor an argument of the programs, which have y, z"),
        (lambda _: traverse(TwoVectors(), torch.zeros(1, 2)), r"codes must have 3 latents each, .* got shape \(1, 2\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_line(work: Any, message: str, x: Tensor) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        work(x)
    assert "\n" not in str(refused.value)


def test_a_guide_without_latents_is_refused(x: Tensor) -> None:
    class Empty(BetaVAE):
        def guide(self, x: Tensor) -> None:
            pyro.deterministic("k", x.mean())

    with pytest.raises(ValueError, match="the guide has no latent site"):
        codes.encode(Empty(SHAPE, 2), x)


@pytest.mark.parametrize("name", PROGRAMS)
def test_codes_by_way_of_a_graph_are_those_of_the_guide(name: str, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    vae = PROGRAMS[name]()
    eager = codes.encode_sites(vae, rows(vae, x), batch_size=7)
    monkeypatch.setattr(import_module("pyro_bvae.terms.batches"), "FEWEST_VALUES", 0)
    recorded = codes.encode_sites(vae, rows(vae, x), batch_size=7)
    for site, each in eager.items():
        torch.testing.assert_close(recorded[site].loc, each.loc)
        torch.testing.assert_close(recorded[site].scale, each.scale)
