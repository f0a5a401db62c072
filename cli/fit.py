"""``pyro-bvae fit``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pyro_bvae
from pyro_bvae.schedules import Cosine, LinearWarmup
from pyro_bvae.settings import names
from pyro_bvae.settings.names import DATA, DATA_OPTIONS, FIGURES, SETTINGS, TRAINING
from pyro_bvae.settings.parsing import as_file_name, scheduled, specified
from pyro_bvae.settings.recipes import RECIPES

from .options import (
    BetaSchedule,
    DatasetName,
    Keep,
    Name,
    Numbers,
    Objective,
    Rate,
    device_option,
    echo_json,
    json_option,
)
from .progress import LoadingBar, announcement
from .spelling import spelled

if TYPE_CHECKING:
    from pyro_bvae import BetaVAE, Run
    from pyro_bvae.datasets import Dataset

__all__ = ["command", "filled", "is_typed"]

NOTES = ("recipe", *FIGURES)
POSITIVE = click.FloatRange(min=0, min_open=True)
COUNT = click.IntRange(min=1)
# what is not taken from a config when another one of these is typed
BELONGS_TO = dict.fromkeys(("data_root", *DATA_OPTIONS), "dataset")
BELONGS_TO |= dict.fromkeys(("hidden", "decoder_hidden", "decoder_activation"), "network")
BELONGS_TO |= dict.fromkeys(("scale", "mean_link"), "likelihood")


@click.command("fit")
@click.option(
    "--recipe", type=Name("recipe", tuple(RECIPES)), help="All settings of a published experiment; see recipes."
)
@click.option("--dataset", type=DatasetName(), default="digits", show_default=True, help="The data.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), help="Where downloads lie or go.")
@click.option("--image-size", type=COUNT, metavar="PIXELS", help="Side to which images are brought.")
@click.option("--grey/--rgb", default=False, help="Turn colour images to grey.")
@click.option("--crop", type=Numbers(), metavar="SIDE|L,T,R,B", help="Cut this out of each picture first; 0 for all.")
@click.option("--subsample", type=COUNT, metavar="N", help="Take N of the images, chosen at random once and for all.")
@click.option("--dim", type=COUNT, help="Length of the vectors of gaussian.  [default: 10]")
@click.option("--rank", type=COUNT, help="Rank of their signal.  [default: 2]")
@click.option("--points", type=COUNT, help="How many of them.  [default: 300000]")
@click.option("--network", type=Name("network", names.NETWORKS), default="mlp", show_default=True)
@click.option("--hidden", type=Numbers(), metavar="WIDTHS", help="Hidden widths, like 400 or 1200,1200 or none.")
@click.option("--decoder-hidden", type=Numbers(), metavar="WIDTHS", help="The decoder's.  [default: mirrored]")
@click.option("--decoder-activation", type=Name("activation", names.ACTIVATIONS), default="relu", show_default=True)
@click.option("--latent-dim", type=COUNT, default=10, show_default=True, help="Number of latents, K.")
@click.option("--likelihood", type=Name("likelihood", names.LIKELIHOODS), default="bernoulli", show_default=True)
@click.option("--scale", type=POSITIVE, help="Standard deviation of a gaussian (default 1), or where a learned starts.")
@click.option("--mean-link", type=Name("mean link", names.MEAN_LINKS), help="Link of a gaussian's mean.")
@click.option("--beta", type=click.FloatRange(min=0), default=1.0, show_default=True, help="Weight of the KL term.")
@click.option("--beta-norm", type=click.FloatRange(min=0), help="Set β as β·K/M: K latents, M values an image.")
@click.option("--match", "match_rate", type=Rate(), metavar="rate=NATS", help="Move β until the rate is this one.")
@click.option(
    "--objective",
    type=Objective(),
    default="beta",
    show_default=True,
    metavar="NAME[:COEFFICIENT=VALUE,...]",
    help=f"What is minimised: {', '.join(names.OBJECTIVES)}; like tc:beta=6 or capacity:capacity=linear:25:20000.",
)
@click.option(
    "--beta-schedule",
    type=BetaSchedule(),
    metavar="KIND:STEPS[:START]",
    help="How β comes to --beta: linear, cosine or cyclic by step.",
)
@click.option("--optimizer", type=Name("optimizer", names.OPTIMIZERS), default="rmsprop", show_default=True)
@click.option("--lr", type=POSITIVE, default=1e-3, show_default=True, help="Learning rate.")
@click.option("--lr-warmup", type=click.IntRange(min=0), default=0, metavar="STEPS", help="Steps of a linear warm-up.")
@click.option("--batch-size", type=COUNT, default=128, show_default=True, help="Images a step.")
@click.option("--epochs", type=COUNT, help="Passes over the training images.  [default: 100]")
@click.option("--steps", type=COUNT, help="Gradient steps, in place of epochs.")
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**63 - 1), default=0, show_default=True, help="Seed of weights and draws."
)
@device_option
@click.option("--compile/--no-compile", default=None, help="Compile the step.  [default: where that pays for itself]")
@click.option(
    "--precision",
    type=Name("precision", names.PRECISIONS),
    default="fp32",
    show_default=True,
    help="Of matrix products; everything else is float32.",
)
@click.option("--eval-every", type=COUNT, metavar="STEPS", help="Held-out score and history line.  [default: an epoch]")
@click.option("--checkpoint-every", type=COUNT, metavar="STEPS", help="Checkpoint.  [default: an epoch]")
@click.option("--keep", type=Keep(), default=0, metavar="N|all", help="Numbered checkpoints to keep beside the latest.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<dataset>-beta<β>-seed<seed>]"
)
@click.option(
    "--figures-every", type=COUNT, metavar="STEPS", help="Draw a traversal this often, and a film at the end."
)
@click.option("--traverse-base", type=Name("base", names.BASES), default="image", show_default=True, help="Its start.")
@click.option("--traverse-range", type=(float, float), default=(-2.0, 2.0), show_default=True, help="Its ends.")
@click.option("--traverse-columns", type=COUNT, default=11, show_default=True, help="Values in its range.")
@click.option("--traverse-count", type=COUNT, default=1, show_default=True, help="How many starts.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, to new --epochs or --steps if given.")
@click.option("--overwrite", is_flag=True, help="Replace the run in --out.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Repeat a config.json.")
@json_option
@click.pass_context
def command(ctx: click.Context, /, **_: Any) -> None:
    """Fit a β-VAE, and draw what it learnt.

    Leaves a run folder with config.json, history.jsonl, checkpoint.pt and figures/.

    \b
    Examples:
        pyro-bvae fit --beta 6
        pyro-bvae fit --beta 6 --dataset mnist --data-root data
        pyro-bvae fit --beta 4 --dataset folder:photos --image-size 64 --network conv
        pyro-bvae fit --recipe conv-dsprites --steps 50000 --lr 5e-4
        pyro-bvae fit --objective tc:beta=6 --dataset mnist --epochs 20
        pyro-bvae fit --resume --out runs/digits-beta6-seed0 --epochs 200
    """
    options = _settle(ctx)
    data, vae = _build(ctx, options)
    out = options["out"] or Path("runs") / f"{_slug(data)}-{_what(vae, options)}-seed{options['seed']}"
    _announce(data, vae, options, out)
    from pyro_bvae.callbacks import Progress, figures_of
    from pyro_bvae.runs.config import SettingsError
    from pyro_bvae.training.interrupts import Interrupted

    try:
        run = pyro_bvae.fit(
            vae,
            data,
            **{name: options[name] for name in TRAINING},
            out=out,
            resume=options["resume"],
            overwrite=options["overwrite"],
            callbacks=[announcement(options["as_json"]), Progress(), figures_of(options)],
            notes={"command": shlex.join(["pyro-bvae", *sys.argv[1:]]), **{name: options[name] for name in NOTES}},
        )
    except SettingsError as error:
        raise click.UsageError(str(error), ctx) from error
    except Interrupted as stop:
        goes_on = shlex.join(["pyro-bvae", "fit", "--resume", "--out", str(out)])
        click.echo(f"\nstopped after step {stop.step:,}, all saved; go on with: {goes_on}", err=True)
        ctx.exit(130)
    _report(run, out, options["as_json"])


def _settle(ctx: click.Context) -> dict[str, Any]:
    """The options, with those that were not typed taken from a recipe, a config, or the run that is resumed."""
    options = dict(ctx.params)
    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume goes on with a run and --overwrite replaces it: choose one", ctx)
    if options["resume"] and options["out"] is None:
        raise click.UsageError("say which run to go on with: --resume --out DIR", ctx)
    if is_typed(ctx, "beta") and options["beta_norm"] is not None:
        raise click.UsageError("--beta and --beta-norm set the same number: give one", ctx)
    if options["epochs"] is not None and options["steps"] is not None:
        raise click.UsageError("--epochs and --steps set the same length: give one", ctx)
    stored = _stored(options)
    options = filled(options, {name for name in SETTINGS if is_typed(ctx, name)}, stored)
    if options["likelihood"] == "custom" or stored.get("custom"):
        raise click.UsageError(f"{stored['custom']} are classes of your own: go on from Python, with fit(...)", ctx)
    if options["objective"] is None:
        raise click.UsageError("the run's ELBO is your own: go on from Python, or give --objective", ctx)
    return options


def filled(options: Mapping[str, Any], typed: Collection[str], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The options, those that were not typed taken from what is stored, unless they belong to another choice there."""
    found = dict(options)
    for name in SETTINGS:
        other = {"epochs": "steps", "steps": "epochs"}.get(name, name)
        owner = BELONGS_TO.get(name, name)
        changed = owner in typed and options[owner] != stored.get(owner)
        if name in stored and not (changed or name in typed or other in typed):
            found[name] = stored[name]
    return found


def _stored(options: dict[str, Any]) -> dict[str, Any]:
    from pyro_bvae.runs.folder import RunFolder

    if options["recipe"] is not None:
        if options["config"] is not None or options["resume"]:
            raise click.UsageError("--recipe begins a run: leave --config and --resume out")
        return dict(RECIPES[options["recipe"]].settings)
    if options["config"] is not None:
        if options["resume"]:
            raise click.UsageError("--resume reads the run's own config.json: leave --config out")
        try:
            stored = json.loads(options["config"].read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{options['config']} is not JSON: {error}") from error
        if not isinstance(stored, dict) or "format" not in stored or "dataset" not in stored:
            raise ValueError(f"{options['config']} is not the config.json of a run")
        if stored.get("compile_because") != names.AS_ASKED:  # that run decided for itself, and so does this one
            stored.pop("compile", None)
        return stored
    if options["resume"]:
        folder = RunFolder(options["out"])
        if folder.is_run or not folder.path.is_dir():
            return folder.read_config()
    return {}


def _build(ctx: click.Context, options: dict[str, Any]) -> tuple[Dataset, BetaVAE]:
    from pyro_bvae.model import beta_of_norm
    from pyro_bvae.runs.building import build_model, load_data

    data = load_data(options, LoadingBar())
    if options["config"] is not None and not any(is_typed(ctx, name) for name in DATA):
        _check_unchanged(data, options)
    if options["beta_norm"] is not None:
        options["beta"] = beta_of_norm(options["beta_norm"], options["latent_dim"], data.shape)
    try:
        return data, build_model(options, data.shape)
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error


def _check_unchanged(data: Dataset, options: dict[str, Any]) -> None:
    stored = _stored(options)["fingerprint"]
    if data.fingerprint != stored:
        raise ValueError(
            f"{data.name} has changed since {options['config']} was written; say --dataset to use it anyway"
        )


def _announce(data: Dataset, vae: BetaVAE, options: dict[str, Any], out: Path) -> None:
    from pyro_bvae.runs.config import TrainingSettings
    from pyro_bvae.training.minibatches import fits
    from pyro_bvae.training.state import resolve_device

    if options["recipe"] is not None:
        chosen = {name: options[name] for name in RECIPES[options["recipe"]].settings}
        click.echo(f"recipe  {options['recipe']}: {shlex.join(spelled(chosen))}", err=options["as_json"])
    device = resolve_device(options["device"])
    where = "in memory" if fits(data, device) else "streamed from their file"
    settings = TrainingSettings(**{name: options[name] for name in TRAINING})
    kind = "images" if data.is_images else "vectors"
    shape = "×".join(map(str, data.shape))
    size = len(data.train)
    batch = settings.batch(size)
    length = f"{settings.total(size):,} steps"
    length = f"{settings.epochs} epochs = {length}" if settings.epochs else length
    cut = f" (cut from {options['batch_size']}, there are no more)" if batch < options["batch_size"] else ""
    widths = "-".join(map(str, (prod(data.shape), *vae.settings["hidden"], vae.latent_dim)))
    held = "" if settings.match_rate is None else f" moving to a rate of {settings.match_rate:g} nats"
    if settings.beta_schedule is not None:
        held = f" from {scheduled(settings.beta_schedule, float(vae.beta))(0):g} on, {settings.beta_schedule}"
    weight = f"β {float(vae.beta):g}{held} (β_norm = βK/M = {vae.beta_norm:.3g})"
    objective = specified(options["objective"])
    if not objective.takes_beta:
        weight = f"objective {objective.text}"
    elif objective.options:
        weight += f", objective {objective.text}"
    for line in (
        f"data    {data.name}: {size:,} training and {len(data.held_out):,} held-out {kind} of {shape} ({data.source})",
        f"model   {weight}, {options['likelihood']} likelihood, {options['network']} {widths}",
        f"fit     {options['optimizer']} at {options['lr']:g}, {length} of {batch} {kind}{cut}, "
        f"seed {options['seed']}, on {device.type}, data {where}",
        *(
            f"note    {name} is to rise over {schedule.steps:,} steps, which this run does not have"
            for name, schedule in objective.schedules.items()
            if isinstance(schedule, LinearWarmup | Cosine) and schedule.steps > settings.total(size)
        ),
        f"run     {out}",
    ):
        click.echo(line, err=options["as_json"])


def _report(run: Run, out: Path, as_json: bool) -> None:
    from pyro_bvae.terms import count_active

    last, found = run.history[-1], pyro_bvae.diagnose(run)
    kl = last["held_out_kl_per_latent"]
    if as_json:
        settings = {name: run.config[name] for name in ("beta", "beta_norm")}
        echo_json({"run": str(out), **settings, **last, "diagnosis": asdict(found) if found else None})
        return
    active = count_active(kl)
    counted = "" if active is None else f"; {active} of {len(kl)} latents active"
    if run.config["match_rate"] is not None:
        counted += f"; β moved to {last['beta']:.3g} for a rate of {run.config['match_rate']:g}"
    click.echo(
        f"held out, nats an image at β 1: ELBO {last['held_out_elbo']:.2f} = −(distortion "
        f"{last['held_out_distortion']:.2f} + rate {last['held_out_rate']:.2f}){counted}"
    )
    click.echo(f"look at {out / 'figures' / 'traversal.png'}, or sweep on: pyro-bvae traverse {shlex.quote(str(out))}")
    if found is not None:
        click.echo(str(found))


def _what(vae: BetaVAE, options: Mapping[str, Any]) -> str:
    """What a run's folder is named by."""
    objective = specified(options["objective"])
    parts = [objective.text] if objective.text != "beta" else []
    parts += [f"beta{float(vae.beta):g}"] if objective.takes_beta else []
    return as_file_name("-".join([*parts, *filter(None, [options["beta_schedule"]])]))


def _slug(data: Dataset) -> str:
    kind, _, path = data.name.partition(":")
    return Path(path).stem if path else kind


def is_typed(ctx: click.Context, name: str) -> bool:
    """Whether an option was given on the command line."""
    return ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
