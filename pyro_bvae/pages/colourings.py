"""What points of a plane of codes are coloured by, and what a datum is called: labels and factors of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..datasets import Dataset
from ..datasets.labels import classes_of
from ..settings.words import plain

__all__ = ["colourings", "label_of"]

MOST_CLASSES = 20  # that have colours of their own; more are coloured by their value
MOST_COLOURINGS = 50


def label_of(data: Dataset, place: int) -> str | None:
    """The class of a datum, or the values of its factors; None where it has neither."""
    labels = None if data.labels is None else classes_of(data.labels)
    if labels is not None and labels.shape[1] == 1:
        return _class_name(int(labels[place, 0]), data.label_names)
    if data.factors is not None:
        return ", ".join(
            f"{name} {int(value)}" for name, value in zip(_factors(data), data.factors[place], strict=True)
        )
    return None


def colourings(data: Dataset, places: Tensor) -> list[dict[str, Any]]:
    """What points can be coloured by: the label or each attribute, then each factor."""
    of_data: list[dict[str, Any]] = []
    if data.labels is not None:
        labels = classes_of(data.labels)
        if labels.shape[1] == 1:
            of_data.append(_colouring("label", labels[places, 0], data.label_names))
        else:
            names = data.label_names or [f"label {column}" for column in range(labels.shape[1])]
            of_data += [_colouring(name, labels[places, column], None) for column, name in enumerate(names)]
    if data.factors is not None:
        factors = data.factors[places]
        of_data += [_colouring(name, factors[:, column], None) for column, name in enumerate(_factors(data))]
    return of_data[:MOST_COLOURINGS]


def _colouring(name: str, values: Tensor, class_names: Sequence[str] | None) -> dict[str, Any]:
    """By classes where they are few, each of which gets a number from 0 on; by value otherwise."""
    there, numbers = values.unique(return_inverse=True)
    if len(there) > MOST_CLASSES:
        return {"name": plain(name), "classes": None, "values": values.tolist()}
    classes = [_class_name(value, class_names) for value in there.tolist()]
    return {"name": plain(name), "classes": classes, "values": numbers.tolist()}


def _class_name(value: int, names: Sequence[str] | None) -> str:
    return str(value) if names is None or not 0 <= value < len(names) else plain(names[value])


def _factors(data: Dataset) -> list[str]:
    assert data.factors is not None
    names = data.factor_names or [f"factor {column}" for column in range(data.factors.shape[1])]
    return [plain(name) for name in names]
