"""Progress suits where it is shown."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest
import torch
from conftest import new_vae, same_parameters
from PIL import Image

from pyro_bvae import BetaVAE, Callback, callbacks, fit, plots
from pyro_bvae.callbacks import Figures, Progress
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.run import Run
from pyro_bvae.terms import mean_terms
from pyro_bvae.training import Training


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
    monkeypatch.setattr(callbacks.progress, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    fit(vae, images, steps=30, eval_every=30, callbacks=[Progress(stream)])
    assert [line.split(":")[0] for line in stream.getvalue().splitlines()][:2] == ["step 3/30", "step 6/30"]


def test_a_picture_that_cannot_be_drawn_or_written_ends_no_fit(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(plots, "curves", fail)
    out = tmp_path / "run"
    with pytest.warns(UserWarning, match="left out") as warned:
        run = fit(new_vae(), images, steps=2, out=out, callbacks=[Figures(), Blocked()])
    assert run.step == 2
    said = [str(warning.message) for warning in warned]
    assert said[0] == f"{out / 'figures' / 'traversal.png'} is left out: Is a directory"
    assert said[1] == f"{out / 'figures' / 'curves.png'} is left out: no room"
    assert {file.name for file in (out / "figures").iterdir()} == {
        "traversal.png",
        "samples.png",
        "reconstructions.png",
    }


class Blocked(Callback):
    """Put a folder where a picture is to go."""

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        (run.path / "figures" / "traversal.png").mkdir(parents=True)


def test_a_frame_that_was_cut_off_is_drawn_anew_or_left_out(images: Dataset, tmp_path: Path) -> None:
    out, film = tmp_path / "run", Figures(every=2)
    fit(new_vae(), images, steps=6, out=out, callbacks=[film])
    frames = out / "figures"
    for step in (2, 8):
        (frames / f"traversal-{step:09}.png").write_bytes((frames / "traversal-000000006.png").read_bytes()[:900])
    (frames / "traversal-000000004.partial.png").write_bytes(b"half")
    with pytest.warns(UserWarning, match=r"traversal-000000002\.png is left out"):
        fit(new_vae(), images, steps=8, out=out, resume=True, callbacks=[film])
    with Image.open(frames / "training.gif") as opened:
        assert opened.n_frames == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ends": (float("nan"), 2.0)}, "range"),
        ({"columns": 0}, "columns"),
        ({"kind": "prior", "count": 2}, "prior's mean is one"),
        ({"kind": "random-image", "count": 61}, "61 held-out data, and there are 6"),
        ({"count": 7}, "7 held-out data, and there are 6"),
    ],
)
def test_what_concerns_pictures_alone_is_checked_before_the_first_step(
    settings: dict[str, object], message: str, images: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(new_vae(), images, steps=1, out=tmp_path / "run", callbacks=[Figures(**settings)])
    assert not (tmp_path / "run" / "history.jsonl").exists()


def test_the_pictures_of_a_fit_show_the_most_active_latents_and_say_so(tmp_path: Path, images: Dataset) -> None:
    vae = BetaVAE((1, 16, 16), latent_dim=300, hidden=(4,))
    assert Figures(columns=40).left_out(vae) == [
        "the traversal shows 50 of 300 latents, 30 of 40 values, the most active"
    ]
    run = fit(vae, images, steps=1, out=tmp_path / "run")
    drawn = Figures().sweep(run.model, images.images)
    kl = mean_terms(run.model, images.images).kl_per_latent
    assert drawn.latents == sorted(range(300), key=lambda latent: -kl[latent])[:50]
    assert Figures(columns=11).left_out(new_vae()) == []


def test_where_nobody_listens_a_fit_goes_on(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, text)

    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", None)
    for stream in (Broken(), closed, None):
        assert fit(new_vae(), images, steps=3, callbacks=[Progress(stream)]).step == 3
