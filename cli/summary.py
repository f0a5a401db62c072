"""What a fit says: what it is about to do, and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pyro_bvae
from pyro_bvae.schedules import Cosine, LinearWarmup
from pyro_bvae.settings.options import DEFAULTS, TRAINING
from pyro_bvae.settings.parsing import Specification, as_file_name, scheduled, specified
from pyro_bvae.settings.program_text import program_text
from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.spelling import argument, as_options, pasted, spelled
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.settings.words import number, plain, slug

from .options import echo_json, file_words

if TYPE_CHECKING:
    from pyro_bvae import BetaVAE, Callback, Run
    from pyro_bvae.datasets import Dataset
    from pyro_bvae.evaluation import Diagnosis
    from pyro_bvae.training import Training

__all__ = ["announce", "announcement", "diagnosed", "folder_of", "report"]


def announce(data: Dataset, vae: BetaVAE, options: Mapping[str, Any], out: Path) -> None:
    """Say which data and model a fit takes, and where it goes."""
    settings = TrainingSettings(**{name: options[name] for name in TRAINING})
    lines = [] if options["recipe"] is None else [_recipe(options)]
    lines += [_data(data) + _standardised(vae), *(f"data    {as_options(note)}" for note in data.notes)]
    lines.append(_model(vae, options, settings))
    for line in (*lines, f"run     {plain(out)}"):
        click.echo(plain(line), err=options["as_json"])


def _recipe(options: Mapping[str, Any]) -> str:
    chosen = {name: options[name] for name in RECIPES[options["recipe"]].settings}
    return f"recipe  {options['recipe']}: {pasted(*spelled(chosen))}"


def _kind(data: Dataset) -> str:
    return "images" if data.is_images else "vectors"


def _data(data: Dataset) -> str:
    counts = f"{len(data.train):,} training and {len(data.held_out):,} held-out {_kind(data)}"
    return f"data    {data.name}: {counts} of {'×'.join(map(str, data.shape))} ({data.source})"


def _standardised(vae: BetaVAE) -> str:
    from pyro_bvae.likelihoods import Standardised

    return (
        ", standardised (--no-standardise leaves them as they are)" if isinstance(vae.likelihood, Standardised) else ""
    )


def _model(vae: BetaVAE, options: Mapping[str, Any], settings: TrainingSettings) -> str:
    widths = "-".join(map(str, (prod(vae.shape), *vae.settings["hidden"], vae.latent_dim)))
    held = "" if settings.match_rate is None else f" moving to a rate of {settings.match_rate:g} nats"
    if settings.beta_schedule is not None:
        held = f" from {scheduled(settings.beta_schedule, float(vae.beta))(0):g} on, {settings.beta_schedule}"
    weight = f"β {float(vae.beta):g}{held} (β_norm = βK/M = {vae.beta_norm:.3g})"
    objective = specified(options["objective"])
    if not objective.takes_beta:
        weight = f"objective {objective.text}"
    elif objective.options:
        weight += f", objective {objective.text}"
    programs = "" if vae.program is None else f"{vae.program}, "
    others = [name for name in ("prior", "posterior") if vae.settings[name] != DEFAULTS[name]]
    families = ", ".join([f"{options['likelihood']} likelihood", *(f"{vae.settings[name]} {name}" for name in others)])
    decoder = f", decoder {vae.settings['decoder']}" if vae.settings["decoder"] else ""
    return f"model   {programs}{weight}, {families}, {options['network']} {widths}{decoder}"


def announcement(options: Mapping[str, Any]) -> Callback:
    """A callback that says which steps a fit takes, once that is known, and where a resumed run goes on."""
    from pyro_bvae import Callback

    class Announcement(Callback):
        is_on_every_rank = False

        def on_start(self, run: Run, training: Training) -> None:
            lines = [_fit(training), *_notes(specified(options["objective"]), training.total)]
            if training.step:
                has_all = training.step >= training.total
                what = ": that is all; a larger --epochs or --steps goes on" if has_all else ", where the run goes on"
                lines.append(f"at      step {training.step:,}{what}")
            lines += [f"note    {note}" for note in run.notes]
            for line in (*lines, _steps(run, training)):
                click.echo(plain(line), err=options["as_json"])

    return Announcement()


def _fit(training: Training) -> str:
    settings, minibatches = training.settings, training.minibatches
    where = "in memory" if minibatches.resident else "streamed from their file"
    batch = minibatches.batch_size
    length = f"{training.total:,} steps"
    if settings.epochs and training.total == settings.epochs * training.steps_per_epoch:
        length = f"{settings.epochs} epochs = {length}"
    decay = f", weight decay {settings.weight_decay:g}" if settings.weight_decay else ""
    cut = f" (cut from {settings.batch_size}, there are no more)" if batch < settings.batch_size else ""
    return (
        f"fit     {settings.optimizer} at {settings.lr:g}{decay}, {length} of {batch} {_kind(training.dataset)}{cut}, "
        f"seed {settings.seed}, on {training.device.type}{_ranks()}, data {where}"
    )


def _ranks() -> str:
    from pyro_bvae import ranks

    return f", by {ranks.size()} ranks" if ranks.size() > 1 else ""


def _steps(run: Run, training: Training) -> str:
    precision = "" if run.config["precision"] == "fp32" else f", {run.config['precision']} products"
    how = "compiled" if run.config.get("compile") else "not compiled"
    threads = run.config["threads"]
    each = " a rank" if run.config["ranks"] > 1 else ""
    where = f", {threads} thread{'s' * (threads > 1)}{each}" if training.device.type == "cpu" else ""
    return f"steps   {how}{precision}{where} ({run.config.get('compile_because', 'as it was')})"


def _notes(objective: Specification, steps: int) -> list[str]:
    return [
        f"note    {name} is to rise over {schedule.steps:,} steps, which this run does not have"
        for name, schedule in objective.schedules.items()
        if isinstance(schedule, LinearWarmup | Cosine) and schedule.steps > steps
    ]


def report(run: Run, out: Path, options: Mapping[str, Any]) -> None:
    """Say what came out, where to look, and what went wrong if anything did."""
    from pyro_bvae.terms import count_active

    last, diagnosis = run.history[-1], diagnosed(run)
    kl = last["held_out_kl_per_latent"]
    if options["as_json"]:
        settings = {name: run.config[name] for name in ("beta", "beta_norm")}
        echo_json({"run": str(out), **settings, **last, "diagnosis": asdict(diagnosis) if diagnosis else None})
        return
    active = count_active(kl)
    counted = "" if active is None else f"; {active} of {len(kl)} latents active"
    if run.config["match_rate"] is not None:
        counted += f"; β moved to {last['beta']:.3g} for a rate of {run.config['match_rate']:g}"
    datum = "an image" if len(run.model.shape) == 3 else "a vector"
    for kind in ("distortions", "rates"):
        parts = [f"{site} {value:.2f}" for site, value in last.get(f"held_out_{kind}", {}).items()]
        if parts:
            click.echo(f"{kind.removesuffix('s')} by site: {', '.join(parts)}")
    click.echo(
        f"held out, nats {datum} at β 1: ELBO {last['held_out_elbo']:.2f} = −(distortion "
        f"{last['held_out_distortion']:.2f} + rate {last['held_out_rate']:.2f}){counted}"
    )
    look = f"look at {plain(out / 'figures' / 'traversal.png')}, or sweep on" if options["figures"] else "sweep"
    click.echo(f"{look}: {pasted('pyro-bvae', 'traverse', *file_words(options), *argument(out))}")
    if diagnosis is not None:
        click.echo(str(diagnosis))


def diagnosed(run: Run) -> Diagnosis | None:
    """What is wrong with a run, with options in the place of arguments."""
    diagnosis = pyro_bvae.diagnose(run)
    return diagnosis and replace(diagnosis, remedy=as_options(diagnosis.remedy))


def folder_of(data: Dataset, vae: BetaVAE, options: Mapping[str, Any]) -> Path:
    """Where a run goes if nothing is said: runs/<dataset>[-<program>]-beta<β>-seed<seed>."""
    path = pyro_bvae.datasets.own_path(data.name)
    name = Path(path).stem if path else data.name.replace(":", "-")
    objective = specified(options["objective"])
    parts = [] if options["program"] is None else [program_text(options["program"]).name or "program"]
    parts += [objective.text] if objective.text != "beta" else []
    parts += [f"beta{number(vae.beta_value)}"] if objective.takes_beta else []
    what = as_file_name("-".join([*parts, *filter(None, [options["beta_schedule"]])]))
    return Path("runs") / f"{slug(name)}-{slug(what)}-seed{options['seed']}"
