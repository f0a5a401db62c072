"""A model that a page plays with: codes to data, data to codes, a picture of one's own, names.

Requests come from several threads. Where they run programs, they wait for each other, and one picture is decoded at a
time. A fit in the same process keeps them waiting, and after some seconds the page says so. What is asked for comes
from outside, and everything in it is checked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..compiled.randomness import ONE_THREAD
from ..datasets import Rows, pixels
from ..datasets.decoding import opened_picture
from ..datasets.own_files import picture_from
from ..generation import images_of
from ..settings.words import brief
from .colourings import label_of
from .names import Names
from .packing import base64_of
from .standing import Starts
from .views import Shown

__all__ = ["Session"]

LARGEST_CODE = 1e6  # of a latent, to either side
MOST_VALUES = 2**24  # of all data that are decoded at once: 64 MiB
MOST_PIXELS = 60_000_000  # of a picture of one's own: 180 MB when it is decoded
LARGEST_SEED = 2**63 - 1
PATIENCE = 10.0  # seconds, for whoever runs programs
PICTURES = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")  # that no program is run for


class Session:
    """One model, and what a page asks of it.

    Args:
        subject: The model and its data.
        view: What the page knows about it, see `views.view_of`.
    """

    def __init__(self, subject: Shown, view: dict[str, Any]) -> None:
        self._subject, self._view = subject, view
        self._names = Names(subject.path, subject.latent_dim)
        self._one_picture = Lock()
        self._starts = Starts(subject)

    @property
    def view(self) -> dict[str, Any]:
        """What the page has to know now, with the names that latents have now."""
        return self._view | self._names.shown()

    def decode(
        self, codes: Any = None, draw: Any = False, seed: Any = 0, given: Any = None, choices: Any = None
    ) -> bytes:
        """The data of codes ``(B, K)``, means of p(x | z) or draws: ``(B, *shape)`` as float32, little-endian.

        Args:
            codes: Rows of K numbers.
            draw: Whether x is drawn.
            seed: Of the draw.
            given: What stands beside the codes, by the name that `start` gave it.
            choices: Classes that are to be otherwise, by the names of sites and arguments.

        Raises:
            ValueError: They are no such codes, or too many.
        """
        z, seed = self._codes(codes), _whole("seed", seed, LARGEST_SEED)
        with _turn():
            beside = self._starts.beside(given, choices)
            site = self._subject.site
            return _bytes(images_of(self._subject.vae, z, site=site, given=beside, draw=bool(draw), seed=seed))

    def start(self, kind: Any = "prior", index: Any = 0, seed: Any = 0) -> dict[str, Any]:
        """A code to start from: "prior", its mean; "random-z", a draw from it; "image", that of a held-out datum.

        Returns:
            ``z`` and, of a posterior, ``scale``, K numbers each; ``x``, the datum; its ``index`` among the held-out
            data and its ``label``; and a ``note``. What there is not is None. Of several latent sites also ``given``,
            for `decode`, and the ``choices``, the class at each discrete one.

        Raises:
            ValueError: There is no such start.
        """
        if kind in ("prior", "random-z"):
            seed = _whole("seed", seed, LARGEST_SEED)
            with _turn():
                base, known = self._starts.of_prior(kind, seed)
                return _started(base.codes[0]) | known
        if kind != "image":
            raise ValueError(f"a start is prior, random-z or image, got {brief(kind)}")
        place = self._place(index)
        data = self._subject.data
        assert data is not None
        label = label_of(data, int(data.held_out[place]))
        return self._encoded(self._subject.held_out(place), f"image-{place}") | {"index": place, "label": label}

    def image(self, index: Any = 0) -> bytes:
        """A held-out datum, as float32, little-endian.

        Raises:
            ValueError: There is none of that number.
        """
        return _bytes(pixels(self._subject.held_out(self._place(index)).images))

    def upload(self, content: bytes) -> dict[str, Any]:
        """The code of a picture of one's own, as `start` has it.

        Args:
            content: The bytes of its file.

        Raises:
            ValueError: The model's data are no pictures, or this is none, or cannot be brought to their shape.
        """
        vae, name = self._subject.vae, "your picture"
        if len(vae.shape) != 3:
            raise ValueError("the data of this run are vectors: a picture cannot be one of them")
        with self._one_picture:
            with opened_picture(content, name) as file:
                kind, (width, height) = file.format, file.size
            if kind not in PICTURES:
                raise ValueError(f"{name} is of the kind {kind}: save it as PNG or JPEG")
            if width * height > MOST_PIXELS:
                raise ValueError(f"{name} has {width:,}×{height:,} pixels, more than are opened: scale it down")
            x, notes = picture_from(content, name, vae.shape, self._options())
        if tuple(x.shape) != vae.shape:
            here, there = (f"{shape[2]}×{shape[1]} with {shape[0]} channels" for shape in (x.shape, vae.shape))
            raise ValueError(f"{name} is {here}, and those of the run are {there}: crop or scale it to that")
        colours = "grey" if vae.shape[0] == 1 else "colour"
        note = f"your picture of {width}×{height}, brought to {vae.shape[2]}×{vae.shape[1]} in {colours}"
        note = "; ".join([note, *notes])
        return self._encoded(Rows(x[None]), "upload") | {"note": note}

    def name(self, latent: Any = None, name: Any = "") -> dict[str, Any]:
        """Name a latent.

        Returns:
            The ``names`` of all, and a ``note`` why they are not kept, or None.

        Raises:
            ValueError: There is no such latent, or the name is no text.
        """
        if not isinstance(name, str):
            raise ValueError(f"a name is a text, got {brief(name)}")
        self._names.rename(_whole("latent", latent, self._subject.latent_dim - 1), name)
        shown = self._names.shown()
        return {"names": shown["names"], "note": shown["names_note"]}

    def _encoded(self, datum: Rows, name: str) -> dict[str, Any]:
        with _turn():
            codes, known = self._starts.of_datum(datum, name)
        return _started(codes.loc[0], codes.scale[0]) | {"x": base64_of(pixels(datum.images))} | known

    def _codes(self, codes: Any) -> Tensor:
        vae = self._subject.vae
        try:
            rows = np.asarray(codes, dtype=np.float64)  # sliders that all stand at 0 come as whole numbers
        except (TypeError, ValueError, OverflowError):
            rows = np.empty(0)
        if rows.ndim != 2 or rows.shape[1] != self._subject.latent_dim or not len(rows):
            raise ValueError(f"codes are rows of {self._subject.latent_dim} numbers")
        if not (np.abs(rows) <= LARGEST_CODE).all():
            raise ValueError(f"codes are numbers from {-LARGEST_CODE:,.0f} to {LARGEST_CODE:,.0f}")
        most = max(1, MOST_VALUES // prod(vae.shape))
        if len(rows) > most:
            raise ValueError(f"{len(rows):,} codes are more than are decoded at once: at most {most:,}")
        return torch.from_numpy(rows.astype(np.float32))

    def _place(self, index: Any) -> int:
        data = self._subject.data
        if data is None:
            raise ValueError(self._subject.data_note or "there are no data")
        return _whole("held-out image", index, len(data.held_out) - 1)

    def _options(self) -> dict[str, Any]:
        """Those that the data were loaded with."""
        run, data = self._subject.run, self._subject.data
        return dict(run.config if run is not None else data.options if data is not None else {})


@contextmanager
def _turn() -> Iterator[None]:
    """Be the thread that runs programs.

    Raises:
        ValueError: Another one has been that for too long.
    """
    if not ONE_THREAD.acquire(timeout=PATIENCE):
        raise ValueError("Python is busy with a fit or an evaluation: try again when that is done")
    try:
        yield
    finally:
        ONE_THREAD.release()


def _started(z: Tensor, scale: Tensor | None = None) -> dict[str, Any]:
    """A start without a datum.

    Raises:
        ValueError: Its code is not finite.
    """
    if not z.isfinite().all() or (scale is not None and not scale.isfinite().all()):
        raise ValueError("its code is infinite or not a number: the model has diverged there")
    known = {"z": z.tolist(), "scale": None if scale is None else scale.tolist()}
    return known | dict.fromkeys(("x", "index", "label", "note"))


def _whole(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{name} is a whole number from 0 to {most:,}, got {brief(value)}")
    return value


def _bytes(data: Tensor) -> bytes:
    return data.float().numpy().astype("<f4").tobytes()
