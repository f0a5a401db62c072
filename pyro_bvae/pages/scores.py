"""The scores that `score` left in the run's folder or beside it, with its heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ..files import read_json
from ..scoring import METRICS, ScoreSettings, concerns, names_of_factors, score_columns
from ..settings.spelling import pasted
from ..settings.words import plain
from .captions import Captions
from .markup import Markup, element, joined, with_minus
from .measured import Measured

__all__ = ["scores"]

MEANINGS = {
    "beta-vae-paper": "Which factor do pairs of data share, as a linear classifier of code differences sees it? "
    "(protocol of the β-VAE paper)",
    "beta-vae": "The same, in another protocol.",
    "factor-vae": "Which latent varies least while one factor is held?",
    "mig": "Is each factor in one latent alone, by mutual information?",
    "mig-sup": "Is each latent of one factor alone, by mutual information?",
    "mig-chen": "As mig, of draws of z over the whole aggregate posterior, without the shape.",
    "modularity": "Does each latent carry information on one factor alone?",
    "sap": "Is each factor in one latent alone, by the accuracy of a linear classifier?",
    "dci-disentanglement": "Does each latent serve one factor alone, by the importance for boosted trees?",
    "dci-completeness": "Is each factor in one latent alone, by the same importance?",
    "dci-informativeness": "How much of the factors do boosted trees read off the code?",
    "explicitness": "How well does a linear classifier read the factors off the whole code? Chance is 0.5.",
    "info-m": "Does each active latent tell of one factor alone, by nearest neighbours? (InfoM)",
    "info-e": "How much of the factors does a linear classifier predict, beside one without the code? (InfoE)",
    "info-c": "Is each factor in one active latent alone, by nearest neighbours? (InfoC)",
    "dci-es-explicitness": "Does a small probe read the factors off as well as a large one? Read it beside the next.",
    "dci-es-informativeness": "How much of the factors does the best of these probes read?",
    "dci-es-size": "Factors over latents.",
    "one-to-one": "Is each factor that is held a one-to-one function of its latent? 0 where it folds in the middle.",
    "irs": "Does a latent stay where it is while all factors but its own change?",
    "udr": "Do runs of other seeds learn the same latents?",
    "total-correlation": "How dependent are the posterior means, as a Gaussian, in nats? Low is good.",
    "mutual-information-score": "How much do latents tell of one another, in nats? Low is good.",
    "wasserstein-correlation": "How far are the posterior means from uncorrelated, as a Gaussian? Low is good.",
    "wasserstein-correlation-normalised": "The same, as a share of their variance.",
    "active-units": "How many latents have a mean KL above 0.01 nats, or else codes that vary?",
    "probe": "How well does a linear classifier read the labels off the codes?",
}
OF_ACTIVE = score_columns([name for name, metric in METRICS.items() if metric.whole is not None])
MEANINGS |= dict.fromkeys(OF_ACTIVE, "The same, of the active latents alone.")
PICTURES = {
    "information": "The mutual information of each latent with each factor, as a share of the factor's entropy. In a "
    "disentangled code each row and each column has one dark cell.",
    "importances": "The importance of each latent for boosted trees that predict each factor (DCI).",
    "nearest_information": "The same by nearest neighbours, which InfoM and InfoC are taken of.",
    "one_to_one": "How far each factor is a one-to-one function of the latents that hold it: 0 where the code folds in "
    "the middle. Cells are empty where a latent does not hold the factor.",
    "responses": "The mean code against each factor: a latent that follows one factor has a slope in its column, and "
    "is flat in all others.",
}
OLDER = {"booster": "histogram"}  # of files that do not say how scores were taken: the default of their time
PNG = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 2**21  # of a picture


def scores(one: Measured, captions: Captions) -> Markup:
    """The scores of a run, where some were taken."""
    of_columns, how = _rows_of_columns(one)
    if not of_columns:
        return element("p", _none(one), class_="aside")
    labels = list(dict.fromkeys(_label(one, row) for rows in of_columns.values() for row in rows))
    lines = []
    for column, rows in of_columns.items():
        cells = [_cell([row for row in rows if _label(one, row) == label], column) for label in labels]
        lines.append([column, *cells, " ".join(filter(None, [MEANINGS.get(column, ""), how[column]]))])
    repeats = 1 + max(int(row.get("repeat", 0)) for rows in of_columns.values() for row in rows)
    spread = f", ± one standard deviation over {repeats} repeats" if repeats > 1 else ""
    caption = f"Scores of disentanglement, against the factors that the data were made of: means{spread}."
    table = captions.table(caption, ["metric", *labels, "what it asks"], lines, class_="of-settings")
    return joined(table, [captions.figure(png, PICTURES[name], name) for name, png in _pictures(one).items()])


def _none(one: Measured) -> str:
    """Why there are no scores."""
    if one.data is not None and one.data.factors is None:
        return "No scores were taken: metrics of disentanglement want the factors of the data, and these have none."
    command = pasted("pyro-bvae", "score", one.typed or "RUN")
    return f"No scores were taken. Where the data have factors, {command} takes them, and the next report has them."


Rows = list[Mapping[str, Any]]


def _rows_of_columns(one: Measured) -> tuple[dict[str, Rows], dict[str, str]]:
    """For each score the rows that have it, of this run and of baselines, and what is to be said of how it was taken.

    They come from the first file that knows the run, of those that were taken with the fewest settings changed.
    """
    if one.run.path is None:
        return {}, {}
    folders = (one.run.path, one.run.path.resolve().parent)
    files = [_stored(one, file) for folder in folders for file in sorted(folder.glob("scores*.json"))]
    known: dict[str, Rows] = {}
    how: dict[str, str] = {}
    for changed, rows in sorted(files, key=lambda file: len(file[0])):
        some = [row for row in rows if _is_of(one.run.path, row)]
        for column in score_columns(METRICS):
            there = [row for row in some if row.get(column) is not None]
            if column not in known and any(not _is_baseline(row) for row in there):
                said = ", ".join(f"{name} {value}" for name, value in changed.items() if concerns(name, column))
                known[column], how[column] = there, f"Taken with {plain(said)}." if said else ""
    return {column: known[column] for column in score_columns(METRICS) if column in known}, how


def _stored(one: Measured, file: Path) -> tuple[dict[str, str], Rows]:
    """The settings of a file's scores that are not the defaults, and its rows; none where it is damaged."""
    try:
        content = read_json(file)
        rows = content["scores"]
        return _changed(one, content.get("settings", OLDER)), [
            row for row in rows if isinstance(row, dict) and isinstance(row.get("run"), str) and "label" in row
        ]
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return {}, []


def _changed(one: Measured, settings: Mapping[str, Any]) -> dict[str, str]:
    every = [] if one.data is None else names_of_factors(one.data)
    usual = {"booster": ScoreSettings.booster, "bins": ScoreSettings.bins, "codes": ScoreSettings.codes}
    changed = {name: str(settings[name]) for name, value in usual.items() if settings.get(name, value) != value}
    chosen = settings.get("factors", every)
    return changed if one.data is None or chosen == every else changed | {"factors": ", ".join(map(str, chosen))}


def _is_of(path: Path, row: Mapping[str, Any]) -> bool:
    return _is_baseline(row) or Path(row["run"]).name == path.resolve().name


def _is_baseline(row: Mapping[str, Any]) -> bool:
    return bool(row["run"] == row["label"])


def _label(one: Measured, row: Mapping[str, Any]) -> str:
    return plain(row["label"]) if _is_baseline(row) else one.title


def _cell(rows: Sequence[Mapping[str, Any]], column: str) -> str:
    values = [float(row[column]) for row in rows if isinstance(row.get(column), int | float)]
    if not values:
        return "–"
    said = f"{mean(values):.3f}"
    deviation = stdev(values) if len(values) > 1 else 0.0
    return with_minus(f"{said} ± {deviation:.3f}" if deviation else said)


def _pictures(one: Measured) -> dict[str, bytes]:
    """The figures that `score` drew into the run's folder."""
    assert one.run.path is not None
    drawn = {}
    for name in PICTURES:
        file = one.run.path / "figures" / f"{name}.png"
        if file.is_file() and file.stat().st_size <= MOST_BYTES and (png := file.read_bytes()).startswith(PNG):
            drawn[name] = png
    return drawn
