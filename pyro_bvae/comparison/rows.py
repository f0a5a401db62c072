"""A row of a comparison: what one run was, and its numbers on held-out data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from math import isclose
from typing import Any, get_type_hints

from ..scoring import METRICS, ScoreSettings, concerns, score_columns
from ..settings.kinds import is_of
from ..settings.shown import restored

__all__ = ["RunRow", "merged", "named_alike"]

BOOSTER = "booster"  # a setting of scores, and what stands beside them
OF_A_COMPARISON = ("curve", "slope", "varied")  # what depends on the other runs


@dataclass(frozen=True)
class RunRow:
    """One run. Columns from ``elbo`` to ``images`` are those of `evaluation.Evaluation`, from which they are taken.

    Attributes:
        label: The settings that vary, with their values; or the folder's name.
        seed: The seed of the fit.
        run: The run's folder.
        step: Training steps taken.
        data: The data, by name and by the start of their fingerprint: equal for equal values, labels and split.
        seconds: Seconds of training; None where the run has no history.
        beta: The β of the training; None where the objective does not weigh the rate with it.
        probe_accuracy: Held-out accuracy of a linear classifier of the labels; None for data without labels.
        still_falling: Whether the held-out loss was still going down when training stopped; such a run ranks nothing.
        scores: The metrics asked for, by column.
        curve: The rate–distortion curve that the run lies on, filled in by `on_curves`; None where there is none.
        slope: The slope dD/dR of the curve at this β, likewise.
        varied: The settings that vary in the comparison, by name, as columns have them.
    """

    label: str
    seed: int
    run: str
    step: int
    data: str
    seconds: float | None
    elbo: float
    distortion: float
    rate: float
    rate_standard_error: float | None = field(default=None, kw_only=True)
    kl_per_latent: list[float] | None
    active_units: int | None
    iw_bound: float | None
    particles: int
    nats: str
    bits_per_dim: float | None
    mse: float
    psnr: float | None
    ssim: float | None
    coverage_50: float | None
    coverage_90: float | None
    beta: float | None
    beta_norm: float
    images: int
    probe_accuracy: float | None
    still_falling: bool
    scores: Mapping[str, float | None]
    curve: str | None = None
    slope: float | None = None
    varied: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All by name, as in comparison.json and comparison.csv: a column a score and a setting that varies.

        Settings stand after the seed. One that is a measure too, as β, has one column.
        """
        columns = self.as_stored()
        front = {name: columns[name] for name in ("label", "seed")}
        settings = {name: merged(value, columns.get(name)) for name, value in self.varied.items()}
        return {**front, **settings, **columns, **settings, "curve": self.curve, "slope": self.slope}

    def as_stored(self) -> dict[str, Any]:
        """What an evaluation.json holds: all that does not depend on the other runs of a comparison.

        Beside scores of DCI stands the booster of its trees.
        """
        columns: dict[str, Any] = {}
        for name, value in asdict(self).items():
            columns |= value if name == "scores" else {} if name in OF_A_COMPARISON else {name: value}
        has_trees = any(concerns(BOOSTER, name) for name in self.scores)
        return columns | ({BOOSTER: ScoreSettings.booster} if has_trees else {})

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any], varied: Collection[str] = ()) -> RunRow | None:
        """The row from an evaluation.json, or from a comparison.json with these settings that vary.

        Scores of DCI whose trees another booster has grown, as those of older versions, are left out: they cannot be
        compared, and are taken anew where they are asked for.

        Returns:
            The row; None where another version wrote other columns, or it is damaged.
        """
        if not isinstance(stored, Mapping):
            return None
        columns, hints = {"rate_standard_error": None, **restored(stored)}, get_type_hints(cls)  # that of older files
        expected = {field.name for field in fields(cls)} - {"scores", *OF_A_COMPARISON}
        is_current = columns.pop(BOOSTER, None) == ScoreSettings.booster
        stored_scores = {name: value for name, value in columns.items() if name in score_columns(METRICS)}
        scores = {name: value for name, value in stored_scores.items() if is_current or not concerns(BOOSTER, name)}
        settings = {name: columns[name] for name in varied if name in columns}
        rest = {name: value for name, value in columns.items() if name not in {*stored_scores, "curve", "slope"}}
        rest = {name: value for name, value in rest.items() if name in expected or name not in settings}
        is_whole = rest.keys() == expected and all(is_of(hints[name], value) for name, value in rest.items())
        is_whole = is_whole and is_of(dict[str, float | None], scores)
        return cls(**rest, scores=scores, varied=settings) if is_whole else None


def merged(setting: Any, measure: Any) -> Any:
    """The value of a column that holds a setting and a measure: the measure, unless it is none or the setting itself.

    >>> merged(4.0, None), merged(0.001, 0.0010000000000000002), merged(1.0, 3.7)
    (4.0, 0.001, 3.7)
    """
    if measure is None or (isinstance(setting, float) and isclose(setting, measure, rel_tol=1e-6)):
        return setting
    return measure


def named_alike(rows: Sequence[RunRow]) -> list[RunRow]:
    """The rows, with one name for the same data, which may lie in several places: the first among them."""
    names: dict[str, str] = {}
    return [replace(row, data=names.setdefault(row.data.rpartition("#")[2], row.data)) for row in rows]
