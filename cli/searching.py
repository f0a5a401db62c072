"""``compare --search``: its options, its trials, and what is printed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.files import wanted
from pyro_bvae.settings.options import SETTINGS
from pyro_bvae.settings.searched import SEARCHABLE, as_text, as_typed, searched, written
from pyro_bvae.settings.spelling import as_options, option_words
from pyro_bvae.settings.words import one_line, plain

from .board import named
from .errors import said
from .formats import TableFormat, echo_table
from .kinds import Text
from .settings import is_typed
from .sweeping import fit_each, loaded
from .tables import Table

if TYPE_CHECKING:
    from pyro_bvae.comparison import Aim, RunRow, Search
    from pyro_bvae.sweeps import Crew

__all__ = ["SEARCH_OPTIONS", "Asked", "Outcome", "fit_trials", "print_search", "search_options"]

SEARCH_OPTIONS = ("search", "trials", "maximise", "minimise")
MOST_TRIALS = 9999  # that the names of their folders have digits for


@dataclass(frozen=True)
class Asked:
    """A search as it was typed: what is varied, how many trials there are to be, and what a good one is."""

    text: str
    trials: int
    maximise: tuple[str, ...]
    minimise: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a search has come to.

    Attributes:
        search: Its trials.
        rows: The rows of the fits that went well, in the order of the trials.
        failed: A line for each fit that did not end, for reasons of the machine; the same command goes on with it.
    """

    search: Search
    rows: list[RunRow]
    failed: list[str]

    def rows_of_front(self, rows: Sequence[RunRow]) -> list[RunRow]:
        """The rows of the best trials, to be shown by themselves: as if no setting varied between them."""
        labels = {f"trial {trial.number}" for trial in self.search.front()}
        return [replace(row, varied={}) for row in rows if row.label in labels]

    def content(self) -> dict[str, Any]:
        """The best trials and what the settings explain, for JSON."""
        runs: dict[str, list[str]] = {f"trial {trial.number}": [] for trial in self.search.front()}
        for row in self.rows_of_front(self.rows):
            runs[row.label].append(row.run)
        front = [
            {"trial": trial.number, "settings": trial.settings, "values": trial.values, "runs": runs[label]}
            for label, trial in zip(runs, self.search.front(), strict=True)
        ]
        return {"front": front, "importances": self.search.importances()}


def search_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a search, which it is called with as ``search``: None where there is to be none."""

    @click.option(
        "--search", type=Text("search", searched), metavar="NAME=LOW..HIGH [log] [step S], NAME=A|B, ...",
        help="In place of all combinations, let Optuna propose values of these options.",
    )  # fmt: skip
    @click.option(
        "--trials", type=click.IntRange(1, MOST_TRIALS), default=40, show_default=True,
        help="How many combinations a search tries, with those that are there.",
    )  # fmt: skip
    @click.option(
        "--maximise", metavar="COLUMN", multiple=True, help="What is to be large, like elbo; may be repeated."
    )
    @click.option(
        "--minimise", metavar="COLUMN", multiple=True, help="What is to be small, like rate; may be repeated."
    )
    @wraps(command)
    def searching(*arguments: Any, search: str | None, trials: int, **given: Any) -> Any:
        ctx = click.get_current_context()
        asked = _asked(ctx, search, trials, given.pop("maximise"), given.pop("minimise"))
        return command(*arguments, search=asked, **given)

    return searching


def _asked(
    ctx: click.Context, text: str | None, trials: int, maximise: tuple[str, ...], minimise: tuple[str, ...]
) -> Asked | None:
    """What is typed, if it goes together.

    Raises:
        click.UsageError: It does not.
    """
    if text is None:
        typed = [option_words(name) for name in SEARCH_OPTIONS if is_typed(ctx, name)]
        if typed:
            raise click.UsageError(f"{', '.join(typed)} belongs to a search: say --search too", ctx)
        return None
    if not (maximise or minimise):
        raise click.UsageError("say what a good trial is, like --maximise elbo or --minimise rate", ctx)
    for span in searched(text):
        if is_typed(ctx, span.name):
            option = option_words(span.name).partition("/")[0]
            raise click.UsageError(f"{option} is searched over: leave it out, or take it out of --search", ctx)
        if span.name == "beta" and is_typed(ctx, "beta_norm"):
            raise click.UsageError("--beta-norm sets the β that is searched over: leave it out", ctx)
    for name in (*SETTINGS, "beta_norm"):
        if isinstance(ctx.params.get(name), tuple) and len(ctx.params[name]) > 1 and is_typed(ctx, name):
            rest = ": put its values into --search" if name in SEARCHABLE else ""
            raise click.UsageError(f"a search takes {option_words(name)} once{rest}", ctx)
    wanted("optuna", "a search", "search")
    from pyro_bvae.comparison import aims_of

    try:
        aims_of(maximise, minimise)
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error
    return Asked(written(searched(text)), trials, maximise, minimise)


def fit_trials(
    asked: Asked,
    grid: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    particles: int,
    crew: Crew,
    metrics: Sequence[str],
    out: Path,
    changed_program: bool = False,
) -> Outcome:
    """Carry out a search, and show how far it is.

    Args:
        asked: The search.
        grid: All settings, each with its value; those of what is searched over do not matter.
        seeds: Under which each trial is fitted.
        particles: Draws for the importance-weighted bound.
        crew: Who fits.
        metrics: Scores to take, beside those that the search looks at.
        out: The comparison's folder.
        changed_program: Whether runs that are there may go on with another file of programs than theirs.

    Raises:
        ValueError: A trial cannot be fitted, or will not have what is looked for.
    """
    from pyro_bvae import comparison

    spans, aims = searched(asked.text), comparison.aims_of(asked.maximise, asked.minimise)
    fixed = {name: values[0] for name, values in grid.items()}
    comparison.check_search(spans, aims, fixed, loaded(fixed), particles)
    search = comparison.Search(out, spans, aims, seeds)
    columns = comparison.metrics_of(aims, metrics)
    rows: dict[tuple[int, int], RunRow] = {}
    failed = []
    todo = search.choices(fixed, asked.trials, changed_program)
    with closing(fit_each(todo, search.fits(asked.trials), particles, crew, columns)) as results:
        for choice, row in results:
            search.note(choice, row)
            if isinstance(row, OSError):
                failed.append(f"{named(choice)}: {said(row, None)}")
            elif not isinstance(row, Exception):
                rows[int(choice.label.removeprefix("trial ")), seeds.index(row.seed)] = row
    return Outcome(search, [rows[place] for place in sorted(rows)], failed)


def print_search(outcome: Outcome, out: Path, table_format: TableFormat) -> None:
    """The best trials, what the settings explain, and which trials failed."""
    say = partial(click.echo, err=table_format != "text")
    search, trials = outcome.search, outcome.search.trials()
    names = [span.name for span in search.spans]
    titles = ["trial", *map(as_typed, names), *map(_title, search.aims)]
    cells = [
        [str(trial.number), *(as_text(trial.settings[name]) for name in names),
         *(_cell(aim, (trial.values or {})[aim.column]) for aim in search.aims)]
        for trial in search.front()
    ]  # fmt: skip
    what = "Pareto front" if len(search.aims) > 1 else "best"
    heading = f"{what} of {len(trials)} trials: {', '.join(aim.text for aim in search.aims)}"
    echo_table(Table(titles, cells), table_format, heading)
    if shares := search.importances():
        say("")
        lines = [[as_typed(name), *(f"{of_aim[name]:.2f}" for of_aim in shares.values())] for name in names]
        aims = [aim for aim in search.aims if aim.column in shares]
        heading = "share of the variance over the searched space that each setting explains (fANOVA)"
        echo_table(Table(["", *map(_title, aims)], lines), table_format, heading)
    falling = dict.fromkeys(row.label for row in outcome.rows_of_front(outcome.rows) if row.still_falling)
    if falling:
        say(f"still falling: the held-out loss of {', '.join(falling)}; train for longer before you rank them")
    for trial in trials:
        if trial.failed and trial.twin is None:
            click.echo(f"note    trial {trial.number} failed: {as_options(one_line(trial.failed))}", err=True)
    means = f"means over {len(search.seeds)} seeds" if len(search.seeds) > 1 else "one seed each"
    pictures = " and the PNGs beside it" if any(out.glob("*.png")) else ""
    say(f"\n{means}, held out; all trials in {plain(out / 'comparison.csv')}{pictures}")


def _title(aim: Aim) -> str:
    from pyro_bvae.comparison import column_of

    return column_of(aim.column).title


def _cell(aim: Aim, value: float) -> str:
    from pyro_bvae.comparison import cell, column_of

    return cell(value, column_of(aim.column).digits)
