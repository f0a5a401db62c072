"""What a user calls the latents of a run stands in its later traversals."""

from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
import torch
from conftest import Cli

from pyro_bvae import BetaVAE, fit, load_run, plots, traverse
from pyro_bvae.callbacks import Figures, draw_figures
from pyro_bvae.datasets import Dataset
from pyro_bvae.plots.labels import row_labels
from pyro_bvae.runs.latent_names import latent_names, read_latent_names, write_latent_names
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring import report
from pyro_bvae.traversal import Traversal

NAMES = {2: "thickness", 0: "a $slant$"}


@pytest.fixture
def named_run(runs: list[Run], tmp_path: Path) -> Run:
    """A copy of a run, with names."""
    assert runs[0].path is not None
    shutil.copytree(runs[0].path, tmp_path / "run")
    write_latent_names(tmp_path / "run", NAMES)
    return load_run(tmp_path / "run")


def draws_watched(monkeypatch: pytest.MonkeyPatch) -> list[Traversal]:
    """The traversals that would be drawn from now on."""
    drawn: list[Traversal] = []
    monkeypatch.setattr(plots, "traversal", lambda sweep, notes=(): drawn.append(sweep))  # noqa: ARG005
    return drawn


def rows_of(figure: matplotlib.figure.Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_yticklabels()]


def test_names_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_latent_names(tmp_path) == latent_names(tmp_path) == {}
    write_latent_names(tmp_path, NAMES)
    assert read_latent_names(tmp_path) == latent_names(tmp_path) == NAMES
    (tmp_path / "names.json").write_text('{"7": " b\\n\\u001b c ", "1": "", "0": "' + "x" * 99 + '"}')
    assert read_latent_names(tmp_path) == {0: "x" * 60, 7: "b \\x1b c"}


def test_rows_have_names_in_figures_and_arrays(vae: BetaVAE) -> None:
    sweep = traverse(vae, torch.zeros(1, 3), kl=[1.0, 2.0, 0.001], columns=2, names=NAMES)
    assert sweep.names == ["", "a $slant$", "thickness"]
    again = Traversal.from_arrays({name: np.asarray(array) for name, array in sweep.arrays().items()})
    assert again.names == sweep.names
    rows = ["z1  2.00", "a $slant$  z0  1.00", "thickness  z2  0.001  inactive"]
    assert rows_of(plots.traversal(sweep)) == rows_of(plots.traversal(again)) == rows
    assert row_labels(sweep, ["x", "y", "thickness"]) == ["x  z1  2.00", f"y  {rows[1]}", rows[2]]
    assert "names" not in traverse(vae, torch.zeros(1, 3), columns=2).arrays()


def test_panels_of_vectors_have_names() -> None:
    sweep = traverse(BetaVAE((5,), 2, likelihood="gaussian"), torch.zeros(1, 2), columns=2, names={1: "width"})
    assert [panel.get_title() for panel in plots.traversal(sweep).axes] == ["z0", "width  z1"]


def test_traversals_of_a_run_have_its_names(named_run: Run, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_run.latent_names == NAMES
    result = cli("traverse", named_run.path, "--columns", 2, "--latents", "0,1,2", "--out", named_run.path / "o")
    assert result.exit_code == 0, result.output
    with np.load(named_run.path / "o.npz") as arrays:
        assert arrays["names"].tolist() == ["a $slant$", "", "thickness"]
    drawn = draws_watched(monkeypatch)
    with pytest.warns(UserWarning, match="left out"):  # nothing was drawn in its place
        draw_figures(named_run, named_run.path / "figures")
    report.figures(named_run)
    assert [{*filter(None, sweep.names or [])} for sweep in drawn] == [{*NAMES.values()}] * 2


def test_a_name_that_is_given_during_a_fit_stands_in_its_figures(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Naming(Figures):
        def on_step(self, training: object) -> None:  # noqa: ARG002
            write_latent_names(tmp_path / "run", {1: "width"})

    drawn, vae = draws_watched(monkeypatch), BetaVAE((1, 16, 16), 3, hidden=(5,))
    with pytest.warns(UserWarning, match="left out"):
        fit(vae, images, steps=2, compile=False, out=tmp_path / "run", callbacks=[Naming()])
    assert "width" in (drawn[0].names or [])
