"""A report opens from disk in a browser, offline: its sliders show what torch computes, and it asks for nothing.

Chromium is driven by playwright; without them the tests are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsing import code, picture, pixels, settle, wait_until
from conftest import Cli, opened_page
from PIL import Image

import pyro_bvae
from pyro_bvae import BetaVAE, fit
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.generation import images_of
from pyro_bvae.runs.run import Run

MOVE = "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }"
DROPS = """() => {
    const { take } = Starts.prototype;
    let count = 0;
    Starts.prototype.take = () => { count += 1; };
    const dropped = new DragEvent("drop", { dataTransfer: new DataTransfer(), bubbles: true, cancelable: true });
    document.querySelector("[data-pair] h2").dispatchEvent(dropped);
    Starts.prototype.take = take;
    return count;
}"""
Open = Callable[[Path], Any]


@pytest.fixture
def opened(browser: Any) -> Iterator[Open]:
    """Open a file without a network; fails where anything but the file itself is asked for."""
    asked: list[str] = []
    with ExitStack() as contexts:

        def open_file(file: Path) -> Any:
            page = contexts.enter_context(opened_page(browser, offline=True))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(file.as_uri())
            return page

        yield open_file
        assert [url for url in asked if not url.startswith(("data:", "blob:")) and not url.endswith(".html")] == []


def fitted(shape: tuple[int, ...], out: Path, latent_dim: int = 3, **options: Any) -> Run:
    """A run whose pictures depend strongly on z."""
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(60, *shape, generator=generator)
    torch.manual_seed(0)
    vae = BetaVAE(shape, latent_dim, hidden=(20,), **options)
    with torch.no_grad():
        for parameter in vae.decoder.parameters():
            parameter *= 2
    return fit(vae, Dataset("noise", data), steps=2, batch_size=20, lr=1e-5, out=out)


def move(page: Any, latent: int, value: float) -> None:
    """Put a slider somewhere, one of an inactive latent too, and wait for the picture."""
    page.locator(f'input[type=range][data-latent="{latent}"]').evaluate(MOVE, value)
    settle(page)


def bytes_of(vae: BetaVAE, z: torch.Tensor) -> np.ndarray:
    """The picture of a code by torch, bytes ``(H, W, 3)``."""
    image = images_of(vae, z[None])[0]
    return (255 * image.clamp(0, 1)).expand(3, -1, -1).permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 12, 9), {}),
        ((3, 19, 17), {"network": "conv"}),
        ((1, 16, 16), {"network": "conv", "likelihood": "discretized-logistic"}),
        ((3, 8, 8), {"likelihood": "gaussian-learned", "latent_dim": 1}),
    ],
)
def test_the_sliders_show_what_torch_computes(
    shape: tuple[int, ...], options: dict[str, Any], opened: Open, tmp_path: Path
) -> None:
    run = fitted(shape, tmp_path / "run", **options)
    page = opened(pyro_bvae.report(run))
    settle(page)
    data = run.dataset()
    first = encode(run.model, data.images[data.held_out][:1]).loc[0]
    assert torch.allclose(code(page), first, atol=1e-4)
    for latent, value in ((0, 1.5), (run.model.latent_dim - 1, -2.25)):
        move(page, latent, value)
        assert code(page)[latent] == value
        assert np.abs(picture(page) - bytes_of(run.model, code(page))).max() <= 1  # of 255, by rounding


def test_the_sliders_of_vectors_show_what_torch_computes(opened: Open, tmp_path: Path) -> None:
    run = fitted((5,), tmp_path / "run", likelihood="gaussian")
    page = opened(pyro_bvae.report(run))
    settle(page)
    move(page, 1, 2.0)
    shown = page.evaluate("Array.from(explorer.panels[0].looks.picture.x)")
    assert np.allclose(shown, images_of(run.model, code(page)[None])[0], atol=1e-3)


def test_without_a_decoder_the_sliders_show_the_nearest_of_its_sweeps(opened: Open, tmp_path: Path) -> None:
    run = fitted((1, 12, 9), tmp_path / "run")
    page = opened(pyro_bvae.report(run, weights_limit=0))
    page.get_by_role("button", name="Prior mean").click()
    settle(page)
    move(page, 1, 1.7)
    assert np.abs(picture(page) - bytes_of(run.model, torch.tensor([0.0, 1.8, 0.0]))).max() <= 1


def test_a_picture_of_ones_own_is_encoded_offline(opened: Open, tmp_path: Path) -> None:
    run = fitted((1, 16, 16), tmp_path / "run")
    page = opened(pyro_bvae.report(run))
    settle(page)
    grey, png = np.arange(256, dtype=np.uint8).reshape(16, 16), BytesIO()
    Image.fromarray(grey).save(png, "PNG")
    page.set_input_files("input[type=file]", {"name": "own.png", "mimeType": "image/png", "buffer": png.getvalue()})
    wait_until(page, "explorer.panels[0].state.start.index === null")
    settle(page)
    expected = encode(run.model, torch.from_numpy(grey)[None, None]).loc[0]
    assert torch.allclose(code(page), expected, atol=2e-3)
    assert np.abs(pixels(page, "[data-testid=original-0]")[..., 0].astype(int) - grey).max() <= 1


def test_a_comparison_sorts_its_table_and_shows_two_side_by_side(cli: Cli, here: Path, opened: Open) -> None:
    words = ["--steps", 3, "--image-size", 8, "--hidden", 4, "--latent-dim", 2, "--out", "betas", "--report"]
    cli("compare", "--beta", 4, "--beta", 16, "--beta", 1, *words)
    page = opened(here / "betas" / "report.html")

    def betas() -> list[str]:
        return page.locator("#overview table >> nth=0 >> td:nth-child(2)").all_inner_texts()

    assert betas() == ["4", "16", "1"]
    page.get_by_role("button", name="β", exact=True).first.click()
    assert betas() == ["1", "4", "16"]
    page.get_by_role("button", name="β", exact=True).first.click()
    assert betas() == ["16", "4", "1"]
    page.get_by_label("Right").scroll_into_view_if_needed()
    wait_until(page, "window.pair")
    page.get_by_label("Right").select_option(label="beta16-seed0")
    page.evaluate("pair.settled()")
    assert page.locator("[data-pair] h2").all_inner_texts() == ["beta4-seed0", "beta16-seed0"]
    assert page.evaluate(DROPS) == 1  # not by the pair before, too
    page.locator("#overview a", has_text="beta1-seed0").click()
    wait_until(page, "explorers[2]")
    page.evaluate("explorers[2].settled()")
    assert page.locator("#run-2 [data-testid=picture-0]").is_visible()


def test_it_prints_without_its_sliders(opened: Open, tmp_path: Path) -> None:
    page = opened(pyro_bvae.report(fitted((1, 12, 9), tmp_path / "run")))
    page.emulate_media(media="print")
    assert not page.locator(".live").first.is_visible()
    assert page.locator("figure img").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_it_opens_in_less_than_a_second(digits_run: Run, opened: Open, tmp_path: Path) -> None:
    page = opened(pyro_bvae.report(digits_run, tmp_path / "digits.html"))
    settle(page)
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert timing < 5000  # 300 ms where nothing else runs


def test_it_is_readable_on_a_phone(digits_run: Run, opened: Open, tmp_path: Path) -> None:
    page = opened(pyro_bvae.report(digits_run, tmp_path / "digits.html"))
    page.set_viewport_size({"width": 390, "height": 800})
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
