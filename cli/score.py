"""``pyro-bvae score``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.settings import names

from .options import Name, device_option, echo_json, json_option, open_run
from .progress import Counter, LoadingBar

if TYPE_CHECKING:
    from pyro_bvae import Run

__all__ = ["command"]


@click.command("score")
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--metric", "metrics", type=Name("metric", names.METRICS), multiple=True,
              help="Score to take; may be repeated.  [default: all that the data allow]")  # fmt: skip
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Draws of points and splits.")
@click.option("--baseline", "baselines", type=Name("baseline", names.BASELINES), multiple=True,
              help="Score this as well, with the seeds of the runs.")  # fmt: skip
@click.option("--figures/--no-figures", default=True, show_default=True, help="Of latents and factors, in each run.")
@click.option("--out", type=click.Path(path_type=Path),
              help="Files without ending.  [default: scores in the run's folder, or beside several; with --metric "
                   "they are named by the metrics]")  # fmt: skip
@device_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    runs: tuple[Path, ...],
    metrics: tuple[str, ...],
    repeats: int,
    baselines: tuple[str, ...],
    figures: bool,
    out: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Score how disentangled the codes of RUNS are, against the ground-truth factors of their data.

    Factors come with dsprites and chairs, and with any npz that holds an array of them. Runs whose settings differ in
    the seed, or in what changes rounding and pictures alone, share a table; means are over runs and repeats, the
    interval is Student's, and may leave the range of a score where runs are few. A csv and a json
    are written beside the runs, and heat maps, responses and a traversal that names factors into their folders.

    \b
    Examples:
        pyro-bvae score runs/dsprites-beta4-seed0
        pyro-bvae score runs/dsprites-beta4-seed* --metric mig --metric beta-vae-paper --repeats 3
        pyro-bvae score runs/dsprites-beta4-seed* runs/dsprites-beta1-seed* --baseline ground-truth --baseline pca
    """
    from pyro_bvae import scoring
    from pyro_bvae.scoring import report
    from pyro_bvae.scoring.repetitions import sharing

    opened = [open_run(path, device, None) for path in runs]
    data = opened[0].dataset(LoadingBar())
    name = "-".join(["scores", *dict.fromkeys(metrics)])  # so that a part does not replace the whole
    stem = out or (runs[0] if len(runs) == 1 else runs[0].parent) / name
    with closing(Counter()) as counter:
        rows = scoring.score(opened, metrics, repeats=repeats, baselines=baselines, progress=counter)
    files = report.save(stem, rows, data)
    summary, protocols = report.summarise(rows), report.protocols(data, rows[0])
    latents = max(run.model.latent_dim for run in opened)
    wanting = {} if metrics else scoring.lacking(data, len(opened), latents)
    for line in () if as_json else summary:
        _print(line, protocols)
    if not as_json:
        for name, needed in wanting.items():
            click.echo(f"not taken: {name} needs {needed}")
    if figures and data.factors is not None:
        with closing(Counter()) as counter:
            for number, run in enumerate(sharing(opened)):
                counter(f"{run.path}: figures", number, len(opened))
                files += _draw(run)
    if as_json:
        found = {"summary": summary, "protocols": protocols, "not_taken": wanting, "scores": rows}
        echo_json({**found, "files": [str(file) for file in files]})
    else:
        click.echo("\n".join(map(str, files)))
    if all(score is None for line in summary for score in line["scores"].values()):
        ctx.exit(1)


def _draw(run: Run) -> list[Path]:
    from pyro_bvae.plots import save_figure
    from pyro_bvae.scoring import report

    assert run.path is not None
    files = []
    for name, figure in report.figures(run).items():
        files.append(run.path / "figures" / f"{name}.png")
        save_figure(figure, files[-1])
    return files


def _print(line: Mapping[str, Any], protocols: Mapping[str, Mapping[str, Any]]) -> None:
    """The table of one label."""
    click.echo(f"{line['label']}: {_count(line['runs'], 'run')}, {_count(line['repeats'], 'repeat')} each")
    click.echo(f"  {'':22} {'mean':>9} {'± repeats':>10} {'± runs':>9}  95% interval")
    for name, score in line["scores"].items():
        if score is None:
            click.echo(f"  {name:22} {'–':>9}  {line['missing'].get(name, '')}".rstrip())
            continue
        interval = "–" if score["interval"] is None else "[{:.4f}, {:.4f}]".format(*score["interval"])
        said = (
            f"  {name:22} {score['mean']:9.4f} {_cell(score['repeats']):>10} {_cell(score['runs']):>9}  {interval:18}"
        )
        click.echo(f"{said} {_protocol(protocols.get(name))}".rstrip())
    for kl in line["kl_per_latent"]:
        click.echo(f"  {f'KL of z0 to z{len(kl) - 1}, nats':22} {''.join(f'{value:7.3f}' for value in kl)}")


def _protocol(protocol: Mapping[str, Any] | None) -> str:
    if protocol is None:
        return ""
    asked: Sequence[str] = protocol["factors"]
    points = f"{protocol['points']:,} + {protocol['test_points']:,} points"
    return f"{len(asked)} factors ({', '.join(asked)}), {protocol['pairs']} pairs, {points}, {protocol['classifier']}"


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
