"""The points that one repeat draws from a data set, the same for every run and baseline.

Points are drawn without replacement: 15,000 for metrics that fit a classifier, of which it sees two thirds, 10,000 for
those that estimate information or another moment of the codes, 1,000 for UDR; all where a data set has fewer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..datasets import Dataset
from ..datasets.dataset import seeded_split
from ..metrics import active_units_variance
from ..terms import ACTIVE_ABOVE
from .representations import Representation
from .settings import ScoreSettings

__all__ = ["CLASSIFIER_POINTS", "INFORMATION_POINTS", "UDR_POINTS", "Draws", "Sample", "draws_of"]

CLASSIFIER_POINTS, INFORMATION_POINTS, UDR_POINTS = 15_000, 10_000, 1_000
MOST_POINTS = CLASSIFIER_POINTS  # that a repeat draws for any metric


@dataclass(frozen=True)
class Draws:
    """The data that all repeats draw their points from: no other images have to be encoded.

    Attributes:
        size: Number of data in the whole data set.
        repeats: Number of repeats.
    """

    size: int
    repeats: int

    def of_repeat(self, repeat: int) -> np.ndarray:
        """Indices of the data that one repeat draws, in the order in which it draws them."""
        return np.random.default_rng(repeat).permutation(self.size)[:MOST_POINTS]

    @cached_property
    def index(self) -> np.ndarray:
        """Indices of the data that any repeat draws, sorted."""
        return np.unique(np.concatenate([self.of_repeat(repeat) for repeat in range(self.repeats)]))

    def part_of(self, data: Dataset) -> Dataset:
        """The data that any repeat draws, with their factors; labels are there for programs alone."""
        index = torch.from_numpy(self.index)
        train, held_out = seeded_split(len(index))
        factors = None if data.factors is None else data.factors[index]
        part: dict[str, Any] = {"images": data.images[index], "labels": None, "label_names": None, "digest": None}
        extra = {name: values[index] for name, values in data.beside.items() if name != "factors"}
        return replace(data, train=train, held_out=held_out, factors=factors, extra=extra, **part)


def draws_of(data: Dataset, repeats: int) -> Draws | None:
    """What the repeats draw of a data set; None where each of them draws all of it."""
    return Draws(len(data), repeats) if len(data) > MOST_POINTS else None


@dataclass(frozen=True, eq=False)
class Sample:
    """What a metric is taken of: a representation, and the points that one repeat draws.

    Attributes:
        representation: The codes.
        data: What was encoded; without labels where it is a part of the data set.
        seed: The number of the repeat, and the seed of all its draws.
        draws: What all repeats draw, where ``data`` are only that; None where ``data`` are the whole data set.
        settings: How scores are taken.
    """

    representation: Representation
    data: Dataset
    seed: int
    draws: Draws | None = None
    settings: ScoreSettings = field(default_factory=ScoreSettings)

    def points(self, number: int) -> tuple[np.ndarray, Any]:
        """Codes and factors of ``number`` points, or of all data where there are fewer."""
        index = self._order[:number]
        codes = self.representation.codes
        z = np.asarray(codes(self.data.images[index])) if callable(codes) else codes[index]
        return z, None if self.data.factors is None else self.data.factors[index]

    @cached_property
    def _order(self) -> np.ndarray:
        if self.draws is None:
            return np.random.default_rng(self.seed).permutation(len(self.data))
        return np.searchsorted(self.draws.index, self.draws.of_repeat(self.seed))

    @cached_property
    def is_active(self) -> np.ndarray:
        """Which latents have a mean KL above 0.01 nats, or where that is not known, codes of a variance above 0.01."""
        if self.representation.kl is not None:
            return np.asarray(self.representation.kl) > ACTIVE_ABOVE
        return active_units_variance(self.points(MOST_POINTS)[0], ACTIVE_ABOVE)

    def of_active(self) -> Sample:
        """The sample with the codes of the active latents alone.

        Raises:
            ValueError: There are none.
        """
        if not self.is_active.any():
            raise ValueError("no latent is active")
        return replace(self, representation=self.representation.of_latents(self.is_active))

    @property
    def arguments(self) -> tuple[Any, Dataset]:
        """Codes, or an encoder, and all data: the arguments of a metric that draws its points by factor."""
        return self.representation.codes, self.data
