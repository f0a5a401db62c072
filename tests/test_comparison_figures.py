"""What was varied is drawn against what came of it: curves, heat maps, learning curves, traversals side by side."""

from __future__ import annotations

from math import nan
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
import torch
from conftest import Cli
from matplotlib.colors import same_color
from matplotlib.container import ErrorbarContainer
from test_growth import SMALL, command
from test_plots import cells, sweep

from pyro_bvae import plots
from pyro_bvae.comparison import check_columns
from pyro_bvae.comparison.overviews import column_figures, column_of_choice


def test_traversals_side_by_side_keep_their_heads_and_the_datum() -> None:
    one = sweep((1, 8, 8), 3, values=5)
    figure = plots.side_by_side({"beta 1": one, "beta 4": sweep((1, 8, 8), 2, values=5)})
    for panel, name in zip(figure.axes, ("beta 1", "beta 4"), strict=False):
        assert [text.get_text() for text in panel.get_xticklabels()] == ["x", "x̂", "-2", "-1", "0", "1", "2"]
        assert panel.get_title() == name
    shown = figure.axes[0].images[0].get_array()
    original = one.base.originals
    assert original is not None
    side = original.shape[-1]
    assert np.allclose(shown[1 : 1 + side, 1 : 1 + side], original[0, 0].numpy())  # in a white frame


def test_a_curve_has_the_means_and_deviations_of_its_seeds() -> None:
    numbers = {0.25: [1.0, 2.0], 16.0: [3.0, 5.0, 4.0], 1.0: [7.0]}
    figure = plots.column_curve([(beta, number) for beta, some in numbers.items() for number in some], "beta", "mig")
    (panel,) = figure.axes
    (bars,) = (container for container in panel.containers if isinstance(container, ErrorbarContainer))
    heights = {segment[0][0]: (segment[0][1], segment[1][1]) for segment in bars.lines[2][0].get_segments()}
    for beta, some in numbers.items():
        half = stdev(some) if len(some) > 1 else 0.0
        assert heights[beta] == pytest.approx((mean(some) - half, mean(some) + half))
    assert (panel.get_xscale(), panel.get_xlabel(), panel.get_ylabel()) == ("log", "β", "mig")
    assert [text.get_text() for text in panel.get_xticklabels()] == ["0.25", "1", "16"]


@pytest.mark.parametrize(
    ("values", "scale"), [((1.0, 2.0, 4.0), "linear"), ((0.0, 1.0, 100.0), "symlog"), (("a", "b"), "linear")]
)
def test_an_axis_is_logarithmic_where_values_span_decades(values: tuple[object, ...], scale: str) -> None:
    (panel,) = plots.column_curve([(value, 1.0) for value in values], "beta", "mig").axes
    assert panel.get_xscale() == scale
    assert all("$" not in text.get_text() for text in panel.get_xticklabels())


def test_a_map_has_a_number_a_cell_and_pictures_below() -> None:
    table = {(beta, dim): plots.MapCell(beta + dim, f"{beta + dim:.1f}", torch.rand(1, 2, 1, 8, 8))
             for beta in (4.0, 1.0) for dim in (2, 10) if (beta, dim) != (4.0, 2)}  # fmt: skip
    figure = plots.column_map({"": table}, ("beta", "latent_dim"), "ELBO", "what they are")
    panel = figure.axes[0]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["1", "4"]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["10", "2"]  # upwards
    assert [text.get_text() for text in panel.texts] == ["11.0", "14.0", "3.0", "–"]
    assert len(panel.images) == 3 + 1
    colours = panel.images[-1].get_array()
    assert np.allclose(np.ma.filled(colours, nan), [[11, 14], [3, nan]], equal_nan=True)
    assert figure.get_supxlabel() == "what they are"


def test_text_in_a_cell_lies_above_its_pictures() -> None:
    figure = cells([1.0, 4.0], [2, 10], torch.rand(2, 4, 1, 28, 28))
    figure.draw_without_rendering()
    panel = figure.axes[0]
    pictures = [image.get_window_extent() for image in panel.images[:-1]]
    for text, picture in zip(panel.texts, pictures, strict=True):
        extent = text.get_window_extent()
        assert extent.y0 >= picture.y1 - 1
        assert picture.x0 - 2 <= extent.x0 <= extent.x1 <= picture.x1 + 2


def test_learning_curves_have_a_line_a_run_and_a_colour_a_label() -> None:
    runs = [plots.LearningCurve(label, "density", [1, 10, 20], [0.1, 1.0, 2.0], [-900.0, -10.0, -9.0 - seed])
            for label in ("a", "b") for seed in range(3)]  # fmt: skip
    panel = plots.learning_curves(runs).axes[0]
    lines = [line for line in panel.lines if len(line.get_xdata())]
    assert len(lines) == 6
    assert all(same_color(lines[place].get_color(), lines[0].get_color()) for place in (1, 2))
    assert not same_color(lines[3].get_color(), lines[0].get_color())
    assert panel.get_ylim()[0] > -20  # where one sees how the runs differ
    assert panel.get_xlabel() == "step (10 an epoch)"


def test_each_number_of_settings_has_its_figure(tmp_path: Path) -> None:
    one = command(tmp_path / "a", {"beta": [1.0, 4.0]}, [0, 1], elbo=-3.0)
    assert len(column_figures(one)["column_elbo"].axes) == 1
    two = command(tmp_path / "b", {"beta": [1.0, 4.0, 16.0], "latent_dim": [2, 10]}, [0, 1], rate=2.0)
    figures = column_figures(two, ["rate", "active_units"])
    assert [*figures] == ["column_rate", "column_active_units"]
    assert [text.get_text() for text in figures["column_rate"].axes[0].texts] == ["2.00\n± 0.00"] * 6
    assert [text.get_text() for text in figures["column_active_units"].axes[0].texts] == ["1"] * 6
    three = command(tmp_path / "c", {"beta": [1.0, 4.0, 16.0], "latent_dim": [2, 10], "hidden": [[4], []]}, [0])
    (figure,) = column_figures(three).values()
    assert [panel.get_title() for panel in figure.axes[:2]] == ["latent-dim 2", "latent-dim 10"]
    assert column_figures(command(tmp_path / "d", {}, [0, 1])) == {}


def test_the_column_that_is_drawn_compares(tmp_path: Path) -> None:
    rows = command(tmp_path / "a", {"beta": [1.0, 4.0]}, [0])
    assert column_of_choice(rows) == "elbo"
    assert column_of_choice([*rows[:1], *command(tmp_path / "b", {}, [0], nats="mass of 2 levels")]) == "bits_per_dim"
    scored = command(tmp_path / "c", {"beta": [1.0, 4.0]}, [0], scores={"mig": 0.5})
    assert column_of_choice(scored) == "mig"


def test_a_column_that_nobody_takes_is_refused_before_the_fits(cli: Cli, here: Path) -> None:
    check_columns(["elbo", "mig", "dci-completeness"], ["mig", "dci"])
    for name, said in (("elboo", "did you mean 'elbo'?"), ("mig", "ask for the metric mig, too")):
        refused = cli("compare", *SMALL, "--column", name, "--out", "c")
        assert (refused.exit_code, said in refused.stderr, refused.stderr.count("\n")) == (1, True, 1)
    assert not list(here.rglob("config.json"))


def test_a_comparison_draws_what_was_varied(cli: Cli, here: Path) -> None:
    words = ("--beta-norm", 0.1, "--beta-norm", 0.01, "--latent-dim", 2, "--column", "rate", "--column", "mse")
    result = cli("compare", *SMALL, *words, "--figures", "--out", "c")
    assert result.exit_code == 0, result.stderr
    assert {path.stem for path in Path("c").glob("*.png")} == {
        "column_mse", "column_rate", "gallery", "learning", "rate_distortion", "traversals",
    }  # fmt: skip


def test_what_is_drawn_once_is_drawn_anew_and_what_is_not_is_named(cli: Cli, here: Path) -> None:
    words = ("compare", *SMALL, "--beta", 1, "--beta", 4, "--figures", "--out", "c")
    assert cli(*words, "--column", "rate").exit_code == 0
    Path("c/report.html").touch()
    before = {path: path.read_bytes() for path in Path("c").glob("column_*.png")}
    result = cli(*words, "--seeds", 1)
    assert "note    as they were before, without what is new: report.html\n" in result.stderr
    assert {path.stem for path in Path("c").glob("column_*.png")} == {"column_rate", "column_elbo"}
    assert all(path.read_bytes() != content for path, content in before.items())
    assert "as they were before" not in cli(*words, "--seeds", 1).stderr


@pytest.mark.parametrize("name", ["", "latent-dim 2, beta-norm 0.1, ", "W" * 25, "l" * 25])
@pytest.mark.parametrize("side", [8, 28])
def test_names_beside_rows_are_whole(name: str, side: int) -> None:
    pictures = torch.rand(8, 1, side, side)
    figure = plots.gallery(pictures, {f"{name}{number}": (pictures, pictures) for number in range(4)})
    figure.draw_without_rendering()
    assert figure.axes[0].get_tightbbox().x0 >= 0
