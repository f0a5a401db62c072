"""``pyro-bvae fit``."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pyro_bvae
from pyro_bvae.files import WriteError
from pyro_bvae.settings.options import BETA, DATA, FIGURES, TRAINING
from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.spelling import pasted
from pyro_bvae.settings.words import one_line

from .errors import DISK_IS_FULL
from .kinds import Name, Number
from .options import CHANGED, file_words, fit_options, json_option
from .progress import LoadingBar
from .report import report_at_the_end
from .settings import is_typed, settle, stored
from .stopping import exit_code
from .summary import announce, announcement, folder_of, report
from .together import alike, beginning, in_turn, is_first, join

if TYPE_CHECKING:
    from pyro_bvae import BetaVAE
    from pyro_bvae.callbacks import Figures
    from pyro_bvae.datasets import Dataset

__all__ = ["command"]

NOTES = ("recipe", *FIGURES)


@click.command("fit")
@click.option(
    "--recipe", type=Name("recipe", tuple(RECIPES)), help="All settings of a published experiment; see recipes."
)
@fit_options()
@click.option(
    "--beta-norm",
    type=Number(BETA),
    help="Set β through β_norm = βK/M, for K latents and M values per image.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<dataset>-beta<β>-seed<seed>]"
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out, to new --epochs or --steps if given.")
@click.option(
    "--at", type=click.IntRange(min=1), metavar="STEP",
    help="With --resume: from this numbered checkpoint on; what came later is set aside in the run folder.",
)  # fmt: skip
@click.option("--changed-program", is_flag=True, help=f"With --resume or --config: {CHANGED[0].lower()}{CHANGED[1:]}")
@click.option("--overwrite", is_flag=True, help="Replace the run in --out.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Repeat the run of a config.json, or of a zip.")  # fmt: skip
@json_option
@click.pass_context
def command(ctx: click.Context, /, **_: Any) -> None:
    """Fit a β-VAE, and draw what it learnt.

    Leaves a run folder with config.json, history.jsonl, checkpoint.pt and figures/.

    \b
    Examples:
        pyro-bvae fit --beta 6
        pyro-bvae fit --beta 6 --dataset mnist --data-root data
        pyro-bvae fit --beta 4 --dataset folder:photos --image-size 64 --network conv --lr 1e-4
        pyro-bvae fit --recipe conv-dsprites --steps 50000 --lr 5e-4
        pyro-bvae fit --objective tc:beta=6 --dataset mnist --epochs 20
        pyro-bvae fit --resume --out runs/digits-beta6-seed0 --epochs 200
    """
    join()
    with alike():
        options = settle(ctx)
        if options["out"] is not None and not options["resume"]:  # before data are read, which may take minutes
            _check_free(options["out"], options["overwrite"])
        from pyro_bvae.callbacks import Progress, trackers_of

        trackers = trackers_of(options)  # which names a package that is missing
    data = in_turn(partial(_load, options))
    with alike():
        vae = _build(ctx, data, options)
        out = options["out"] or folder_of(data, vae, options)
        announce(data, vae, options, out)
        figures = _figures(data, vae, options)
    from pyro_bvae.runs.config import SettingsError
    from pyro_bvae.training import Interrupted

    try:
        run = pyro_bvae.fit(
            vae,
            data,
            **{name: options[name] for name in TRAINING},
            out=out,
            resume=options["resume"],
            at=options["at"],
            overwrite=options["overwrite"],
            callbacks=[*trackers, announcement(options), Progress(), *figures],
            notes={"command": shlex.join([*beginning(), *sys.argv[1:]]), **{name: options[name] for name in NOTES}},
        )
    except SettingsError as error:
        raise click.UsageError(str(error), ctx) from error
    except WriteError as error:
        _say_what_is_kept(error, out, options)
        raise
    except Interrupted as stop:
        click.echo(f"\nstopped after step {stop.step:,}, all saved; go on with: {_goes_on(out, options)}", err=True)
        ctx.exit(exit_code(stop))
    if not is_first():
        return
    report(run, out, options)
    if options["report"]:
        report_at_the_end(run, options["as_json"])


def _say_what_is_kept(error: WriteError, out: Path, options: dict[str, Any]) -> None:
    """Say how to go on where the disk is full, if the run has begun: that is, if its config could be written.

    Raises:
        click.ClickException: With the one line that the user sees.
    """
    from pyro_bvae.runs import RunFolder

    if error.errno in DISK_IS_FULL and "config" not in Path(error.filename).name and RunFolder(out).is_run:
        kept = "; the last checkpoint is kept" if RunFolder(out).has_checkpoint else ""
        what = f"cannot write {error.filename}: {error.strerror}{kept}; make room"
        what += f", and go on with: {_goes_on(out, options)}"
        raise click.ClickException(one_line(what)) from error


def _goes_on(out: Path, options: dict[str, Any]) -> str:
    return pasted(*beginning(), "fit", "--resume", "--out", out, *file_words(options))


def _check_free(out: Path, overwrite: bool) -> None:
    """Refuse a folder that is taken.

    Raises:
        FileExistsError: It holds a run, or other files.
    """
    from pyro_bvae.runs.folder import RunFolder

    try:
        RunFolder(out).check_free(overwrite)
    except FileExistsError:
        raise
    except OSError:  # a place that cannot be looked at: the fit itself says that nothing can be written there
        pass


def _figures(data: Dataset, vae: BetaVAE, options: dict[str, Any]) -> list[Figures]:
    """What is to be drawn, if anything, with a word on what is left out."""
    from pyro_bvae.callbacks import figures_of

    figures = [figures_of(options)] if options["figures"] else []
    for drawing in figures:
        drawing.check_data(data)
        for line in drawing.left_out(vae):
            click.echo(f"figures {line}", err=options["as_json"])
    return figures


def _load(options: dict[str, Any]) -> Dataset:
    from pyro_bvae.runs import data_of_run, load_data

    of_a_run = {} if options["subsample"] is None else stored(options)  # whose part of the data may be an older draw
    if options["resume"]:
        return data_of_run({"can_be_loaded": True, **of_a_run, **options}, LoadingBar())
    return load_data({**of_a_run, **options}, LoadingBar())


def _build(ctx: click.Context, data: Dataset, options: dict[str, Any]) -> BetaVAE:
    from pyro_bvae.model import beta_of_norm
    from pyro_bvae.runs import build_model

    if options["config"] is not None and not any(is_typed(ctx, name) for name in DATA):
        _check_unchanged(data, options)
    if options["beta_norm"] is not None:
        options["beta"] = beta_of_norm(options["beta_norm"], options["latent_dim"], data.shape)
    try:
        return build_model(options, data.shape, data, options["chosen"])
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error


def _check_unchanged(data: Dataset, options: dict[str, Any]) -> None:
    if data.fingerprint != stored(options).get("fingerprint", data.fingerprint):
        raise ValueError(
            f"{data.name} has changed since {options['config']} was written; say --dataset to use it anyway"
        )
