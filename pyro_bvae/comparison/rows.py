"""A row of a comparison: what one run was, and its numbers on held-out data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_type_hints

from ..scoring import METRICS, score_columns
from ..settings.kinds import is_of
from ..settings.shown import restored

__all__ = ["RunRow", "named_alike"]


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

    def as_dict(self) -> dict[str, Any]:
        """All by name, as in comparison.json and comparison.csv: a column a score, in the place of ``scores``."""
        columns: dict[str, Any] = {}
        for name, value in asdict(self).items():
            columns |= value if name == "scores" else {name: value}
        return columns

    def as_stored(self) -> dict[str, Any]:
        """What an evaluation.json holds: all that does not depend on the other runs of a comparison."""
        return {name: value for name, value in self.as_dict().items() if name not in ("curve", "slope")}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> RunRow | None:
        """The row from an evaluation.json; None where another version wrote other columns, or it is damaged."""
        if not isinstance(stored, Mapping):
            return None
        stored = restored(stored)
        scores = {name: value for name, value in stored.items() if name in score_columns(METRICS)}
        rest = {name: value for name, value in stored.items() if name not in scores}
        expected = {field.name for field in fields(cls)} - {"scores", "curve", "slope"}
        hints = get_type_hints(cls)
        is_whole = rest.keys() == expected and all(is_of(hints[name], value) for name, value in rest.items())
        return cls(**rest, scores=scores) if is_whole and is_of(dict[str, float | None], scores) else None


def named_alike(rows: Sequence[RunRow]) -> list[RunRow]:
    """The rows, with one name for the same data, which may lie in several places: the first among them."""
    names: dict[str, str] = {}
    return [replace(row, data=names.setdefault(row.data.rpartition("#")[2], row.data)) for row in rows]
