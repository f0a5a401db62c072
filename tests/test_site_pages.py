"""The explorer and the report of programs with several latents: classes and conditions stand, and can be chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from browsing import as_bytes, explored, is_near, picture, settle
from several import CLASSES, SHAPE, Conditional, Layers, Mixture, SemiSupervised
from torch.nn.functional import one_hot

from pyro_bvae import BetaVAE, fit, report
from pyro_bvae.datasets import Dataset
from pyro_bvae.generation import reconstruct
from pyro_bvae.pages.session import Session
from pyro_bvae.pages.views import shown, view_of


@pytest.fixture
def data() -> Dataset:
    images = torch.rand(40, *SHAPE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(40) % CLASSES
    return Dataset("noise", images, labels=labels, extra={"c": torch.rand(40, 2)})


def session_of(vae: BetaVAE, data: Dataset | None) -> Session:
    subject = shown(vae, data)
    return Session(subject, view_of(subject))


def decoded(session: Session, start: dict[str, Any], **more: Any) -> torch.Tensor:
    values = session.decode([start["z"]], given=start["given"], **more)
    return torch.from_numpy(np.frombuffer(values, "<f4").reshape(SHAPE).copy())


@pytest.mark.parametrize("make", [SemiSupervised, Mixture, Layers, Conditional])
def test_a_start_is_decoded_as_its_reconstruction(make: type[BetaVAE], data: Dataset) -> None:
    vae = make()
    session = session_of(vae, data)
    start = session.start("image", 1)
    rows = data.rows(data.held_out[1:2])
    torch.testing.assert_close(decoded(session, start), reconstruct(vae, rows)[1][0])


def test_a_class_is_that_of_the_datum_until_one_is_chosen(data: Dataset) -> None:
    vae = SemiSupervised()
    session = session_of(vae, data)
    assert session.view["choices"] == [{"name": "y", "classes": ["0", "1", "2"]}]
    start = session.start("image", 2)
    rows = data.rows(data.held_out[2:3])
    assert start["choices"] == {"y": int(vae.look(rows.images)[:, :CLASSES].argmax())}
    for number in range(CLASSES):
        expected = reconstruct(vae, rows, given={"y": number})[1][0]
        torch.testing.assert_close(decoded(session, start, choices={"y": number}), expected)
    assert decoded(session, session.start("prior") | {"given": "gone"}).shape == SHAPE
    for wrong in ({"y": 3}, {"k": 0}, {"y": True}, [1]):
        with pytest.raises(ValueError, match=r"there is no class|choices are classes by name"):
            decoded(session, start, choices=wrong)


def test_programs_of_classes_alone_have_no_sliders(data: Dataset) -> None:
    class Clusters(SemiSupervised):
        def model(self, x=None, size=1):
            with pyro.plate("batch", size if x is None else len(x), dim=-1):
                y = pyro.sample("y", dist.Categorical(logits=torch.zeros(CLASSES)))
                return pyro.sample("x", self.show(torch.zeros(len(y), 2), one_hot(y, CLASSES).float()), obs=x)

        def guide(self, x):
            with pyro.plate("batch", len(x), dim=-1):
                pyro.sample("y", dist.Categorical(logits=self.look(x)[:, :CLASSES]))

    with pytest.raises(ValueError, match="sliders are for continuous latents"):
        session_of(Clusters(), data)


def test_a_menu_chooses_the_class_of_the_picture(page: Any, data: Dataset) -> None:
    vae = SemiSupervised()
    with explored(page, vae, data):
        rows = data.rows(data.held_out[:1])
        for number in range(CLASSES):
            page.locator("[data-choice=y]").select_option(str(number))
            settle(page)
            assert is_near(picture(page), as_bytes(reconstruct(vae, rows, given={"y": number})[1][0]))
        page.evaluate("explorer.stripsSettled()")  # so that no request is left when the explorer ends


@pytest.mark.parametrize("make", [SemiSupervised, Layers])
def test_a_report_of_several_latents_is_written(make: type[BetaVAE], data: Dataset, tmp_path: Path) -> None:
    run = fit(make(), data, steps=2, out=tmp_path / "run")
    text = report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("under each class of y" in text) == (make is SemiSupervised)
