"""Progress suits where it is shown."""

from __future__ import annotations

import io

import pytest

from pyro_bvae import BetaVAE, fit
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
