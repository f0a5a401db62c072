"""What a page has to know about a run, or about a model in memory, as plain JSON.

Arrays are base64 of little-endian numbers. Everything that comes from data, a name of a label say, is text on one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, prod
from pathlib import Path
from typing import Any

from ..codes import class_values, code_site, encode, is_plain, latents, prior_mean, width
from ..datasets import Dataset, Progress, Rows
from ..datasets.dataset import random_subset
from ..model import BetaVAE
from ..programs import program_of
from ..runs.folder import RunFolder
from ..runs.run import Run
from ..scoring.report import factors_followed
from ..settings.words import one_line, plain
from ..terms import ACTIVE_ABOVE, kl_of_site, mean_terms
from ..traversal import class_sites, first_of
from .colourings import colourings
from .packing import UnpackableError, base64_of, pack_decoder

__all__ = ["Shown", "shown", "site_of_sliders", "view_of"]

MOST_POINTS = 2000  # held-out data whose codes a page draws, or fewer:
MOST_CODE_VALUES, MOST_DATA_BYTES = 4_000_000, 2**30
MOST_PRODUCTS = 20e6  # of weights, in a decoder that a page runs itself: 20 ms or so, in which a server has answered


@dataclass(frozen=True, eq=False)
class Shown:
    """A model that a page shows, and what is known about it.

    Attributes:
        vae: The programs.
        run: Where they come from; None for a model without a run.
        data: The data; None where there are none.
        data_note: Why there are none; None where there are.
        kl: Mean KL of each latent on the held-out data, in nats; None where it is not known or not defined.
        site: The latent site that has sliders.
        latent_dim: Its number of latents, K.
        choices: The classes of each discrete latent site, and of arguments, by their names.
    """

    vae: BetaVAE
    run: Run | None
    data: Dataset | None
    data_note: str | None
    kl: list[float] | None
    site: str = "z"
    latent_dim: int = 0
    choices: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def path(self) -> Path | None:
        """The run folder, if there is one."""
        return None if self.run is None else self.run.path

    @property
    def title(self) -> str:
        """The run folder's name, or what is known of a model in memory."""
        if self.path is not None:
            return plain(self.path.resolve().name)
        name = type(self.vae).__name__ if self.data is None else self.data.name
        return f"{_without_place(name)}, β {self.vae.beta_value:g}"

    def held_out(self, index: int) -> Rows:
        """One held-out datum, ``(1, *shape)``, uint8 or float, with what stands beside it."""
        assert self.data is not None
        return self.data.rows(self.data.held_out[index : index + 1])


def shown(thing: Run | BetaVAE, data: Dataset | None = None, progress: Progress | None = None) -> Shown:
    """What a page shows of a run or a model.

    Args:
        thing: The run or model.
        data: Its data; by default those of the run, where they can be read.
        progress: Called while data load and are evaluated.

    Raises:
        ValueError: The data are of another shape than the model's.
    """
    run, vae = (thing, thing.model) if isinstance(thing, Run) else (None, thing)
    note = None
    if data is None and run is not None:
        try:
            data = run.dataset(progress)
        except (OSError, ValueError) as error:
            note = one_line(f"without the data of the run: {error}")
    elif data is None:
        note = "without data: give some to start from"
    if data is not None and data.shape != vae.shape:
        here, there = ("×".join(map(str, shape)) for shape in (data.shape, vae.shape))
        raise ValueError(f"the model is for data of {there}, and {plain(data.name)} is of {here}")
    site, latent_dim = site_of_sliders(vae, data)
    kl = _kl(vae, run, data, site, progress)
    return Shown(vae, run, data, note, kl, site, latent_dim, class_sites(vae, data))


def site_of_sliders(vae: BetaVAE, data: Dataset | None) -> tuple[str, int]:
    """The latent site that has sliders, and its number of latents.

    Raises:
        ValueError: All sites draw classes.
    """
    if is_plain(vae):
        return "z", vae.latent_dim
    of_sites = latents(vae, **first_of(vae, data))
    site = code_site(of_sites)
    if class_values(of_sites[site]) is not None:
        raise ValueError(f"sliders are for continuous latents, and the sites of these programs draw classes: {site}")
    return site, width(of_sites[site])


def _kl(
    vae: BetaVAE, run: Run | None, data: Dataset | None, site: str, progress: Progress | None
) -> list[float] | None:
    """That of the history, if there is a line of the run's step; otherwise it is computed from the data."""
    if run is not None and run.history and run.history[-1]["step"] == run.step:
        kl = kl_of_site(site, run.units, run.history[-1]["held_out_kl_per_latent"])
    elif data is not None:
        kl = mean_terms(vae, data.rows(data.held_out), batch_size=100, progress=progress).kl_of(site)
    else:
        kl = None
    return kl if kl is not None and all(map(isfinite, kl)) else None


def _columns(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else [plain(name) for name in names]


def _prior(vae: BetaVAE) -> str:
    name = str(vae.settings.get("prior", "normal"))
    return "standard normal" if name == "normal" else name


def view_of(
    subject: Shown,
    *,
    points: int = MOST_POINTS,
    most_products: float = MOST_PRODUCTS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What a page has to know; names of latents, an encoder and data are for whoever makes the page to add.

    Args:
        subject: The model and its data.
        points: How many held-out data are encoded at most.
        most_products: A decoder that multiplies with weights more often than that is left to the server.
        progress: Called while data are encoded.
    """
    vae, run, data, kl = subject.vae, subject.run, subject.data, subject.kl
    config = {} if run is None else run.config
    decoder, decoder_note = _decoder(vae, most_products)
    name = config.get("dataset") if data is None else data.name
    later = dict.fromkeys(("encoder", "images", "names_note", "sweeps"))
    return {
        "title": subject.title,
        "path": None if subject.path is None else str(subject.path),
        "at": _numbered_step(run),
        "dataset": None if name is None else _without_place(str(name)),
        "program": None if (program := program_of(vae)) is None else str(program),
        "beta": vae.beta_value,
        "likelihood": vae.custom.get("likelihood", vae.settings["likelihood"]),
        "prior": vae.custom.get("prior", _prior(vae)),
        "shape": list(vae.shape),
        "columns": _columns(config.get("columns") if data is None else data.columns),
        "K": subject.latent_dim,
        "site": subject.site,
        "choices": [{"name": name, "classes": list(map(plain, names))} for name, names in subject.choices.items()],
        "kl": kl,
        "active": [True] * subject.latent_dim if kl is None else [value > ACTIVE_ABOVE for value in kl],
        "prior_mean": prior_mean(vae, subject.site, **first_of(vae, data)).nan_to_num().tolist(),
        "range": 3,
        "names": {},
        "follows": _follows(subject, progress),
        "decoder": decoder,
        "decoder_note": decoder_note,
        "held_out": 0 if data is None else len(data.held_out),
        "data_note": subject.data_note,
        **later,
        **_points(subject, points, progress),
    }


def _most_points(data: Dataset, latent_dim: int) -> int:
    """How many data are encoded at most, so that neither they nor their codes take too much room."""
    return max(1, min(MOST_CODE_VALUES // latent_dim, MOST_DATA_BYTES * len(data) // data.size_in_bytes))


def _points(subject: Shown, most: int, progress: Progress | None) -> dict[str, Any]:
    """Codes of some held-out data, and what they can be coloured by."""
    data = subject.data
    if data is None:
        return {"codes": None, "colourings": []}
    chosen = random_subset(len(data.held_out), min(most, _most_points(data, subject.latent_dim)))
    places = data.held_out[chosen]
    codes = encode(subject.vae, data.rows(places), site=subject.site, progress=progress)
    numbers = {"count": len(chosen), "index": chosen.tolist()}
    return {
        "codes": numbers | {"mean": base64_of(codes.loc), "scale": base64_of(codes.scale)},
        "colourings": colourings(data, places),
    }


def _follows(subject: Shown, progress: Progress | None) -> list[str] | None:
    """The factor that each active latent follows, as `score` has it; None where the data have no factors."""
    if subject.data is None or subject.data.factors is None:
        return None
    return [plain(name) for name in factors_followed(subject.vae, subject.data, subject.kl, progress)]


def _decoder(vae: BetaVAE, most_products: float) -> tuple[dict[str, Any] | None, str | None]:
    """The decoder for the page to run, or None and why not."""
    try:
        packed = pack_decoder(vae)
    except UnpackableError as error:
        return None, one_line(str(error))
    if _products(packed["layers"]) > most_products:
        size = "×".join(map(str, vae.shape))
        return None, f"the decoder of {size} is decoded faster by the package than by the page"
    return packed, None


def _products(layers: Sequence[dict[str, Any]], sides: Sequence[int] = (1, 1)) -> int:
    """How often a packed decoder multiplies with a weight: for each input of a convolution, its whole window.

    Args:
        layers: Of the decoder. Its convolutions that are not transposed leave the sides of a map as they are.
        sides: Of the map that comes to them.
    """
    total = 0
    for layer in layers:
        if layer["kind"] == "unflatten":
            sides = layer["shape"][1:]
        elif layer["kind"] == "broadcast":
            sides = layer["sides"]
        elif layer["kind"] == "residual":
            total += _products(layer["layers"], sides)
        elif layer["kind"] == "conv":
            total += prod(sides) * layer["in"] * layer["out"] * prod(layer["kernel"])
        elif layer["kind"] == "linear":
            total += layer["in"] * layer["out"]
        elif layer["kind"] == "conv_transpose":
            total += prod(sides) * layer["in"] * layer["out"] * prod(layer["kernel"])
            sizes = (layer[name] for name in ("stride", "padding", "kernel", "output_padding"))
            sides = [
                (side - 1) * stride - 2 * padding + kernel + more
                for side, stride, padding, kernel, more in zip(sides, *sizes, strict=True)
            ]
    return total


def _numbered_step(run: Run | None) -> int | None:
    """The step of the numbered checkpoint that a run was loaded from; None for the latest."""
    if run is None or run.path is None:
        return None
    folder = RunFolder(run.path)
    try:
        history = folder.read_history()
    except (OSError, ValueError):
        return None
    is_latest = not history or history[-1]["step"] <= run.step
    return None if is_latest or run.step not in folder.numbered_steps() else run.step


def _without_place(name: str) -> str:
    """A data set's name without the folders of its path, on one line.

    >>> _without_place("folder:/home/me/photos"), _without_place("digits")
    ('folder:photos', 'digits')
    """
    kind, colon, path = name.partition(":")
    return plain(f"{kind}{colon}{Path(path).name}")
