"""What a search looks for: columns of a comparison that are to be large, or small.

All that can be known beforehand is asked before the first trial: whether these data, models and metrics have such a
column, and whether its values compare between the trials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyro

from ..datasets import Dataset, pixels
from ..evaluation import evaluate
from ..evaluation.probe import has_classes
from ..objectives import Sizes, build_objective
from ..runs.building import build_model
from ..scoring import METRICS, applicable, score_columns
from ..settings.names import check
from ..settings.options import TRAINING
from ..settings.parsing import specified
from ..settings.searched import Span, Values
from ..settings.training import TrainingSettings
from ..terms import given_to
from ..training.checks import check_data, check_programs
from .rows import RunRow
from .summaries import MEASURES

__all__ = ["Aim", "aims_of", "check_search", "metrics_of"]

OF_ONE_RUN = [name for name, metric in METRICS.items() if metric.take_of_runs is None]
COLUMNS = (*MEASURES, *score_columns(OF_ONE_RUN))
IN_NATS = ("elbo", "iw_bound", "distortion")  # which compare between likelihoods of one kind alone
FEW = 2  # data on which it is tried what there will be


@dataclass(frozen=True)
class Aim:
    """A column that is to be large, or small."""

    column: str
    is_maximised: bool

    @property
    def text(self) -> str:
        """What is done, like "maximise mig"."""
        return f"{'maximise' if self.is_maximised else 'minimise'} {self.column}"

    def value(self, row: RunRow) -> float | None:
        """The number that a run has in the column; None where it has none."""
        value = row.as_dict()[self.column]
        return None if value is None else float(value)


def aims_of(maximise: Sequence[str], minimise: Sequence[str]) -> tuple[Aim, ...]:
    """The aims of a search, columns by name.

    Raises:
        ValueError: There is none, a column is unknown, or it is named twice.

    >>> [aim.text for aim in aims_of(["mig"], ["bits-per-dim"])]
    ['maximise mig', 'minimise bits_per_dim']
    """
    aims = tuple(Aim(_column(name), sense) for names, sense in ((maximise, True), (minimise, False)) for name in names)
    if not aims:
        raise ValueError("a search wants to know what a good trial is: name a column to `maximise` or to `minimise`")
    columns = [aim.column for aim in aims]
    for column in columns:
        if columns.count(column) > 1:
            raise ValueError(f"the search is given {column} twice: a column is maximised or minimised, once")
    return aims


def _column(name: str) -> str:
    return check("column", name if name in COLUMNS else name.replace("-", "_"), COLUMNS)


def metrics_of(aims: Sequence[Aim], metrics: Sequence[str] = ()) -> tuple[str, ...]:
    """The metrics that are asked for, and those that the aims are columns of, each once.

    >>> metrics_of(aims_of(["dci-completeness", "elbo"], []), ["mig"])
    ('mig', 'dci')
    """
    columns = {aim.column for aim in aims}
    of_aims = [name for name in OF_ONE_RUN if columns & {*score_columns([name])}]
    return tuple(dict.fromkeys([*metrics, *of_aims]))


def check_search(
    spans: Sequence[Span | Values], aims: Sequence[Aim], fixed: Mapping[str, Any], data: Dataset, particles: int
) -> None:
    """Make sure that the trials of a search can be fitted, and will have the columns that it looks for.

    Models with fresh weights are tried on two data: one at the upper ends of all spans, and one for each value of those
    settings that have a few.

    Args:
        spans: What is varied.
        aims: What is looked for.
        fixed: All other settings; that of the seed does not matter.
        data: What the trials are fitted to.
        particles: Draws for the importance-weighted bound.

    Raises:
        ValueError: A trial cannot be fitted, has no number in a column, or none that compares with those of others.
    """
    applicable(metrics_of(aims), data, runs=1, latents=_fewest_latents(spans, fixed))
    if any(aim.column == "probe_accuracy" for aim in aims) and not has_classes(data):
        raise ValueError(f"probe_accuracy needs data with labels, and {data.name} has none that are classes")
    kinds: dict[str, str] = {}
    for settings in _tried(spans, fixed):
        row = _tried_row(settings, data, particles)
        kinds.setdefault(row["nats"], settings["likelihood"])
        for aim in aims:
            if row.get(aim.column, 0) is None:
                raise ValueError(f"{_lacking(aim.column)} {data.name} under the {settings['likelihood']} likelihood")
    in_nats = [aim.column for aim in aims if aim.column in IN_NATS]
    if len(kinds) > 1 and in_nats:
        said = " and ".join(f"a {kind} ({likelihood})" for kind, likelihood in kinds.items())
        raise ValueError(f"{in_nats[0]} does not compare between {said}: look for mse, or bits_per_dim if all have it")


def _fewest_latents(spans: Sequence[Span | Values], fixed: Mapping[str, Any]) -> int:
    span = next((span for span in spans if span.name == "latent_dim"), None)
    if span is None:
        return int(fixed["latent_dim"])
    return int(span.low if isinstance(span, Span) else min(span.values))


def _tried(spans: Sequence[Span | Values], fixed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Settings of a few trials, in which each value of those settings that have a few comes once."""
    upper = {span.name: span.high if isinstance(span, Span) else span.values[0] for span in spans}
    upper["seed"] = 0
    yield {**fixed, **upper}
    for span in spans:
        for value in span.values[1:] if isinstance(span, Values) else ():
            yield {**fixed, **upper, span.name: value}


def _tried_row(settings: Mapping[str, Any], data: Dataset, particles: int) -> dict[str, Any]:
    """The numbers of a model with fresh weights, after the checks that a fit begins with."""
    training = TrainingSettings(**{name: settings[name] for name in TRAINING})
    vae = build_model(settings, data.shape, data)
    check_data(vae, data)
    objective = specified(str(training.objective))
    elbo = build_objective(objective, Sizes.of(vae, data))
    moves = training.match_rate is not None or training.beta_schedule is not None
    few = data.rows(data.held_out[:FEW])
    with pyro.get_param_store().scope():  # apart from other programs that were run before
        check_programs(vae, elbo, pixels(few.images), moves, given_to(vae, few.extra))
    row = asdict(evaluate(vae, few, particles=min(particles, 1)))
    return row if objective.takes_beta else row | {"beta": None}


def _lacking(column: str) -> str:
    if column == "iw_bound":
        return "iw_bound needs `particles`: draws for the importance-weighted bound of"
    if column == "beta":
        return "the objective does not weigh the rate with `beta`, which is no result for"
    return f"there is no {column} of"
