"""The classes of a site or argument by their names, and values as somebody types them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from ..codes import class_values, is_plain
from ..codes import latents as latents_of
from ..datasets import Dataset
from ..generation.given import as_tensor
from ..model import BetaVAE
from ..settings.words import brief
from ..terms import arguments_of, given_to

__all__ = ["class_names", "class_sites", "first_of", "read_value"]


def class_names(vae: BetaVAE, name: str, data: Dataset | None = None) -> list[str] | None:
    """What the classes of a discrete latent site, or of an argument, are called; None for any other.

    They have the names of the labels where the programs take these and there are as many; otherwise they are numbers.

    Args:
        vae: The programs.
        name: Of the site or argument.
        data: The data set; None where there is none.
    """
    labels = None if data is None or "labels" not in arguments_of(vae) else data.label_names
    q = latents_of(vae, **first_of(vae, data)).get(name)
    values = None if q is None else class_values(q)
    if values is not None:
        return list(labels) if labels and len(labels) == len(values) else [str(number) for number in range(len(values))]
    if q is not None or data is None or name not in arguments_of(vae) or name not in data.beside:
        return None
    column = data.labels if name == "labels" else data.beside[name]  # whole where programs see a few labels alone
    if column is None or column.dim() != 1 or column.is_floating_point():
        return None
    return list(labels) if labels and name == "labels" else [str(number) for number in range(int(column.max()) + 1)]


def class_sites(vae: BetaVAE, data: Dataset | None = None) -> dict[str, list[str]]:
    """The names of the classes of each discrete latent site, by its label, and of each argument that has classes.

    An argument is left out where a site has as many classes: it may tell the programs what that site is.

    Args:
        vae: The programs.
        data: The data set; None where there is none.
    """
    if is_plain(vae):
        return {}
    named = {
        name: class_names(vae, name, data) for name in (*latents_of(vae, **first_of(vae, data)), *arguments_of(vae))
    }
    known = {name: names for name, names in named.items() if names is not None}
    counts = {len(names) for name, names in known.items() if name not in arguments_of(vae)}
    return {name: names for name, names in known.items() if name not in arguments_of(vae) or len(names) not in counts}


def read_value(vae: BetaVAE, name: str, text: str, data: Dataset | None = None) -> int | float | Tensor:
    """The value of a site or argument that a text names: a class by its name or number, or numbers with commas.

    Args:
        vae: The programs.
        name: Of the site or argument.
        text: What was typed.
        data: The data set; None where there is none.

    Returns:
        A number, or a row of numbers ``(1, ...)`` of the shape that the data have.

    Raises:
        ValueError: It names no class and holds no numbers, or not as many as the data have.
    """
    numbers, has_names = _numbers(text), data is not None and data.label_names is not None
    classes = (class_names(vae, name, data) or []) if numbers is None or has_names else []
    if text in classes:
        return classes.index(text)
    if numbers is None:
        known = f", and no class of {', '.join(classes)}" if classes else ""
        raise ValueError(f"{brief(text)} is no value of {name!r}: it is no number{known}")
    column = None if data is None or name not in arguments_of(vae) else data.beside.get(name)
    if column is None:
        return numbers[0] if len(numbers) == 1 else torch.tensor([[float(number) for number in numbers]])
    return _like(column, name, numbers)


def first_of(vae: BetaVAE, data: Dataset | None) -> dict[str, Tensor]:
    """What the programs take beside x, of the first datum of a data set; nothing where there is none."""
    if data is None:
        return {}
    beside = {name: as_tensor(vae, values[:1]) for name, values in data.beside.items()}
    return given_to(vae, beside)


def _like(column: Tensor, name: str, numbers: Sequence[int | float]) -> Tensor:
    """Numbers as a row of what the data have."""
    each = column[0].numel()
    if len(numbers) not in (1, each):
        raise ValueError(f"{name!r} has {each} values a datum, got {len(numbers)}")
    if not column.is_floating_point() and any(isinstance(number, float) for number in numbers):
        raise ValueError(f"the values of {name!r} are whole numbers, got {numbers[0]:g}")
    return torch.tensor(numbers, dtype=column.dtype).expand(each).reshape(1, *column.shape[1:])


def _numbers(text: str) -> list[int | float] | None:
    """The numbers of a text with commas between them; None where one is none."""
    numbers: list[int | float] = []
    for part in text.split(","):
        for kind in (int, float):
            with suppress(ValueError):
                numbers.append(kind(part))
                break
        else:
            return None
    return numbers
