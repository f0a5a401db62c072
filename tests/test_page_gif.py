"""Animated GIFs that the page encodes are what Pillow reads: every pixel, the times, for ever."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from browsing import frames_of
from PIL import Image

from pyro_bvae.pages.document import static

ENCODE = """([frames, width, height, options]) => {
    const bytes = (text) => Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0));
    const gif = gifOf(frames.map((text) => ({ width, height, data: bytes(text) })), options);
    return btoa(Array.from(gif, (byte) => String.fromCharCode(byte)).join(""));
}"""


@pytest.fixture
def encoder(page: Any) -> Any:
    page.add_script_tag(content=static("gif.js"))
    return page


def gif_of(page: Any, frames: np.ndarray, **options: Any) -> io.BytesIO:
    """The GIF of frames ``(T, H, W, 3)`` of bytes."""
    opaque = np.concatenate([frames, np.full((*frames.shape[:3], 1), 255, np.uint8)], axis=-1)
    texts = [base64.b64encode(frame.tobytes()).decode() for frame in opaque]
    gif = page.evaluate(ENCODE, [texts, frames.shape[2], frames.shape[1], options])
    return io.BytesIO(base64.b64decode(gif))


def rms(one: np.ndarray, other: np.ndarray) -> float:
    return float(((one.astype(float) - other) ** 2).mean() ** 0.5)


def grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(levels[..., None], 3, axis=-1).astype(np.uint8)


def some_frames(name: str) -> np.ndarray:
    random = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 3 * 28 * 28).reshape(3, 28, 28)
    return {
        "grey ramps": grey(ramp),
        "grey noise, whose table of strings is full again and again": grey(random.integers(0, 256, (3, 150, 131))),
        "one grey level": grey(np.full((2, 9, 5), 7)),
        "one pixel": grey(np.arange(4).reshape(4, 1, 1)),
        "black and white": grey(255 * random.integers(0, 2, (5, 40, 33))),
        "long runs": grey(np.repeat(random.integers(0, 256, (1, 1, 700)), 300, axis=1)),
        "256 colours": random.integers(0, 256, (256, 3)).astype(np.uint8)[random.integers(0, 256, (3, 40, 31))],
        "five colours": random.integers(0, 256, (5, 3)).astype(np.uint8)[random.integers(0, 5, (3, 64, 64))],
    }[name]


NAMES = ["grey ramps", "grey noise, whose table of strings is full again and again", "one grey level", "one pixel"]
NAMES += ["black and white", "long runs", "256 colours", "five colours"]


@pytest.mark.parametrize("name", NAMES)
def test_a_gif_of_few_colours_is_exact(name: str, encoder: Any) -> None:
    frames = some_frames(name)
    assert np.array_equal(frames_of(gif_of(encoder, frames)), frames)


def test_every_length_of_code_ends_a_gif(encoder: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, 9000)
    lengths = [*range(254, 259), *range(509, 515), *range(765, 772), *range(3837, 3845), 7700]
    for length in lengths:
        frames = grey(noise[:length].reshape(1, 1, -1))
        assert np.array_equal(frames_of(gif_of(encoder, frames)), frames), length


def test_many_colours_become_256_that_are_near(encoder: Any) -> None:
    y, x = np.mgrid[0:64, 0:64] / 63.0
    frames = np.stack([np.stack([255 * x, 255 * y, 255 * (share + x * y) / 2], -1) for share in (0.0, 0.5, 1.0)])
    frames = frames.round().astype(np.uint8)
    read = frames_of(gif_of(encoder, frames))
    assert len(np.unique(read.reshape(-1, 3), axis=0)) <= 256
    tiled = Image.fromarray(frames.reshape(-1, 64, 3))
    others = np.asarray(tiled.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB"))
    assert rms(read, frames) < 1.05 * rms(others.reshape(frames.shape), frames)


def test_a_gif_is_enlarged_repeats_for_ever_and_keeps_time(encoder: Any) -> None:
    frames = some_frames("five colours")
    gif = gif_of(encoder, frames, scale=3, delay=7)
    with Image.open(gif) as opened:
        assert (opened.size, opened.info["loop"], opened.info["duration"]) == ((192, 192), 0, 70)
    assert np.array_equal(frames_of(gif), frames.repeat(3, axis=1).repeat(3, axis=2))
