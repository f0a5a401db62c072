"""``pyro-bvae compare``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.files import held_folder, is_terminal
from pyro_bvae.settings.names import METRICS
from pyro_bvae.settings.options import DATA, DEFAULTS, SETTINGS
from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.shown import short_names
from pyro_bvae.settings.spelling import as_options, option_words
from pyro_bvae.settings.words import plain

from .errors import said
from .options import Name, Numbers, echo_json, fit_options, json_option, limits_of
from .progress import LoadingBar, heading
from .report import report_at_the_end
from .settings import filled, given_once, is_typed
from .stopping import exit_code

if TYPE_CHECKING:
    from pyro_bvae.comparison import Choice, LabelSummary, MeanDeviation, RunRow

__all__ = ["command"]

COLUMNS = {
    "elbo": "ELBO",
    "distortion": "distortion",
    "rate": "rate",
    "bits_per_dim": "bits/dim",
    "mse": "MSE",
    "ssim": "SSIM",
    "probe_accuracy": "probe",
    "active_units": "active",
    "coverage_90": "in 90%",
    "beta": "β",
    "slope": "slope dD/dR",
}
LONGEST_LABEL = 60  # characters of a label in the table
DIGITS = {"bits_per_dim": 3, "mse": 4, "ssim": 3, "probe_accuracy": 3, "coverage_90": 3, "beta": 3, "slope": 3}
OF_ONE_RUN = tuple(name for name in METRICS if name != "udr")
# of no use to finished runs
OF_FITS = {*SETTINGS, "recipe", "seeds", "jobs"} - {"dataset", "data_root", "figures", "report"}


@click.command("compare")
@fit_options(repeatable=True, without=("seed",))  # in its place there is --seeds
@click.option("--recipe", type=Name("recipe", tuple(RECIPES)), help="Settings of a published experiment to begin with.")
@click.argument("runs", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
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
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Runs at a time.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs/comparison", show_default=True)
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
    jobs: int,
    out: Path,
    as_json: bool,
    **given: Any,
) -> None:
    """Fit every combination of the options that are repeated, and compare; or compare finished RUNS.

    All fits see the same data, split, budget and seeds. Their run folders, comparison.csv, comparison.json and three
    figures go to --out; a finished run is not run again, a stopped one goes on, a failed one is reported: type the
    command again, with more seeds or more values of what is repeated if you like. Three β or more make a
    rate–distortion curve, whose slope dD/dR is −β at the optimum.

    \b
    Examples:
        pyro-bvae compare --likelihood bernoulli --likelihood gaussian-learned --epochs 20 --seeds 0,1,2
        pyro-bvae compare --beta 0.5 --beta 1 --beta 2 --beta 4 --beta 8 --dataset digits --seeds 0,1 --out runs/betas
        pyro-bvae compare --likelihood gaussian --likelihood laplace --match rate=10 --out runs/matched
        pyro-bvae compare --dataset dsprites --beta 1 --beta 4 --steps 20000 --metric mig --metric beta-vae-paper
        pyro-bvae compare --recipe report-celeba --beta 5 --beta 250
        pyro-bvae compare runs/comparison/bernoulli-seed0 runs/comparison/gaussian-learned-seed0 --out runs/two
    """
    from pyro_bvae import comparison
    from pyro_bvae.comparison import report

    target, place = None, _place(ctx, given) if runs else {}
    ctx.with_resource(held_folder(out))
    failed: list[str] = []
    metrics = tuple(dict.fromkeys(metrics))
    if runs:
        runs = tuple(given_once("run", runs))
        experiment: dict[str, Any] = {"runs": [str(run) for run in runs]}
        report.start(out, experiment)
        labels = comparison.labels_of(runs)
        rows = [
            comparison.measured_anew(run, label, particles, metrics, **place)
            for run, label in zip(runs, labels, strict=True)
        ]
    else:
        grid = _grid(ctx, given, recipe, report.settings_before(out))
        seeds = tuple(given_once("seed", seeds))
        target = grid["match_rate"][0] if len(grid["match_rate"]) == 1 else None
        experiment = {**{name: list(values) for name, values in grid.items()}, "seeds": list(seeds)}
        experiment = comparison.as_read_back(experiment)
        report.start(out, experiment)
        try:
            rows, failed = _run(comparison.choices_of(grid, seeds, out), particles, jobs, metrics)
        except KeyboardInterrupt as stop:
            click.echo("\nstopped, all saved; the same command goes on", err=True)
            ctx.exit(exit_code(stop))
    rows = comparison.on_curves(comparison.named_alike(rows))
    report.save(out, experiment, rows)
    if rows and given["figures"]:
        _draw(rows, out, place)
    if rows and given["report"]:
        report_at_the_end(out, as_json, **place)
    summaries = comparison.summarise(rows)
    if as_json:
        content = report.content(experiment, rows)
        echo_json({**{name: content[name] for name in ("summary", "runs", "departure")}, "failed": failed})
    else:
        _print(summaries, target, out)
    for line in failed:
        click.echo(f"failed: {line}", err=True)
    if failed:
        ctx.exit(1)


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
    repeated = {name for name in typed if isinstance(given[name], tuple)}  # all but flags
    first = {name: given[name][0] if name in repeated else given[name] for name in typed}
    settings = filled({**DEFAULTS, **before, **first}, typed, RECIPES[recipe].settings if recipe else {})
    grid: dict[str, Sequence[Any]] = {
        name: given_once(name, given[name], name) if name in repeated else [settings[name]]
        for name in SETTINGS
        if name in given
    }
    if len(grid["epochs"]) > 1 or len(grid["steps"]) > 1:
        raise click.UsageError("all runs have the same budget: give --epochs or --steps once", ctx)
    return grid


def _run(todo: Sequence[Choice], particles: int, jobs: int, metrics: Sequence[str]) -> tuple[list[RunRow], list[str]]:
    """Run all choices under one bar, or line by line where there is no terminal; runs one at a time have bars too.

    Returns:
        The rows of the runs that went well, in the order of the choices, and a line for each that failed.
    """
    from tqdm import tqdm

    from pyro_bvae import comparison
    from pyro_bvae.callbacks import Progress
    from pyro_bvae.runs.building import load_data
    from pyro_bvae.scoring import applicable

    for settings in {str([choice.settings[name] for name in DATA]): choice.settings for choice in todo}.values():
        data = load_data(settings, LoadingBar())  # once, here: what is wrong is said once, and caches are filled
        for note in data.notes:
            click.echo(f"data    {as_options(note)}", err=True)
        applicable(metrics, data, runs=1, latents=min(choice.settings["latent_dim"] for choice in todo))
    rows: dict[Path, RunRow] = {}
    failed = []
    bar = tqdm(total=len(todo), unit="run", disable=not is_terminal(sys.stderr), file=sys.stderr)
    callbacks = [heading(), Progress(lines=2)] if jobs == 1 else []
    with closing(comparison.run_all(todo, particles, jobs, metrics, callbacks)) as results:
        for number, (choice, row) in enumerate(results, start=1):
            what = f"{choice.label}, seed {choice.settings['seed']}"
            if isinstance(row, Exception):
                failed.append(f"{what}: {said(row, None)}")
            else:
                rows[choice.folder] = row
            bar.update()
            if bar.disable:
                click.echo(f"{number}/{len(todo)} {what}" + (" failed" if isinstance(row, Exception) else ""), err=True)
    bar.close()
    return [rows[choice.folder] for choice in todo if choice.folder in rows], failed


def _draw(rows: Sequence[RunRow], out: Path, place: Mapping[str, Any]) -> None:
    from pyro_bvae.comparison import report
    from pyro_bvae.plots import optional, save_figures

    with optional(f"the pictures of {out}"):
        save_figures(report.figures(rows, **place), out)


def _print(summaries: Sequence[LabelSummary], target: float | None, out: Path) -> None:
    from pyro_bvae.comparison import LEAST_RATE, departure

    by_data: dict[str, list[LabelSummary]] = {}
    for summary in summaries:
        by_data.setdefault(summary.data, []).append(summary)
    if len(by_data) > 1:
        click.echo(f"{len(by_data)} different data, a table each: no number of one compares with one of another.")
    for data, group in by_data.items():
        if len(by_data) > 1:
            click.echo(f"data    {data}")
        _print_table(group)
    if any(len({summary.nats for summary in group}) > 1 for group in by_data.values()):
        if any(summary.nats == "no probability" for summary in summaries):
            click.echo("* cross-entropy of pixels: no log-probability, its nats compare with no other row's.")
        click.echo("Nats of densities and of masses do not compare; bits/dim, MSE, SSIM and probe do.")
    falling = [summary.label for summary in summaries if summary.still_falling]
    if falling:
        click.echo(f"still falling: the held-out loss of {', '.join(falling)}; train for longer before you rank them")
    if target is not None:
        _print_missed(summaries, target)
    median = departure(summaries)
    if median is not None:
        click.echo(
            f"median |slope + β|/β of rates above {LEAST_RATE:g} nat, without the ends: {median:.2f}; "
            "at the optimum the slope is −β, but for the spacing of the βs"
        )
    seeds = max((summary.seeds for summary in summaries), default=1)
    what = "means ± standard deviations over seeds" if seeds > 1 else "one seed each"
    pictures = " and the PNGs beside it" if any(out.glob("*.png")) else ""
    click.echo(f"{what}, held out; more in {plain(out / 'comparison.csv')}{pictures}")


def _print_table(summaries: Sequence[LabelSummary]) -> None:
    """One line a label; columns of which no label has a number are left out."""
    scores = list(summaries[0].scores) if summaries else []
    rows = [summary.as_dict() for summary in summaries]
    titles = COLUMNS | {name: name for name in scores}
    titles = {name: title for name, title in titles.items() if any(row[name] is not None for row in rows)}
    digits = dict.fromkeys(titles, 2) | dict.fromkeys(scores, 3) | DIGITS
    labels = short_names([summary.label for summary in summaries], LONGEST_LABEL)
    width = max(map(len, labels), default=6) + 2
    click.echo(" " * width + "".join(f"{title:>{_width(title)}}" for title in titles.values()))
    is_mixed = len({row["nats"] for row in rows}) > 1
    for label, row in zip(labels, rows, strict=True):
        mark = "*" if is_mixed and row["nats"] == "no probability" else ""
        cells = (f"{_cell(row[name], digits[name]):>{_width(title)}}" for name, title in titles.items())
        click.echo(f"{label + mark:<{width}}" + "".join(cells))


def _print_missed(summaries: Sequence[LabelSummary], target: float) -> None:
    """Name the labels whose held-out rate is more than 2% from the target."""
    rates = {summary.label: summary.measures["rate"] for summary in summaries}
    missed = [label for label, rate in rates.items() if rate is not None and abs(rate.mean / target - 1) > 0.02]
    if missed:
        click.echo(
            f"not within 2% of a rate of {target:g} nats on held-out data: {', '.join(missed)}; train for longer"
        )


def _width(title: str) -> int:
    return max(17, len(title) + 2)


def _cell(value: MeanDeviation | float | None, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    mean = f"{value.mean:.{digits}f}"
    return mean if value.deviation is None else f"{mean} ± {value.deviation:.{digits}f}"
