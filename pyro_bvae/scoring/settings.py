"""How scores are taken, where the literature leaves a choice or a habit misleads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ..datasets import Dataset
from ..settings.names import BINNINGS, BOOSTERS, CODES, check

__all__ = ["ScoreSettings", "concerns", "names_of_factors", "of_factors"]

BY_TREES = ("dci-disentanglement", "dci-completeness", "dci-informativeness")
BY_BINS = ("mig", "mig-sup", "modularity")


@dataclass(frozen=True)
class ScoreSettings:
    """How scores are taken.

    Attributes:
        booster: How the trees of DCI are grown, see `metrics.dci`.
        bins: "width" or "quantile": how `mig`, `mig-sup` and `modularity` cut latents, see `mutual_information`.
        codes: "mean" takes the means of q(z | x), "sample" a draw of it for each datum; baselines are as they are.
        factors: Names of the factors to score against; by default all.
        active_only: Whether metrics are taken of the active latents alone as well.

    Raises:
        ValueError: An unknown name.
    """

    booster: str = BOOSTERS[0]
    bins: str = BINNINGS[0]
    codes: str = CODES[0]
    factors: tuple[str, ...] = ()
    active_only: bool = False

    def __post_init__(self) -> None:
        check("booster", self.booster, BOOSTERS)
        check("bins", self.bins, BINNINGS)
        check("codes", self.codes, CODES)

    def changed(self) -> dict[str, Any]:
        """Those that are not the defaults, but for `active_only`, which columns tell.

        >>> ScoreSettings(bins="quantile", active_only=True).changed()
        {'bins': 'quantile'}
        """
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "active_only"}
        return {name: value for name, value in values.items() if value != getattr(ScoreSettings, name)}

    def as_dict(self, data: Dataset) -> dict[str, Any]:
        """How scores of these data were taken, as in scores.json."""
        names = names_of_factors(of_factors(data, self.factors))
        return {"booster": self.booster, "bins": self.bins, "codes": self.codes, "factors": names}


def concerns(setting: str, column: str) -> bool:
    """Whether a setting can change the score of a column.

    >>> concerns("booster", "dci-completeness-active"), concerns("booster", "mig"), concerns("codes", "mig")
    (True, False, True)
    """
    of = {"booster": BY_TREES, "bins": BY_BINS}.get(setting)
    return of is None or column.partition("[")[0].removesuffix("-active") in of


def names_of_factors(data: Dataset) -> list[str]:
    """The names of the factors; those that have none are numbered."""
    count = 0 if data.factors is None else data.factors.shape[1]
    return list(data.factor_names or [f"factor {column}" for column in range(count)])


def of_factors(data: Dataset, chosen: Sequence[str]) -> Dataset:
    """The data with the factors of those names alone, in their own order; all where none is chosen.

    Raises:
        ValueError: The data have no factors, or none of such a name.
    """
    if not chosen or data.factors is None:
        if chosen:
            raise ValueError(f"{data.name} has no factors to choose from")
        return data
    names = names_of_factors(data)
    for name in chosen:
        check("factor", name, names)
    columns = [column for column, name in enumerate(names) if name in chosen]
    sizes = None if data.factor_sizes is None else [data.factor_sizes[column] for column in columns]
    return replace(
        data, factors=data.factors[:, columns], factor_names=[names[column] for column in columns], factor_sizes=sizes
    )
