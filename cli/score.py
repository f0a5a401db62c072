"""``pyro-bvae score``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyro_bvae.files import place_in
from pyro_bvae.settings import names
from pyro_bvae.settings.words import plain

from .formats import TableFormat, check_format, echo_table, format_option
from .kinds import Name, RunPath
from .options import data_options, device_option, echo_json, figure_options, json_option, open_run
from .output import Stem
from .progress import Counter, LoadingBar
from .ranked import echo_correlations, echo_ranking, rank_option
from .scoring import notes, score_options, settings_of, words_of
from .settings import given_once
from .sites import site_option
from .tables import Table
from .together import is_first, join, together

if TYPE_CHECKING:
    from pyro_bvae import Run
    from pyro_bvae.datasets import Dataset
    from pyro_bvae.scoring import ScoreRow, ScoreSettings, ScoreSummary

__all__ = ["command"]


@click.command("score")
@click.argument("runs", nargs=-1, required=True, type=RunPath())
@click.option("--metric", "metrics", type=Name("metric", names.METRICS), multiple=True,
              help="Score to take; may be repeated.  [default: all that the data allow]")  # fmt: skip
@click.option(
    "--repeats", type=click.IntRange(1, 1000), default=5, show_default=True, help="Draws of points and splits."
)
@click.option("--baseline", "baselines", type=Name("baseline", names.BASELINES), multiple=True,
              help="Score this as well, with the seeds of the runs.")  # fmt: skip
@rank_option
@score_options
@site_option
@click.option("--figures/--no-figures", default=True, show_default=True, help="Of latents and factors, in each run.")
@figure_options
@click.option("--out", type=Stem(".json", ".csv"),
              help="Files without ending.  [default: scores in the run's folder, or beside several; with --metric "
                   "they are named by the metrics]")  # fmt: skip
@data_options
@device_option
@format_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    runs: tuple[Path, ...],
    metrics: tuple[str, ...],
    repeats: int,
    baselines: tuple[str, ...],
    is_ranked: bool,
    site: str | None,
    figures: bool,
    figure_format: str,
    figure_width: str | None,
    out: Path | None,
    dataset: str | None,
    data_root: Path | None,
    device: str,
    table_format: TableFormat,
    as_json: bool,
) -> None:
    """Score how disentangled the codes of RUNS are, against the ground-truth factors of their data.

    Factors come with dsprites, shapes3d, mpi3d, cars3d, smallnorb and chairs, and with any npz that holds them. Runs
    whose settings differ in the seed, or in what changes rounding and pictures alone, share a table; means are over
    runs and repeats, the interval is Student's, as far as it lies in the range of the score. A csv and a json are
    written beside the runs, and heat maps, responses and a traversal that names factors into their folders. Codes are
    the means of z; of programs with several latent sites, those of --site, for a site of classes their probabilities.

    \b
    Examples:
        pyro-bvae score runs/dsprites-beta4-seed0
        pyro-bvae score runs/dsprites-beta4-seed* --metric mig --metric beta-vae-paper --repeats 3
        pyro-bvae score runs/dsprites-beta4-seed* runs/dsprites-beta1-seed* --baseline ground-truth --baseline pca
        pyro-bvae score runs/dsprites-beta4-seed* --active-only --factors scale,posX,posY
        pyro-bvae score runs/dsprites-beta* --rank --no-figures
        pyro-bvae score runs/dsprites-beta4-seed* --format latex > scores.tex
    """
    from pyro_bvae import scoring
    from pyro_bvae.scoring import report

    check_format(ctx)
    runs, metrics = tuple(given_once("run", runs)), tuple(dict.fromkeys(metrics))
    metrics = _with_udr(metrics, len(runs)) if is_ranked else metrics
    settings = settings_of(ctx)
    join()
    opened = [open_run(path, device, None, dataset, data_root) for path in runs]
    data = scoring.of_factors(opened[0].dataset(LoadingBar()), settings.factors)
    # so that a part, another site or other settings do not replace the whole
    name = "-".join(["scores", *metrics, *([] if site is None else ["site", site]), *words_of(settings)])
    stem = out or (place_in(runs[0], name) if len(runs) == 1 else runs[0].parent / name)
    with together(), closing(Counter()) as counter:
        rows = scoring.score(
            opened, metrics, repeats=repeats, baselines=baselines, site=site, settings=settings, progress=counter
        )
    if not is_first():
        return
    ranked = scoring.rank(rows, scoring.terms_of(opened)) if is_ranked else []
    correlations = scoring.rank_correlations(rows)
    files = report.save(stem, rows, data, ranked, settings)
    latents = max(scoring.width_of(run, site) for run in opened)
    lacking = {} if metrics else scoring.lacking(data, len(opened), latents)
    not_taken = {name: needed for name, needed in lacking.items() if scoring.METRICS[name].whole is None}
    if not as_json:
        _print_all(rows, data, settings, not_taken, table_format)
        if is_ranked:
            echo_ranking(ranked, scoring.worth(ranked, rows), table_format)
        if is_ranked and correlations is not None:
            echo_correlations(correlations, table_format)
    if figures and correlations is not None:
        files += report.draw_correlations(stem, correlations, figure_format, figure_width)
    if figures and data.factors is not None:
        files += _draw(opened, site, settings, figure_format, figure_width)
    if as_json:
        content = report.content(rows, data, ranked, settings)
        first = {name: content[name] for name in ("summary", "settings", "protocols", "draws")}
        first |= {"not_taken": not_taken}
        rest = {name: value for name, value in content.items() if name not in first}
        echo_json({**first, **rest, "files": [str(file) for file in files]})
    else:
        click.echo("\n".join(map(plain, files)), err=table_format != "text")
    if all(score is None for summary in scoring.summarise(rows) for score in summary.scores.values()):
        ctx.exit(1)


def _with_udr(metrics: tuple[str, ...], runs: int) -> tuple[str, ...]:
    """The metrics chosen, and what runs are ranked by; none stands for all."""
    return (*metrics, "udr") if metrics and runs > 1 and "udr" not in metrics else metrics


def _draw(
    runs: Sequence[Run], site: str | None, settings: ScoreSettings, figure_format: str, figure_width: str | None
) -> list[Path]:
    """Draw the figures of each run into its folder."""
    from pyro_bvae.plots import optional, save_figures
    from pyro_bvae.scoring import report
    from pyro_bvae.scoring.repetitions import sharing

    files = []
    with closing(Counter()) as counter:
        for number, run in enumerate(sharing(runs)):
            assert run.path is not None
            counter(f"{run.path}: figures", number, len(runs))
            folder = place_in(run.path, "figures")
            with optional(folder):
                files += save_figures(report.figures(run, site, settings), folder, figure_format, figure_width)
    return files


def _print_all(
    rows: Sequence[ScoreRow],
    data: Dataset,
    settings: ScoreSettings,
    not_taken: Mapping[str, str],
    table_format: TableFormat,
) -> None:
    """A table a label, and what the metrics need that were not taken."""
    from pyro_bvae.scoring import report, summarise

    say = partial(click.echo, err=table_format != "text")
    protocols = report.protocols(data, rows[0].scores)
    for summary in summarise(rows):
        of_site = "" if summary.site is None else f", codes of the site {plain(summary.site)}"
        counted = f"{_count(summary.runs, 'run')}, {_count(summary.repeats, 'repeat')} each"
        heading = f"{plain(summary.label)}: {counted}{of_site}"
        echo_table(_table(summary), table_format, heading)
        if (by_factor := _by_factor(summary)) is not None:
            echo_table(by_factor, table_format, f"{plain(summary.label)}, by factor")
        for line in notes(summary, protocols, len(data)):
            say(f"  {line}")
    if words := words_of(settings):
        say(f"taken with {', '.join(map(plain, words))}")
    drawn = report.draws_by_factor(data, rows[0].scores)
    if drawn:
        say(f"{', '.join(drawn)}: {next(iter(drawn.values()))}")
    for name, needed in not_taken.items():
        say(f"not taken: {name} needs {needed}")


def _table(summary: ScoreSummary) -> Table:
    """The scores of one label, a row a metric."""
    rows = []
    for name, score in summary.scores.items():
        numbers = [None] * 3 if score is None else [score.mean, score.repeats, score.runs]
        interval = None if score is None else score.interval
        between = "–" if interval is None else "[{:.4f}, {:.4f}]".format(*interval)
        rows.append([name, *map(_cell, numbers), between])
    return Table(["", "mean", "± repeats", "± runs", "95% interval"], rows)


def _by_factor(summary: ScoreSummary) -> Table | None:
    """The scores of each factor, a column a metric; None where no metric has them."""
    if not summary.by_factor:
        return None
    factors = list(dict.fromkeys(factor for scores in summary.by_factor.values() for factor in scores))
    rows = [
        [plain(factor), *(_cell(scores.get(factor)) for scores in summary.by_factor.values())] for factor in factors
    ]
    return Table(["", *summary.by_factor], rows)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
