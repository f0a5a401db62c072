"""Figures show the pixels they are given, where they are said to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image, ImageOps

from pyro_bvae import BetaVAE, fit, plots, traverse
from pyro_bvae.callbacks import draw_figures
from pyro_bvae.codes import Codes
from pyro_bvae.datasets import Dataset
from pyro_bvae.plots import bounds
from pyro_bvae.plots.labels import FADED_GREY
from pyro_bvae.runs.run import Run
from pyro_bvae.traversal import Base, Traversal, base


def shown(figure) -> np.ndarray:
    """The array that the first panel of a figure shows."""
    return np.asarray(figure.axes[0].get_images()[0].get_array())


def test_a_grid_shows_every_picture_in_its_place() -> None:
    images = torch.rand(6, 1, 5, 4)
    array = shown(plots.samples(images, columns=3))
    assert array.shape == (2 * 7, 3 * 6)
    for number in range(6):
        row, column = divmod(number, 3)
        cell = array[row * 7 + 1 : row * 7 + 6, column * 6 + 1 : column * 6 + 5]
        np.testing.assert_allclose(cell, images[number, 0].numpy())


def test_colour_stays_colour() -> None:
    assert shown(plots.samples(torch.rand(4, 3, 5, 5), columns=2)).shape == (14, 14, 3)


def test_originals_stand_above_their_reconstructions() -> None:
    originals, images = torch.zeros(4, 1, 5, 5), torch.ones(4, 1, 5, 5)
    array = shown(plots.reconstructions(originals, images, columns=2))
    assert [array[row * 7 + 3, 3] for row in range(4)] == [0, 1, 0, 1]


def test_a_traversal_names_its_rows_and_columns(vae: BetaVAE, images: Dataset) -> None:
    start = base(vae, images.images, count=2)
    figure = plots.traversal(traverse(vae, start, kl=[1.234, 0.005, 2.5], columns=5))
    panel = figure.axes[0]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["z2  2.50", "z0  1.23", "z1  0.005  inactive"]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["x", "x̂", "-2", "-1", "0", "1", "2"]
    assert [text.get_color() for text in panel.get_yticklabels()] == ["black", "black", FADED_GREY]
    np.testing.assert_allclose(shown(figure)[1:17, 1:17], images.images[0, 0].numpy() / 255, rtol=1e-6)


def test_a_traversal_without_kl_or_originals_is_drawn_too(vae: BetaVAE) -> None:
    panel = plots.traversal(traverse(vae, torch.zeros(1, 3), columns=2)).axes[0]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["z0", "z1", "z2"]
    assert panel.get_xticklabels()[0].get_text() == "start"


def test_the_animation_goes_forth_and_back(vae: BetaVAE, images: Dataset, tmp_path: Path) -> None:
    sweep = traverse(vae, base(vae, images.images), columns=5, kl=[1.0, 2.0, 0.0])
    plots.animation(sweep).save(tmp_path / "a.gif", writer="pillow")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 8


def test_figures_are_drawn_for_images_and_vectors(digits_run: Run, vectors: Dataset, tmp_path: Path) -> None:
    of_vectors = fit(BetaVAE((5,), 2, likelihood="gaussian"), vectors, steps=3)
    for name, run in (("images", digits_run), ("vectors", of_vectors)):
        for file in draw_figures(run, tmp_path / name):
            with Image.open(file) as picture:
                assert min(picture.size) > 100


def test_a_vector_has_no_animation(vectors: Dataset) -> None:
    vae = BetaVAE((5,), 2, likelihood="gaussian")
    with pytest.raises(ValueError, match="vectors have no picture"):
        plots.animation(traverse(vae, torch.zeros(1, 2)))


def points(curve: str | None, nats: str = "density") -> list[plots.Point]:
    """Two seeds at each β, the second of which lies above the hull of the others."""
    places = {0.5: (9.0, 1.0), 1.0: (8.0, 9.0), 4.0: (4.0, 5.0), 16.0: (0.5, 20.0)}
    return [
        plots.Point(f"beta {beta:g}", nats, rate + off, distortion, beta, curve)
        for beta, (rate, distortion) in places.items()
        for off in (-0.1, 0.1)
    ]


def test_a_curve_is_the_hull_of_the_means_with_beta_at_its_corners() -> None:
    (panel,) = plots.rate_distortion(points("gaussian")).axes
    (line,) = panel.lines
    np.testing.assert_allclose(line.get_xydata(), [[0.5, 20], [4, 5], [9, 1]])
    assert [text.get_text() for text in panel.texts] == ["β 16", "β 4", "β 0.5"]
    runs, means = panel.collections
    assert (len(runs.get_offsets()), len(means.get_offsets())) == (8, 4)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["gaussian"]


def test_kinds_of_nats_have_panels_and_runs_on_no_curve_their_labels() -> None:
    left, right = plots.rate_distortion([*points("bernoulli", "no probability"), *points(None)]).axes
    assert (left.get_title(), right.get_title()) == ("cross-entropy of grey pixels", "density")
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["beta 0.5", "beta 1", "beta 4", "beta 16"]
    assert not right.texts


def test_betas_that_lie_too_near_to_another_are_left_out() -> None:
    (panel,) = plots.rate_distortion([*points("gaussian"), *points("laplace")]).axes
    assert [text.get_text() for text in panel.texts] == ["β 16", "β 4", "β 0.5"]


ODD_NAMES = [
    "$x_$", "\\bad{$", "two\nlines", "<b>&amp;</b> %s {0}", "long " * 50, "llama \U0001f999", "形状", "\x1b[31mred",
    "\u202eback", "\ud800", "", "same", "same", "left arm of the upper one", "left arm of the upper two",
]  # fmt: skip


def sweep(shape: Sequence[int], latents: int, values: int = 3, starts: int = 1, latent_dim: int = 0) -> Traversal:
    """A traversal of noise."""
    kl = [2.0 / (1 + latent) for latent in range(latents)]
    start = Base(torch.zeros(starts, latent_dim or latents), torch.rand(starts, *shape))
    codes = start.codes[:, None, None].expand(-1, latents, values, -1)
    images = torch.rand(*shape).expand(starts, latents, values, *shape)
    return Traversal(
        codes, images, [*range(latents)], torch.linspace(-2, 2, values), kl, start, torch.rand(starts, *shape)
    )


def lines(count: int, latents: int) -> list[dict[str, Any]]:
    terms = dict.fromkeys(("loss", "distortion", "rate", "held_out_distortion", "held_out_rate"), 1.0)
    kl = [1.0 + latent for latent in range(latents)]
    return [{"step": step, **terms, "held_out_kl_per_latent": kl} for step in range(1, count + 1)]


def named(names: Sequence[str]) -> dict[str, Callable[[], Figure]]:
    """Every figure that names things after what stands in data, with these names."""
    codes, classes = np.random.rand(30, 2), np.random.randint(0, 3, (30, len(names)))
    images, picture = torch.rand(2, 1, 4, 4), {name: sweep((1, 4, 4), 2) for name in names}
    points = [plots.Point(name, "density", 1.0 + place, 2.0, 1.0, name) for place, name in enumerate(names)]
    return {
        "heat map": lambda: plots.heat_map(np.random.rand(2, len(names)), names, "shares"),
        "responses": lambda: plots.responses(codes, classes, names),
        "traversal": lambda: plots.traversal(sweep((1, 4, 4), len(names)), notes=names),
        "rate and distortion": lambda: plots.rate_distortion(points),
        "gallery": lambda: plots.gallery(images, dict.fromkeys(names, (images, images))),
        "side by side": lambda: plots.side_by_side(picture),
        "learning": lambda: plots.learning_curves(
            [plots.LearningCurve(name, "density", [1, 2], [0.5, 1.0], [-3.0, -2.0]) for name in names]
        ),
        "curve of a column": lambda: plots.column_curve([(name, 1.0) for name in names], "likelihood", names[0]),
        "map of a column": lambda: plots.column_map(
            {name: {(name, name): plots.MapCell(1.0, "1.00") for name in names} for name in names[:2]},
            ("network", "likelihood"),
            names[0],
            names[0],
        ),
        "pairs": lambda: plots.pairs({name: torch.randn(9, 2) for name in names}),
        "covariances": lambda: plots.covariances({name: torch.randn(9, 2) for name in names[:3]}),
    }


@pytest.mark.parametrize("kind", named([""]))
def test_names_from_data_are_plain_text(kind: str, tmp_path: Path) -> None:
    figure = named(ODD_NAMES)[kind]()
    plots.save_figure(figure, tmp_path / "a.png")  # warnings, of missing glyphs for example, are errors
    figure.savefig(tmp_path / "b.svg")
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert not any(text.get_parse_math() for text in texts)
    words = "".join(text.get_text() for text in texts if text.get_text() != "z0\n")
    assert "$x_$" in words
    assert not {"\x1b", "\u202e", "\ud800"} & {*words}
    assert max(len(line) for text in texts for line in text.get_text().split("\n")) < 130


def cells(columns: Sequence[Any], rows: Sequence[Any], pictures: torch.Tensor | None = None) -> Figure:
    """A heat map over two settings."""
    table = {(x, y): plots.MapCell(float(x + y), f"{x + y:.2f}\n± 0.10", pictures) for x in columns for y in rows}
    return plots.column_map({"": table}, ("beta", "latent_dim"), "ELBO")


EXTREMES: dict[str, Callable[[], Figure]] = {
    "latents": lambda: plots.traversal(sweep((1, 8, 8), 60, latent_dim=5000)),
    "values": lambda: plots.traversal(sweep((1, 8, 8), 2, values=500)),
    "starts": lambda: plots.traversal(sweep((1, 8, 8), 12, values=9, starts=500)),
    "large pictures": lambda: plots.traversal(sweep((3, 512, 512), 8)),
    "one pixel": lambda: plots.traversal(sweep((1, 1, 1), 1, values=1)),
    "one row": lambda: plots.samples(torch.rand(3, 1, 1, 600)),
    "one column": lambda: plots.reconstructions(torch.rand(3, 1, 600, 1), torch.rand(3, 1, 600, 1)),
    "many draws": lambda: plots.samples(torch.rand(5000, 1, 4, 4)),
    "one draw": lambda: plots.samples(torch.rand(1, 2, 4, 4)),
    "curves of many features": lambda: plots.traversal(sweep((10_000,), 6)),
    "curves of one feature": lambda: plots.traversal(sweep((1,), 1, values=1)),
    "pairs of many features": lambda: plots.pairs({"a": torch.randn(2000, 10_000), "b": torch.randn(20, 10_000)}),
    "constants and infinities": lambda: plots.pairs(
        {"a": torch.full((9, 2), 1e17), "b": torch.full((9, 2), torch.inf)}
    ),
    "a wide covariance": lambda: plots.covariances({"a": torch.randn(20, 10_000), "one": torch.randn(1, 10_000)}),
    "one latent": lambda: plots.latents(Codes(torch.randn(9, 1), torch.rand(9, 1))),
    "one datum": lambda: plots.latents(Codes(torch.randn(1, 3), torch.rand(1, 3))),
    "a long history": lambda: plots.curves(lines(50_000, 2)),
    "the KL of many latents": lambda: plots.curves(lines(2, 5000)),
    "a large table": lambda: plots.heat_map(np.random.rand(3000, 300), ["f"] * 300, "t", kl=[*np.random.rand(3000)]),
    "a table of one": lambda: plots.heat_map(np.zeros((1, 1)), ["f"], "t"),
    "a factor as fine as the data": lambda: plots.responses(
        np.random.rand(3000, 2), np.stack([np.random.permutation(3000)] * 2, axis=1), ["x", "y"]
    ),
    "infinite runs": lambda: plots.rate_distortion([plots.Point("a", "density", 1.0, float("inf"))]),
    "a column of many settings": lambda: cells(range(60), range(50)),
    "a column of one": lambda: cells([1.0], [2]),
    "a column with pictures": lambda: cells([1.0, 4.0], [2, 10], torch.rand(2, 4, 3, 64, 64)),
    "a column of nothing": lambda: plots.column_map(
        {"": {(1.0, 2): plots.MapCell(float("nan"), "–")}}, ("beta", "latent_dim"), "ELBO"
    ),
    "a curve of nothing": lambda: plots.column_curve([(1.0, float("nan"))], "beta", "ELBO"),
    "a long curve": lambda: plots.column_curve([(beta, 1.0) for beta in range(1, 2000)], "beta", "ELBO"),
    "many runs": lambda: plots.learning_curves(
        [plots.LearningCurve(str(i), "density", range(1, 9), np.arange(8) / 4, np.arange(8) - i) for i in range(600)]
    ),
    "a run that diverged": lambda: plots.learning_curves(
        [plots.LearningCurve("a", "density", [1, 2], [0.5, 1.0], [float("nan"), float("-inf")])]
    ),
    "many choices": lambda: plots.gallery(
        torch.rand(2, 1, 4, 4), {str(i): (torch.rand(2, 1, 4, 4),) * 2 for i in range(90)}
    ),
}


@pytest.mark.parametrize("kind", EXTREMES)
def test_every_figure_is_bounded_and_can_be_drawn(kind: str, tmp_path: Path) -> None:
    figure = EXTREMES[kind]()
    plots.save_figure(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width * picture.height < 2 * bounds.MOST_PIXELS
        assert picture.width > 100
        assert picture.height > 90


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (EXTREMES["latents"], "50 of 5,000 latents"),
        (EXTREMES["values"], "30 of 500 values"),
        (EXTREMES["starts"], r"\d+ of 500 starts"),
        (EXTREMES["many draws"], "2,000 of 5,000 samples"),
        (EXTREMES["curves of many features"], "12 of 10,000 features"),
        (EXTREMES["pairs of many features"], "5 of 10,000 features; 1,000 of 2,000 points"),
        (EXTREMES["a wide covariance"], "100 of 10,000 features"),
        (EXTREMES["a long history"], "1,000 of 50,000 lines"),
        (EXTREMES["a large table"], "50 of 3,000 latents; 30 of 300 factors"),
        (EXTREMES["many choices"], "30 of 90 choices"),
        (EXTREMES["a column of many settings"], "40 of 60 columns; 40 of 50 rows"),
        (EXTREMES["many runs"], "500 of 600 runs; 30 of 500 labels have their names here"),
    ],
)
def test_what_is_left_out_stands_below(figure: Callable[[], Figure], said: str) -> None:
    assert re.search(said, figure().get_supxlabel())


def test_all_is_drawn_of_what_there_is_room_for() -> None:
    assert plots.traversal(sweep((1, 28, 28), 10, values=11, starts=4)).get_supxlabel() == ""
    assert bounds.traversal_note((1, 64, 64), bounds.Extent(32, 11, 3)) == ""


def test_responses_of_a_collapsed_code_lie_within_their_panels() -> None:
    codes = np.full((30, 2), [1e-3, -1e-3]) + 1e-7 * np.random.rand(30, 2)
    figure = plots.responses(codes, np.random.randint(0, 3, (30, 1)), ["a"], kl=[0.0, 0.0])
    low, high = figure.axes[0].get_ylim()
    assert low < -1e-3 - 5e-5
    assert high > 1e-3 + 5e-5


@pytest.mark.parametrize("side", [8, 28, 64])
@pytest.mark.parametrize("count", [4, 30, 100])
def test_pictures_reach_from_side_to_side(count: int, side: int, tmp_path: Path) -> None:
    pictures = torch.rand(count, 1, side, side)
    figures = {
        "samples": plots.samples(pictures),
        "reconstructions": plots.reconstructions((255 * pictures).byte(), pictures),
        "traversal": plots.traversal(sweep((1, side, side), count // 10 + 2, values=11)),
    }
    for name, figure in figures.items():
        plots.save_figure(figure, tmp_path / f"{name}.png")
        drawn = Image.open(tmp_path / f"{name}.png").convert("L")
        left, _, right, _ = ImageOps.invert(drawn).getbbox() or (0, 0, 0, 0)
        assert left + drawn.width - right < 0.12 * drawn.width, name
