"""What tests of the explorer's page do: open it, move a latent, read what is painted."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageSequence

from pyro_bvae import BetaVAE, Run, explore
from pyro_bvae.datasets import Dataset
from pyro_bvae.generation import images_of

LONGEST = 30  # seconds that a page may take


@contextmanager
def explored(page: Any, thing: Run | BetaVAE, data: Dataset | None = None) -> Iterator[Any]:
    """The page with the explorer of a run or model, when its first pictures are there."""
    with explore(thing, data) as explorer:
        page.goto(explorer.url)
        settle(page)
        yield page


def settle(page: Any) -> Any:
    """The page, when every picture that was asked for is painted."""
    page.evaluate("explorer.settled()")
    return page


def wait_until(page: Any, expression: str, drawn: Any = None) -> None:
    """Until an expression, or a function of ``drawn``, is true in the page.

    Playwright's own ``wait_for_function`` asks a second time by eval, which the page's security policy forbids.
    """
    deadline = time.monotonic() + LONGEST
    while not page.evaluate(expression, drawn):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def move(page: Any, latent: int, value: float) -> None:
    """Put a slider somewhere, and wait for the picture."""
    page.locator(f'[data-run="0"] input[type=range][data-latent="{latent}"]').fill(str(value))
    settle(page)


def most_active(page: Any) -> list[int]:
    """The latents by falling KL."""
    return page.evaluate("orderOf(explorer.panels[0].view)")


def code(page: Any) -> torch.Tensor:
    """z as the page has it, ``(K,)``."""
    return torch.tensor(page.evaluate("Array.from(explorer.panels[0].state.z)"))


def pixels(page: Any, selector: str) -> np.ndarray:
    """What is painted on a canvas, bytes ``(H, W, 4)``."""
    address = page.evaluate("(name) => document.querySelector(name).toDataURL()", selector)
    png = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def picture(page: Any) -> np.ndarray:
    """The picture of the first run, ``(H, W, 3)``, of bytes."""
    return pixels(page, "[data-testid=picture-0]")[..., :3]


def as_bytes(image: torch.Tensor) -> np.ndarray:
    """An image ``(C, H, W)`` in [0, 1] as a canvas has it: ``(H, W, 3)``, of bytes."""
    return (255 * image.expand(3, -1, -1)).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def shows(page: Any, vae: BetaVAE, z: torch.Tensor) -> None:
    """The picture is that of a code; the page's weights are rounded to 16 bits."""
    assert is_near(picture(page), as_bytes(images_of(vae, z[None])[0]))


def frames_of(gif: Path | io.BytesIO) -> np.ndarray:
    """All frames of a GIF as Pillow reads them, ``(T, H, W, 3)``."""
    with Image.open(gif) as opened:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(opened)])


def is_near(one: np.ndarray, other: np.ndarray, most: int = 2) -> bool:
    return one.shape == other.shape and np.abs(one.astype(int) - other).max() <= most
