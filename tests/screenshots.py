"""Pictures of the explorer: `python tests/screenshots.py FOLDER [--data-root DATA] [--epochs 30] [--tensorboard]`.

Fits two runs of MNIST where it lies under the data root, and of the digits otherwise, and one of a part of dSprites.
Opens them in headless Chromium and plays. FOLDER then holds explorer.gif, in which sliders move and the
picture follows, and PNGs: wide, dark, phone, two runs, and planes with labels and with factors.

With --tensorboard, fits and tracks one run, β 6, and takes pictures of TensorBoard in place of the explorer.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import torch
from conftest import CHROMIUM, CHROMIUM_OPTIONS
from PIL import Image
from playwright.sync_api import sync_playwright
from tensorboard_pictures import WEBGL, take

from pyro_bvae import BetaVAE, Run, datasets, explore, fit
from pyro_bvae.callbacks import Figures, Tracker
from pyro_bvae.datasets import Dataset

WIDE, PHONE, FILM = (1440, 900), (390, 844), (1200, 680)
FILM_SCALE = 0.75  # of the GIF's pixels
FRAME_TIME = 90  # milliseconds
COLOURS = 128  # of the GIF
PLANE = "[data-testid=plane-0]"


def main() -> None:
    """Fit, open, play, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--epochs", type=int, default=30, help="of MNIST or the digits")
    parser.add_argument("--steps", type=int, default=5000, help="of dSprites")
    parser.add_argument("--tensorboard", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    data = numbers(arguments.data_root)
    if arguments.tensorboard:
        tensorboard(data, arguments.epochs, arguments.folder)
        return
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        runs = {beta: fitted(data, beta, Path(name), epochs=arguments.epochs) for beta in (6.0, 1.0)}
        drawn = datasets.load("dsprites", subsample=20_000)
        sprites = fitted(drawn, 4.0, Path(name), steps=arguments.steps, optimizer="adam")
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        pictures(browser, runs, sprites, arguments.folder)
        with opened(browser, runs[6.0], FILM, device_scale_factor=FILM_SCALE) as page:
            film(page, arguments.folder / "explorer.gif")
        browser.close()


def tensorboard(data: Dataset, epochs: int, folder: Path) -> None:
    """Fit, track, and take the pictures of TensorBoard."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        tracker = Tracker("tensorboard", Figures(every=1400))
        run = fitted(data, 6.0, Path(name) / "runs", epochs=epochs, callbacks=[tracker])
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_OPTIONS, *WEBGL])
        assert run.path is not None
        take(browser, run.path, folder)
        browser.close()


def numbers(root: Path | None) -> Dataset:
    """MNIST where it is, and the digits otherwise."""
    if root is not None and (root / "MNIST").is_dir():
        return datasets.load("mnist", root=root)
    return datasets.load("digits")


def fitted(data: Dataset, beta: float, folder: Path, **options: Any) -> Run:
    torch.manual_seed(0)
    out = folder / f"{data.name}-beta{beta:g}-seed0"
    return fit(BetaVAE(data.shape, beta=beta), data, out=out, **options)


@contextmanager
def opened(browser: Any, run: Run | list[Run], size: tuple[int, int], **options: Any) -> Iterator[Any]:
    """The explorer in a window of its own, when all its pictures are there."""
    with explore(run) as explorer:
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **options)
        page.goto(explorer.url)
        settle(page)
        yield page
        page.close()


def settle(page: Any) -> None:
    page.evaluate("explorer.settled()")
    page.evaluate("explorer.stripsSettled()")


def pictures(browser: Any, runs: dict[float, Run], sprites: Run, folder: Path) -> None:
    """The PNGs."""
    with opened(browser, runs[6.0], WIDE) as page:
        page.screenshot(path=folder / "explorer-wide.png")
        page.locator(".plane").screenshot(path=folder / "explorer-plane.png")
    with opened(browser, runs[6.0], WIDE, color_scheme="dark") as page:
        page.screenshot(path=folder / "explorer-dark.png")
    with opened(browser, runs[6.0], PHONE, device_scale_factor=2, has_touch=True) as page:
        page.screenshot(path=folder / "explorer-phone.png")
    with opened(browser, [runs[1.0], runs[6.0]], WIDE) as page:
        page.screenshot(path=folder / "explorer-two.png")
    with opened(browser, sprites, WIDE) as page:
        page.get_by_label("Colour of the points").select_option("posX")
        page.screenshot(path=folder / "explorer-factors.png")


def film(page: Any, file: Path) -> None:
    """Two sliders go to and fro, the cross goes round; each frame is taken when the picture is painted."""
    first, second = page.evaluate("orderOf(explorer.panels[0].view).slice(0, 2)")
    frames = [*slid(page, first), *slid(page, second), *dragged(page)]
    palette = frames[0].quantize(COLOURS, Image.Quantize.FASTOCTREE)  # a median cut leaves no room for small things
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(file, save_all=True, append_images=drawn[1:], duration=FRAME_TIME, loop=0, optimize=True)


def slid(page: Any, latent: int, count: int = 14) -> list[Image.Image]:
    """Frames of a slider that goes to both ends and comes back."""
    slider = page.locator(f'[data-run="0"] input[type=range][data-latent="{latent}"]')
    start = float(slider.input_value())
    swing = [start * (1 - sin(pi * step / count)) + 2.6 * sin(2 * pi * step / count) for step in range(count)]
    return taken(page, [lambda value=value: slider.fill(f"{value:.3f}") for value in [*swing, start]])


def dragged(page: Any, count: int = 18) -> list[Image.Image]:
    """Frames of the cross that is dragged once around the middle, and back."""
    box = page.locator(PLANE).bounding_box()
    x, y = page.evaluate("explorer.panels[0].plane.cross()")
    page.mouse.move(box["x"] + x + 1, box["y"] + y + 1)
    page.mouse.down()
    angles = [2 * pi * step / count for step in range(count + 1)]
    round_trip = [(1.7 * cos(angle), 1.7 * sin(angle)) for angle in angles]
    places = [page.evaluate("([x, y]) => explorer.panels[0].plane.field.at(x, y)", [*pair]) for pair in round_trip]
    moves = [lambda place=place: page.mouse.move(box["x"] + place[0] + 1, box["y"] + place[1] + 1) for place in places]
    frames = taken(page, moves)
    page.mouse.up()
    return frames


def taken(page: Any, moves: list[Callable[[], None]]) -> list[Image.Image]:
    """A frame after each move."""
    frames = []
    for move in moves:
        move()
        page.evaluate("explorer.settled().then(() => new Promise(requestAnimationFrame))")
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return frames


if __name__ == "__main__":
    main()
