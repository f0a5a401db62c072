"""Figures go into a paper as they are: as wide as asked for, with text that can be read and does not collide."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from conftest import Cli
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from test_nuts import some_chains
from test_plots import EXTREMES, ODD_NAMES, lines, named, points, sweep

from pyro_bvae import plots
from pyro_bvae.callbacks import Figures, draw_figures
from pyro_bvae.plots.crowding import place_of
from pyro_bvae.plots.labels import draws_plain_text
from pyro_bvae.plots.typesetting import typeset
from pyro_bvae.runs.run import Run
from pyro_bvae.settings.names import FIGURE_FORMATS
from pyro_bvae.settings.parsing import inches

MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml", ".gif": b"GIF8"}
LONG_NAMES = ["likelihood gaussian-learned, beta 4", "discretized-logistic, beta 16", "orientation", "x"]
WIDE = torch.distributions.Normal(0.0, 1000.0)
NUMBERS = torch.linspace(0, 1, 9).sin()
CELL = plots.MapCell(-348.46, "-348.46\n± 12.34", torch.rand(2, 4, 1, 8, 8))
CELLS = {(beta, latents): CELL for beta in (1.0, 4.0, 16.0) for latents in (2, 10)}
KINDS: dict[str, Callable[[], Figure]] = {
    **named(LONG_NAMES),
    "traversals": lambda: plots.traversal(sweep((1, 8, 8), 5, values=11, starts=4)),
    "vector traversal": lambda: plots.traversal(sweep((5,), 7)),
    "curves": lambda: plots.curves([{**line, "step": 10_000 * line["step"]} for line in lines(20, 12)]),
    "curves and betas": lambda: plots.rate_distortion([*points("a" * 40), *points("laplace", "no probability")]),
    "reconstructions": lambda: plots.reconstructions(torch.rand(20, 1, 8, 8), torch.rand(20, 1, 8, 8)),
    "a map": lambda: plots.column_map({"": CELLS, "laplace": CELLS}, ("beta", "latent_dim"), "ELBO", "of " * 30),
    "a front": lambda: plots.pareto({name: NUMBERS.tolist() for name in ("elbo", "mig", "rate")}, [0, 1], ["elbo"]),
    "bars": lambda: plots.importances({"elbo": dict.fromkeys(LONG_NAMES, 0.2), "rate": dict.fromkeys(LONG_NAMES, 0.9)}),
    "posteriors": lambda: plots.posteriors(some_chains(images=4)),
    "large numbers": lambda: plots.pairs({"data": WIDE.sample((30, 4)), "means": WIDE.sample((30, 4))}),
}


def drawn_texts(figure: Figure) -> list[Text]:
    """The texts of a figure that are drawn, ticks beyond the ends of an axis left out."""
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]
    axes = [each for panel in figure.axes for each in (panel, *panel.child_axes)]
    ticks = {text for panel in axes for axis in (panel.xaxis, panel.yaxis) for text in axis.get_ticklabels()}
    hidden = {text for panel in axes if not panel.axison for text in panel.findobj(Text)}
    labels = [text for panel in axes if panel.axison for text in tick_labels(panel)]
    return [text for text in texts if text not in ticks | hidden] + labels


def tick_labels(panel: object) -> list[Text]:
    return [text for axis in (panel.xaxis, panel.yaxis) for text in labels_of(axis)]  # type: ignore[attr-defined]


def labels_of(axis: object) -> list[Text]:
    low, high = sorted(axis.get_view_interval())  # type: ignore[attr-defined]
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]  # type: ignore[attr-defined]
    labels = [text for tick in ticks for text in (tick.label1, tick.label2)]
    return [text for text in labels if text.get_text() and text.get_visible()]


@draws_plain_text
def check(figure: Figure, width: float) -> None:
    """Make sure that a figure can be printed at a width."""
    page = typeset(figure, width)
    assert page.get_figwidth() == width
    assert page.get_figheight() <= 9
    texts = drawn_texts(page)
    assert {7.0, *(text.get_fontsize() for text in texts)} <= {7.0, 8.0}
    for text in texts:
        place = place_of(text, page)
        assert place.x0 > -0.02, text
        assert place.x1 < width + 0.02, text
        assert place.y0 > -0.02, text
        assert place.y1 < page.get_figheight() + 0.02, text
    for panel in page.axes:
        upright = [text for text in labels_of(panel.xaxis) if text.get_rotation() == 0]
        across = sorted((place.x0, place.x1) for place in (place_of(text, page) for text in upright))
        assert all(left[1] < right[0] for left, right in pairwise(across)), [text.get_text() for text in upright]
        down = sorted((place.y0, place.y1) for place in (place_of(text, page) for text in labels_of(panel.yaxis)))
        assert all(lower[1] - 0.04 < upper[0] for lower, upper in pairwise(down))
        notes = [place_of(text, page) for text in panel.texts if text.get_visible()]
        assert not any(one.overlaps(other) for number, one in enumerate(notes) for other in notes[:number])


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_fits_a_column(kind: str) -> None:
    check(KINDS[kind](), 3.25)


@pytest.mark.slow
@pytest.mark.parametrize("width", [3.25, 5.5, 6.75])
@pytest.mark.parametrize("kind", [*KINDS, *EXTREMES, *(f"odd {kind}" for kind in named([""]))])
def test_every_figure_fits_a_page_whatever_it_shows(kind: str, width: float) -> None:
    if (kind, width) == ("odd responses", 3.25):
        pytest.skip("twelve factors side by side have no room for their names in a column")
    check({**KINDS, **EXTREMES, **{f"odd {name}": draw for name, draw in named(ODD_NAMES).items()}}[kind](), width)


def width_of(file: Path) -> float:
    """The width of a figure on paper, in inches."""
    content = file.read_bytes()
    if file.suffix == ".png":
        with Image.open(file) as picture:
            return picture.width / round(picture.info["dpi"][0])
    pattern = rb"/MediaBox \[ 0 0 ([\d.]+) " if file.suffix == ".pdf" else rb'<svg [^>]*width="([\d.]+)pt"'
    return float(re.search(pattern, content)[1]) / 72  # type: ignore[index]


@pytest.mark.parametrize(
    ("ending", "width", "expected"),
    [(".pdf", None, 3.25), (".svg", "page", 6.75), (".png", "5.5", 5.5), (".pdf", 4, 4)],
)
def test_a_file_has_the_width_that_is_asked_for_and_the_same_bytes_again(
    ending: str, width: str | float | None, expected: float, tmp_path: Path
) -> None:
    shown = sweep((1, 8, 8), 3)
    for name in "ab":
        figure = plots.traversal(shown)
        size = figure.get_size_inches().tolist()
        plots.save_figure(figure, tmp_path / f"{name}{ending}", width)
        assert figure.get_size_inches().tolist() == size
    content = (tmp_path / f"a{ending}").read_bytes()
    assert content.startswith(MAGIC[ending])
    assert content == (tmp_path / f"b{ending}").read_bytes()
    assert width_of(tmp_path / f"a{ending}") == pytest.approx(expected, rel=0.01)
    assert b"/Type3" not in content  # fonts that publishers refuse
    assert (b"/TrueType" in content or b"/CIDFontType2" in content) == (ending == ".pdf")


def test_pictures_keep_their_pixels_and_files_are_small(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (40, 1, 28, 28)).div(255)
    plots.save_figure(plots.samples(images), tmp_path / "a.pdf")
    content = (tmp_path / "a.pdf").read_bytes()
    assert rb"/Width 300" in content  # ten of 28 pixels with a line around each, and no dots in between
    assert len(content) < 200_000
    plots.save_figure(plots.pairs({"a": torch.randn(1000, 4), "b": torch.randn(1000, 4)}), tmp_path / "b.svg")
    assert (tmp_path / "b.svg").stat().st_size < 500_000


@pytest.mark.parametrize("figure_format", FIGURE_FORMATS)
def test_a_fit_leaves_its_figures_in_the_format_beside_the_pngs(
    figure_format: str, digits_run: Run, tmp_path: Path
) -> None:
    files = draw_figures(digits_run, tmp_path, figure_format=figure_format, figure_width="5.5")
    endings = {".png", f".{figure_format}"}
    stems = {"traversal", "curves", "reconstructions", "samples"}
    assert {file.name for file in files} == {f"{stem}{ending}" for stem in stems for ending in endings}
    for file in files:
        assert file.read_bytes().startswith(MAGIC[file.suffix])
        if file.suffix == f".{figure_format}":
            assert width_of(file) == pytest.approx(5.5, rel=0.01)


def test_commands_write_the_format_that_is_asked_for(cli: Cli, runs: list[Run], here: Path) -> None:
    run = runs[0].path
    look = ("--figure-format", "pdf", "--figure-width", "page")
    assert cli("traverse", run, *look, "--out", "t").exit_code == 0
    assert {file.suffix for file in here.glob("t.*")} == {".png", ".pdf", ".gif", ".npz"}
    assert width_of(Path("t.pdf")) == pytest.approx(6.75, rel=0.01)
    assert cli("compare", *[each.path for each in runs[1:]], "--figures", *look, "--out", "c").exit_code == 0
    names = {file.stem for file in Path("c").glob("*.png")}
    assert names
    assert names == {file.stem for file in Path("c").glob("*.pdf")}
    for file in here.rglob("*.pdf"):
        assert file.read_bytes().startswith(MAGIC[".pdf"])


@pytest.mark.parametrize("command", ["traverse", "reconstruct", "sample"])
def test_an_ending_of_out_is_the_format_of_one_figure(command: str, cli: Cli, runs: list[Run], here: Path) -> None:
    for ending in (".pdf", ".svg"):
        result = cli(command, runs[0].path, "--out", f"paper/fig{ending}")
        assert (result.exit_code, result.stdout) == (0, f"paper/fig{ending}\n"), result.stderr
    assert {file.name for file in Path("paper").iterdir()} == {"fig.pdf", "fig.svg"}
    assert width_of(Path("paper/fig.pdf")) == pytest.approx(3.25, rel=0.01)
    result = cli(command, runs[0].path, "--out", "other.pdf", "--figure-format", "svg")
    assert (result.exit_code, "give one of them" in result.stderr) == (2, True)
    result = cli(command, runs[0].path, "--out", "other.eps")
    assert (result.exit_code, ".pdf, .svg" in result.stderr) == (2, True)


@pytest.mark.parametrize("width", ["columns", "0", "-3", "nan", "inf", "1e9", ""])
def test_a_width_that_is_none_is_refused(width: str, cli: Cli, here: Path) -> None:
    with pytest.raises(ValueError, match=r"column \(3.25 in\), page \(6.75 in\), or a number of inches from 1 to 20"):
        inches(width)
    result = cli("fit", "--figure-width", width, "--out", "run")
    assert (result.exit_code, "a width of figures is" in result.stderr) == (2, True)
    with pytest.raises(ValueError, match="a width of figures"):
        Figures(figure_width=width)
