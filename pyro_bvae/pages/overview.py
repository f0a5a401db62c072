"""Several runs in one table that can be sorted; of a comparison, its figures and its choices side by side too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..comparison import LEAST_RATE, MeanDeviation, RunRow, cell, departure, on_curves, rows_in, summarise
from ..comparison.report import figures, figures_without_data
from ..files import holds_run
from ..plots import optional
from ..settings.shown import in_words
from ..settings.words import plain
from .captions import Captions
from .markup import Content, Markup, element, joined, sentence, with_minus
from .measured import Measured
from .sections import anchor

__all__ = ["is_comparison", "overview", "rows_of", "side_by_side"]

DIGITS = {
    "beta": ("β", ".4g"),
    "elbo": ("ELBO", ".2f"),
    "distortion": ("D", ".2f"),
    "rate": ("R", ".2f"),
    "bits_per_dim": ("bits/dim", ".3f"),
    "mse": ("MSE", ".4g"),
    "ssim": ("SSIM", ".3f"),
    "probe_accuracy": ("probe", ".3f"),
    "active_units": ("active", ".3g"),
    "seconds": ("seconds", ".1f"),
    "slope": ("dD/dR", ".3f"),
}
CAPTIONS = {
    "rate_distortion": "Rate and distortion of each run, held out, in nats: small dots are runs, large ones means over "
    "seeds, and the line is their lower convex hull. At the optimum its slope is −β.",
    "learning": "The held-out ELBO during training: a line a run, and a colour a choice.",
    "column": "What was varied, and what it does: means over seeds, with standard deviations where there are several.",
    "gallery": "The same held-out data on top, their reconstructions below, one choice a row, samples on the right.",
    "traversals": "Sweeps of single latents of each choice, from the same held-out datum, which stands on the left.",
}


def is_comparison(folder: Path) -> bool:
    """Whether a folder is one that `compare` made."""
    return (folder / "comparison.json").is_file() and not (folder / "config.json").is_file()


def rows_of(folder: Path) -> list[RunRow]:
    """The rows of a comparison, with its runs where they lie now: it may have moved with them.

    Raises:
        ValueError: Its comparison.json is damaged, or another version's.
        FileNotFoundError: It has no run that is there.
    """
    there = [row for row in rows_in(folder) if holds_run(Path(row.run))]
    if not there:
        raise FileNotFoundError(f"{folder} has no finished run: type its compare command again, and then report")
    return on_curves(there)


def overview(runs: Sequence[Measured], captions: Captions, is_compared: bool, place: Mapping[str, Any]) -> Markup:
    """The table over the runs, and the figures of a comparison.

    Args:
        runs: Each with its row.
        captions: Of the report.
        is_compared: Whether they are a comparison.
        place: Where their data and programs lie now, as `load_run` takes them.
    """
    rows = [one.row for one in runs if one.row is not None]
    parts: list[Content] = [_table(runs, captions)]
    if any(summary.seeds > 1 for summary in summarise(rows)):
        parts.append(_means(runs, rows, captions))
    parts.append(_notes(rows))
    if is_compared:
        drawn = {}
        with optional("the pictures of the comparison"):
            drawn = figures(rows, **place) if runs[0].data is not None else figures_without_data(rows)
        for name, figure in drawn.items():
            text = next(text for start, text in CAPTIONS.items() if name.startswith(start))
            parts.append(captions.figure(figure, text, name.replace("_", " ")))
    return joined(parts)


def _table(runs: Sequence[Measured], captions: Captions) -> Markup:
    """A row a run, each with a link to its section."""
    columns = [name for name in DIGITS if any(_value(one, name) is not None for one in runs)]
    scores = list(dict.fromkeys(name for one in runs if one.row is not None for name in one.row.scores))
    datasets = len({one.dataset for one in runs}) > 1
    heads = ["run", *(["data"] if datasets else []), *(DIGITS[name][0] for name in columns), *scores]
    lines = []
    for place, one in enumerate(runs):
        link = element("a", one.title, href=f"#{anchor(place)}")
        cells = [_cell(_value(one, name), DIGITS[name][1]) for name in columns]
        of_scores = [_cell(None if one.row is None else one.row.scores.get(name), ".3f") for name in scores]
        lines.append([link, *([one.dataset] if datasets else []), *cells, *of_scores])
    caption = (
        "The runs, held out, at β 1: information in nats, errors in the data's units. A click on a column's head sorts "
        "by it, and a run's name leads to its section."
    )
    return captions.table(caption, heads, lines, class_="sortable")


def _value(one: Measured, name: str) -> float | None:
    if name == "beta":
        return one.beta
    value: float | None = None if one.row is None else getattr(one.row, name)
    return value


def _means(runs: Sequence[Measured], rows: Sequence[RunRow], captions: Captions) -> Markup:
    """A row a choice: means and standard deviations over its seeds."""
    summaries = summarise(rows)
    names = [name for name in DIGITS if any(summary.as_dict().get(name) is not None for summary in summaries)]
    lines = []
    for summary in summaries:
        first = next(place for place, one in enumerate(runs) if one.row is not None and one.row.label == summary.label)
        values = summary.as_dict()
        cells = [_spread(values[name], DIGITS[name][1], summary.extremes.get(name)) for name in names]
        lines.append([element("a", summary.label, href=f"#{anchor(first)}"), str(summary.seeds), *cells])
    caption = "The choices: means over seeds, ± one standard deviation."
    return captions.table(caption, ["choice", "seeds", *(DIGITS[name][0] for name in names)], lines, class_="sortable")


def _spread(value: Any, form: str, extremes: tuple[float, float] | None) -> str:
    if isinstance(value, MeanDeviation) and extremes is not None:  # a count
        return cell(value, 3, extremes)
    if value is None or isinstance(value, float):
        return _cell(value, form)
    deviation = f" ± {_cell(value.deviation, form)}" if value.deviation else ""
    return _cell(value.mean, form) + deviation


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else with_minus(in_words(value, form))


def _notes(rows: Sequence[RunRow]) -> Markup | None:
    """What has to be known before rows are compared."""
    summaries, lines = summarise(rows), []
    if len({row.data for row in rows}) > 1:
        lines.append("The runs are of different data: no number of one compares with that of another.")
    if len({row.nats for row in rows}) > 1:
        lines.append(
            "Nats of densities, of masses and of cross-entropies do not compare; bits per dimension and errors do."
        )
    falling = [plain(summary.label) for summary in summaries if summary.still_falling]
    if falling:
        lines.append(
            f"The held-out loss of {', '.join(falling)} was still falling: train for longer before you rank them."
        )
    median = departure(summaries)
    if median is not None:
        lines.append(
            f"At the optimum the slope dD/dR is −β. Here the median of |slope + β|/β, over rates above {LEAST_RATE:g} "
            f"nat and without the ends of a curve, is {median:.2f}."
        )
    return element("p", sentence(*lines)) if lines else None


def side_by_side(runs: Sequence[Measured]) -> Markup:
    """Two runs to choose, whose sliders then stand beside each other."""

    def choice(side: str, chosen: int) -> Markup:
        options = [
            element("option", one.title, value=place, selected=place == chosen) for place, one in enumerate(runs)
        ]
        return element("label", f"{side} ", element("select", options, data_side=side.lower()))

    last, is_same = len(runs) - 1, len({one.config["fingerprint"] for one in runs}) == 1
    start = f"Each starts from {'the same held-out datum' if is_same else 'a held-out datum of its own data'}"
    return element(
        "section",
        element("h3", "Two of them side by side"),
        element("p", f"{start}, and has its own sliders."),
        element("p", choice("Left", 0), " ", choice("Right", last), class_="sides"),
        element("div", class_="live", data_pair=True),
        class_="part pair",
        id="pair",
    )
