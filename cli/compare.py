"""``pyro-bvae compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.files import held_folder
from pyro_bvae.settings.names import METRICS
from pyro_bvae.settings.options import BETA, DEFAULTS, SETTINGS
from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.spelling import as_options, option_words
from pyro_bvae.settings.words import one_line, plain

from .compared import print_comparison
from .formats import TableFormat, check_format, format_option
from .kinds import Name, Number, Numbers, RunPath, limits_of
from .options import CHANGED, echo_json, fit_options, json_option
from .progress import Counter, waiting_for
from .report import report_at_the_end
from .searching import SEARCH_OPTIONS, Asked, Outcome, fit_trials, print_search, search_options
from .settings import filled, given_once, is_typed
from .stopping import exit_code
from .sweeping import check_data, crew_of, crew_options, fit_all, how_it_stopped

if TYPE_CHECKING:
    from pyro_bvae.comparison import RunRow

__all__ = ["command"]

Look = tuple[str, str | None]  # format and width of figures
Drawing = tuple[Sequence[str], Look]  # the columns that are drawn against what was varied, and how

OF_ONE_RUN = tuple(name for name in METRICS if name != "udr")
# of no use to finished runs
OF_FITS = {*SETTINGS, *SEARCH_OPTIONS, "beta_norm", "recipe", "seeds", "jobs", "cluster"}
OF_FITS -= {"dataset", "data_root", "program", "figures", "figure_format", "figure_width", "report"}


@click.command("compare")
@fit_options(repeatable=True, without=("seed",))  # in its place there is --seeds
@click.option("--recipe", type=Name("recipe", tuple(RECIPES)), help="Settings of a published experiment to begin with.")
@click.option(
    "--beta-norm", type=Number(BETA), multiple=True, help="Set β through β_norm = βK/M, for K latents and M values."
)
@click.argument("runs", nargs=-1, type=RunPath())
@click.option(
    "--seeds",
    type=Numbers(limits_of("seed")),
    default="0",
    show_default=True,
    help="Seeds of every choice, like 0,1,2.",
)
@click.option("--particles", type=click.IntRange(0, 10**6), default=0, help="Draws for the importance-weighted bound.")
@click.option("--metric", "metrics", type=Name("metric", OF_ONE_RUN), multiple=True,
              help="Score of disentanglement to show as a column; may be repeated. UDR: score RUN RUN ...")  # fmt: skip
@search_options
@click.option("--column", "measures", metavar="COLUMN", multiple=True,
              help="Column to draw against what is varied, like elbo or active_units; may be repeated.  [default: the "
                   "first metric, or the ELBO]")  # fmt: skip
@crew_options
@click.option("--changed-program", is_flag=True, help=CHANGED)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs/comparison", show_default=True)
@format_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    recipe: str | None,
    runs: tuple[Path, ...],
    seeds: tuple[int, ...],
    particles: int,
    metrics: tuple[str, ...],
    measures: tuple[str, ...],
    jobs: int,
    cluster: str | None,
    changed_program: bool,
    out: Path,
    table_format: TableFormat,
    as_json: bool,
    search: Asked | None,
    **given: Any,
) -> None:
    """Fit every combination of the options that are repeated, and compare; or compare finished RUNS.

    All fits see the same data, split, budget and seeds. Their run folders, comparison.csv, comparison.json and
    figures go to --out; a finished run is not run again, a stopped one goes on, a failed one is reported. Type the
    command again, with other seeds, values or metrics if you like: it adds to what is there, also while another
    process works on it. Three β or more make a rate–distortion curve, whose slope dD/dR is −β at the optimum.

    With --search, Optuna proposes values in place of all combinations, to make columns of the comparison large or
    small. It prints the Pareto front: the trials that no other one beats in all of them.

    \b
    Examples:
        pyro-bvae compare --likelihood bernoulli --likelihood gaussian-learned --epochs 20 --seeds 0,1,2
        pyro-bvae compare --beta 0.5 --beta 1 --beta 2 --beta 4 --beta 8 --dataset digits --seeds 0,1 --out runs/betas
        pyro-bvae compare --likelihood gaussian --likelihood laplace --match rate=10 --out runs/matched
        pyro-bvae compare --dataset dsprites --beta 1 --beta 4 --steps 20000 --metric mig --metric beta-vae-paper
        pyro-bvae compare --beta-norm 0.01 --beta-norm 0.1 --latent-dim 5 --latent-dim 20 --column active_units
        pyro-bvae compare --recipe report-celeba --beta 5 --beta 250
        pyro-bvae compare --beta 1 --beta 4 --format latex > betas.tex
        pyro-bvae compare --search "beta=1..32 log, latent-dim=4..16" --trials 40 --maximise elbo --minimise rate
        pyro-bvae compare runs/comparison/bernoulli-seed0 runs/comparison/gaussian-learned-seed0 --out runs/two
    """
    from pyro_bvae import comparison

    check_format(ctx)
    target, outcome, place = None, None, _place(ctx, given) if runs else {}
    place |= {"program": given["program"], "changed_program": changed_program}
    failed: list[str] = []
    asked: dict[str, Any] = {"metrics": list(dict.fromkeys(metrics))}
    asked |= {"particles": [particles]} if is_typed(ctx, "particles") else {}
    if runs:
        runs = tuple(given_once("run", runs))
        asked |= {"runs": [str(run) for run in runs]}
        experiment = _grown(out, asked, measures)
        wanted = (experiment["particles"][0], experiment["metrics"])
        rows = [comparison.measured_anew(run, plain(run), *wanted, **place) for run in runs]
        _begin(out, asked)
    else:
        grid = _grid(ctx, given, recipe, comparison.settings_before(out))
        seeds = tuple(given_once("seed", seeds))
        target = grid["match_rate"][0] if len(grid["match_rate"]) == 1 else None
        asked |= {"search": [search.text]} if search else {}
        asked |= {name: list(values) for name, values in grid.items()} | {"seeds": seeds}
        _grown(out, asked, measures)
        if search is None:
            check_data(comparison.choices_of(grid, seeds, out), asked["metrics"])
        try:
            with crew_of(ctx, jobs, cluster, out) as crew:
                experiment = _begin(out, asked)  # after workers that are not there have been missed
                how = (experiment["particles"][0], crew, experiment["metrics"])
                if search is None:
                    rows, failed = fit_all(comparison.choices_in(out, grid, seeds, experiment, changed_program), *how)
                else:
                    outcome = fit_trials(search, grid, seeds, *how, out, changed_program)
                    rows, failed = outcome.rows, outcome.failed
        except KeyboardInterrupt as stop:
            click.echo(f"\n{how_it_stopped(stop)}", err=True)
            ctx.exit(exit_code(stop))
    drawing = (measures, (given["figure_format"], given["figure_width"])) if given["figures"] else None
    rows = _added(out, rows, place, drawing, outcome)
    if rows and given["report"]:
        report_at_the_end(out, as_json, **place)
    if as_json:
        content = comparison.content(experiment, rows)
        content = {name: content[name] for name in ("summary", "runs", "departure")}
        echo_json({**content, **(outcome.content() if outcome else {}), "failed": failed})
    elif outcome is not None:
        print_search(outcome, out, table_format)
    else:
        print_comparison(comparison.summarise(rows), target, out, table_format)
    for line in failed:
        click.echo(f"failed: {line}", err=True)
    if failed:
        ctx.exit(1)


def _grown(out: Path, asked: Mapping[str, Sequence[Any]], measures: Sequence[str]) -> dict[str, list[Any]]:
    """What all commands have asked for, with this one.

    Raises:
        FileExistsError: The folder holds something else.
        ValueError: A column is to be drawn that the comparison will not have.
    """
    from pyro_bvae import comparison

    experiment = comparison.grown(out, comparison.as_read_back(asked))
    comparison.check_columns(measures, experiment["metrics"])
    return experiment


def _begin(out: Path, asked: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Make the folder of the comparison, or add to it what is asked for, with which nothing is wrong."""
    from pyro_bvae import comparison

    with held_folder(out, waiting=waiting_for(out)):
        return comparison.start(out, comparison.as_read_back(asked))


def _added(
    out: Path, rows: Sequence[RunRow], place: Mapping[str, Any], drawing: Drawing | None, outcome: Outcome | None
) -> list[RunRow]:
    """Add rows to the comparison, whose figures are drawn anew unless ``drawing`` is None; returns all rows."""
    from pyro_bvae import comparison

    with closing(Counter()) as counter:
        rows, notes = comparison.completed_rows(out, rows, counter, **place)
    for note in notes:
        click.echo(f"note    {one_line(as_options(note))}", err=True)
    with held_folder(out, waiting=waiting_for(out)):
        before = _table_in(out)
        rows = comparison.add(out, rows, **place)
        if rows and drawing is not None:
            _draw(rows, out, place, outcome, *drawing)
        if before not in (None, _table_in(out)):
            _say_what_is_older(out)
    return rows


def _table_in(out: Path) -> bytes | None:
    """What stands in comparison.csv; None where there is none yet."""
    file = out / "comparison.csv"
    return file.read_bytes() if file.is_file() else None


def _say_what_is_older(out: Path) -> None:
    """Name figures and reports in the folder that an earlier command has left, and that do not show the new rows."""
    written = (out / "comparison.csv").stat().st_mtime
    files = [file for ending in ("png", "pdf", "svg", "html") for file in sorted(out.glob(f"*.{ending}"))]
    older = [file.name for file in files if file.stat().st_mtime < written]
    if older:
        click.echo(f"note    as they were before, without what is new: {plain(', '.join(older))}", err=True)


def _place(ctx: click.Context, given: Mapping[str, Any]) -> dict[str, Any]:
    """Where the data of finished runs lie now, as far as that was said; nothing else can be said of them.

    Raises:
        click.UsageError: An option of fits is typed, or several places are.
    """
    unused = [option_words(name) for name in ctx.params if name in OF_FITS and is_typed(ctx, name)]
    if unused:
        raise click.UsageError(f"finished runs are compared as they are: leave {', '.join(unused)} out", ctx)
    typed = [name for name in ("dataset", "data_root") if is_typed(ctx, name)]
    if any(len(given[name]) > 1 for name in typed):
        raise click.UsageError(
            "the runs that one compares have the same data: give --dataset and --data-root once", ctx
        )
    return {name: given[name][0] for name in typed}


def _grid(
    ctx: click.Context, given: Mapping[str, Any], recipe: str | None, before: Mapping[str, Any]
) -> dict[str, Sequence[Any]]:
    """The values of every setting: those given, or the recipe's, or those of an older comparison, or fit's default."""
    typed = {name for name in given if is_typed(ctx, name)}
    if {"beta", "beta_norm"} <= typed:
        raise click.UsageError("--beta and --beta-norm set the same number: give one of them", ctx)
    repeated = {name for name in typed if isinstance(given[name], tuple)}  # all but flags
    first = {name: given[name][0] if name in repeated else given[name] for name in typed}
    settings = filled({**DEFAULTS, **before, **first}, typed, RECIPES[recipe].settings if recipe else {})
    grid: dict[str, Sequence[Any]] = {
        name: given_once(name, given[name], name) if name in repeated else [settings[name]]
        for name in SETTINGS
        if name in given
    }
    grid["beta_norm"] = given_once("beta_norm", given["beta_norm"], "beta_norm") or [None]
    if len(grid["epochs"]) > 1 or len(grid["steps"]) > 1:
        raise click.UsageError("all runs have the same budget: give --epochs or --steps once", ctx)
    return grid


def _drawn_before(rows: Sequence[RunRow], out: Path, measures: Sequence[str]) -> list[str]:
    """The columns whose figures an earlier command has left, with that of choice where no column is named."""
    from pyro_bvae.comparison.overviews import column_of_choice, known_columns

    there = [name for name in known_columns() if [*out.glob(f"column_{name}.*"), *out.glob(f"column_{name}-*")]]
    first = [] if measures or not there else [column_of_choice(rows)]
    return [name for name in dict.fromkeys([*first, *there]) if name not in measures]


def _draw(
    rows: Sequence[RunRow],
    out: Path,
    place: Mapping[str, Any],
    outcome: Outcome | None,
    measures: Sequence[str],
    look: Look,
) -> None:
    """Draw a comparison; of a search its own figures, and those of the best trials."""
    from pyro_bvae.comparison import report
    from pyro_bvae.plots import optional, save_figures

    with optional(f"the pictures of {out}"):
        if outcome is None:
            drawn = report.figures(rows, [*measures, *_drawn_before(rows, out, measures)], **place)
        else:
            drawn = report.figures(outcome.rows_of_front(rows), **place) | outcome.search.figures()
            drawn.pop("rate_distortion", None)  # in which each trial would be a curve of its own
        save_figures(drawn, out, *look)
