"""Progress suits where it is shown."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from conftest import new_vae, same_parameters
from PIL import Image

from pyro_bvae import BetaVAE, callbacks, fit
from pyro_bvae.callbacks import Figures, Progress
from pyro_bvae.datasets import Dataset


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_in_a_pipe_there_is_a_line_now_and_then(vae: BetaVAE, images: Dataset) -> None:
    stream = io.StringIO()
    fit(vae, images, steps=100, eval_every=1, callbacks=[Progress(stream, lines=5)])
    lines = stream.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"step {step}/100" for step in (20, 40, 60, 80, 100)]
    assert "\r" not in stream.getvalue()
    for word in ("loss", "distortion", "rate", "3 active", "images/s"):
        assert word in lines[-1]


def test_in_a_terminal_there_is_a_bar(vae: BetaVAE, images: Dataset) -> None:
    stream = Terminal()
    fit(vae, images, steps=30, callbacks=[Progress(stream)])
    last = stream.getvalue().split("\r")[-1]
    assert "30/30" in last
    assert "distortion" in last


def test_fit_itself_prints_nothing(vae: BetaVAE, images: Dataset, capfd: pytest.CaptureFixture[str]) -> None:
    fit(vae, images, steps=3)
    assert capfd.readouterr() == ("", "")


def test_figures_want_a_folder(vae: BetaVAE, images: Dataset) -> None:
    with pytest.raises(ValueError, match="figures want a run folder"):
        fit(vae, images, steps=1, callbacks=[Figures()])


def test_traversals_during_training_become_a_film_and_do_not_disturb_it(images: Dataset, tmp_path: Path) -> None:
    plain = fit(new_vae(), images, steps=6, out=tmp_path / "plain")
    film = Figures(every=2, kind="random-z", count=2)
    drawn = fit(new_vae(), images, steps=6, out=tmp_path / "drawn", callbacks=[film])
    assert same_parameters(plain.model, drawn.model)
    frames = [f"traversal-{step:09}.png" for step in (2, 4, 6)]
    made = {file.name for file in (tmp_path / "drawn" / "figures").iterdir()}
    assert made == {*frames, "training.gif", "traversal.png", "reconstructions.png", "samples.png", "curves.png"}
    with Image.open(tmp_path / "drawn" / "figures" / "training.gif") as opened:
        assert opened.n_frames == 3


def test_a_film_starts_from_the_same_images_every_time(images: Dataset, tmp_path: Path) -> None:
    film, sweeps = Figures(every=1, kind="random-image", count=2), []
    film.sweep = lambda *given, **how: sweeps.append(Figures.sweep(film, *given, **how)) or sweeps[-1]
    fit(new_vae(), images, steps=3, out=tmp_path / "run", callbacks=[film])
    assert len(sweeps) == 4  # and one at the end
    assert all(torch.equal(sweep.base.originals, sweeps[0].base.originals) for sweep in sweeps)
    assert not torch.equal(sweeps[0].base.codes, sweeps[1].base.codes)


def test_a_pipe_gets_a_line_every_minute(vae: BetaVAE, images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr(callbacks, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    fit(vae, images, steps=30, eval_every=30, callbacks=[Progress(stream)])
    assert [line.split(":")[0] for line in stream.getvalue().splitlines()][:2] == ["step 3/30", "step 6/30"]
