"""Figures show the pixels they are given, where they are said to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyro_bvae import BetaVAE, fit, plots, traverse
from pyro_bvae.callbacks import draw_figures
from pyro_bvae.datasets import Dataset
from pyro_bvae.plots.labels import FADED_GREY
from pyro_bvae.runs.run import Run
from pyro_bvae.traversal import base


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
