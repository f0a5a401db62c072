"""``pyro-bvae evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pyro_bvae
from pyro_bvae.files import place_in
from pyro_bvae.settings.shown import in_words
from pyro_bvae.settings.spelling import pasted
from pyro_bvae.settings.words import plain

from .kinds import Name
from .options import (
    at_option,
    data_options,
    device_option,
    echo_json,
    figure_options,
    json_option,
    open_run,
    programs_given,
    run_argument,
    seed_option,
)
from .output import IN_PRINT, Stem, check_ending, named
from .posteriors import as_plain, echo_chains, echo_gaps, write_chains
from .progress import LONGEST_SILENCE, Counter, LoadingBar
from .sites import site_option
from .summary import diagnosed
from .together import is_first, join, together

if TYPE_CHECKING:
    from torch import Tensor

    from pyro_bvae.evaluation import Evaluation, Information
    from pyro_bvae.runs.run import Run

__all__ = ["command"]

MOST_LATENTS = 50  # whose KL is printed; --json has all
NUTS_DRAWS = 200  # a chain


@click.command("evaluate")
@run_argument
@click.option(
    "--split", type=Name("split", ("held-out", "train")), default="held-out", show_default=True, help="Which data."
)
@click.option("--particles", type=click.IntRange(0, 10**6), default=0, help="Draws for the importance-weighted bound.")
@click.option("--exact", is_flag=True, help="Take the rate apart: I(x; z), total correlation, KL of each latent.")
@click.option(
    "--exact-images",
    type=click.IntRange(1, 10**6),
    default=10_000,
    show_default=True,
    help="Data that --exact takes at most, N; I(x; z) cannot exceed log N.",
)
@click.option("--suggest-capacity", is_flag=True, help="Say which C the objective capacity wants; of a run at low β.")
@click.option("--gaps", type=click.IntRange(2, 10**6), metavar="N", help="Take log p(x) − ELBO apart on so many data.")
@click.option(
    "--gap-draws", type=click.IntRange(2, 10**6), default=1000, show_default=True, help="Draws a datum for it."
)
@click.option(
    "--gap-steps",
    type=click.IntRange(1, 10**6),
    default=500,
    show_default=True,
    help="Steps that fit a posterior to each datum alone.",
)
@click.option("--nuts", type=click.IntRange(1, 1000), metavar="M", help="Draw from p(z|x) of so many data by NUTS.")
@click.option(
    "--nuts-draws",
    type=click.IntRange(4, 10**6),
    default=NUTS_DRAWS,
    show_default=True,
    help="Draws a chain, after as many of warm-up.",
)
@site_option
@click.option(
    "--out",
    type=Stem(".png", ".npz", instead=IN_PRINT),
    help="File without ending for the draws of --nuts, or .pdf or .svg.  [default: RUN/figures/posteriors]",
)
@click.option("--batch-size", type=click.IntRange(1, 10**7), default=1000, show_default=True, help="Images at once.")
@at_option
@seed_option
@data_options
@device_option
@figure_options
@json_option
def command(
    run: Path,
    split: str,
    particles: int,
    exact: bool,
    exact_images: int,
    suggest_capacity: bool,
    gaps: int | None,
    gap_draws: int,
    gap_steps: int,
    nuts: int | None,
    nuts_draws: int,
    site: str | None,
    out: Path | None,
    batch_size: int,
    at: int | None,
    seed: int,
    dataset: str | None,
    data_root: Path | None,
    device: str,
    figure_format: str,
    figure_width: str | None,
    as_json: bool,
) -> None:
    """Evaluate a run on its held-out data, in nats an image at β 1, whatever β it was trained with.

    \b
    Examples:
        pyro-bvae evaluate runs/digits-beta6-seed0 --particles 100 --json
        pyro-bvae evaluate runs/gaussian --exact
        pyro-bvae evaluate runs/digits-beta0.5-seed0 --suggest-capacity
        pyro-bvae evaluate runs/digits-beta6-seed0 --gaps 100
        pyro-bvae evaluate runs/digits-beta6-seed0 --nuts 4
    """
    from pyro_bvae import evaluation

    if nuts is None and out is not None:
        raise click.UsageError("--out is where the draws of --nuts go: add --nuts 4")
    if nuts is None and not exact and site is not None:
        raise click.UsageError("--site is the latent that --exact and --nuts look at: add one of them")
    check_ending(out, figure_format)
    join()
    opened = open_run(run, device, at, dataset, data_root)
    data = opened.dataset(LoadingBar())
    rows = data.rows(index := data.train if split == "train" else data.held_out)
    information = parts = chains = None
    with together(), closing(Counter(LONGEST_SILENCE)) as counter:
        how: dict[str, Any] = {"batch_size": batch_size, "seed": seed, "progress": counter}
        if exact:
            information = evaluation.decompose_rate(opened.model, rows, images=exact_images, site=site, **how)
        result = pyro_bvae.evaluate(opened.model, rows, particles=particles, **how)
        accuracy = evaluation.probe_accuracy(opened.model, data)
        classes = evaluation.errors_of_classes(opened.model, data, index, progress=counter)
        if gaps is not None:
            parts = evaluation.gaps(opened.model, rows, images=gaps, draws=gap_draws, steps=gap_steps, **how)
        if nuts is not None:
            length = {"draws": nuts_draws, "warmup": nuts_draws}
            chains = evaluation.nuts(opened.model, rows, images=nuts, site=site, seed=seed, progress=counter, **length)
    if not is_first():
        return
    known = _known(rows.images, data.covariance, result)
    suggested = _suggested(opened, result) if suggest_capacity else None
    diagnosis = diagnosed(opened)
    if chains is not None:
        shown = {"nuts": nuts, "site": site, "nuts_draws": nuts_draws, "at": at, "seed": seed}
        stem = out or named(place_in(run, "figures") / "posteriors", shown, {"nuts": nuts, "nuts_draws": NUTS_DRAWS})
        write_chains(stem, chains, result, as_json, figure_format=figure_format, figure_width=figure_width)
    if as_json:
        added: dict[str, Any] = {"diagnosis": None if diagnosis is None else asdict(diagnosis)}
        added |= {} if information is None else {"information": asdict(information)}
        added |= {} if suggested is None else {"suggested_capacity": suggested}
        added |= {} if parts is None else {"gaps": asdict(parts)}
        added |= {} if chains is None else {"nuts": as_plain(chains)}
        added |= {"classes": [asdict(one) for one in classes]} if classes else {}
        echo_json({**asdict(result), "probe_accuracy": accuracy, **known, **added})
        return
    click.echo(
        f"{plain(run)}: {len(rows):,} {split} data of {plain(data.name)}, step {opened.step:,}{_objective(opened)}"
    )
    _echo_means(result, particles, accuracy, known)
    for one in classes:
        click.echo(
            f"classes {one.site:7} {one.error:12.2%} of {one.count:,} labels missed, {one.matched_error:.2%} after "
            f"classes are matched to labels (± {one.standard_error:.2%})"
        )
    if information is not None:
        _echo_information(information)
    if suggested is not None:
        _echo_capacity(suggested, result)
    if parts is not None:
        echo_gaps(parts)
    if chains is not None:
        echo_chains(chains)
    if diagnosis is not None:
        click.echo(str(diagnosis))


def _objective(run: Run) -> str:
    """The objective of a run, where it is not the β-VAE's own."""
    objective = run.config.get("objective", "beta")
    return "" if objective in (None, "beta") else f", objective {objective}"


def _known(images: Tensor, covariance: Tensor | None, result: Evaluation) -> dict[str, float | None]:
    """What the exact distribution of the data says, where it is known; None elsewhere."""
    from pyro_bvae.datasets import entropy, log_likelihood
    from pyro_bvae.evaluation import least_information

    exact = None if covariance is None else log_likelihood(images, covariance)
    return {
        "exact_log_likelihood": exact,
        "entropy": None if covariance is None else entropy(covariance),
        "least_information": least_information(result, exact),
    }


def _suggested(run: Run, result: Evaluation) -> dict[str, Any]:
    """The capacity that a run suggests, and the command that fits with it."""
    from pyro_bvae.objectives import suggest_capacity
    from pyro_bvae.runs.config import weighs_rate

    if run.config.get("match_rate") is not None or run.config.get("beta_schedule") is not None:
        raise ValueError("a capacity is read off a run at one low β: fit one without --match and --beta-schedule")
    ramp = suggest_capacity(result.kl_per_latent, run.step)
    objective = f"capacity:gamma=1000,capacity=linear:{ramp.value:g}:{ramp.steps}"
    command = ["pyro-bvae", "fit", "--objective", objective, "--beta", "1", "--config", _config(run)]
    command += [word for file in programs_given()["program"][:1] for word in ("--program", file)]
    return {
        "capacity": ramp.value,
        "steps": ramp.steps,
        "is_lower_estimate": result.beta > 1 or not weighs_rate(run.config),
        "command": pasted(*command),
    }


def _config(run: Run) -> str:
    """What --config takes to repeat a run: its config.json, or the file that holds the run."""
    assert run.path is not None
    return str(run.path if run.path.is_file() else run.path / "config.json")


def _echo_capacity(suggested: dict[str, Any], result: Evaluation) -> None:
    click.echo(
        f"{'C_max':15} {suggested['capacity']:12g} nats, what the {result.active_units} active latents take at "
        f"β {result.beta:g}, rounded up; ramped up over a third of the steps:"
    )
    click.echo(f"    {suggested['command']}")
    if suggested["is_lower_estimate"]:
        click.echo("This may be a lower estimate: what was minimised holds the KL down; a run at β ≤ 1 is wanted.")


def _echo_means(result: Evaluation, particles: int, accuracy: float | None, known: Mapping[str, float | None]) -> None:
    least, datum = known["least_information"], "a vector" if result.ssim is None else "an image"
    for name, value, unit in (
        ("ELBO", result.elbo, f"nats {datum}, at β 1 ({result.nats})" + _error(result.elbo_standard_error)),
        (f"IW bound ({particles})", result.iw_bound, "nats" + _error(result.iw_standard_error)),
        ("exact", known["exact_log_likelihood"], "nats, log p(x) of the Gaussian that the data were drawn from"),
        ("distortion", result.distortion, "nats"),
        ("rate", result.rate, "nats" + _error(result.rate_standard_error)),
        ("entropy H", known["entropy"], "nats, of that Gaussian"),
        ("I_rep ≥ H − D", least, "nats, H over these data" + ("" if (least or 0) > 0 else ": it says nothing")),
        ("bits", result.bits_per_dim, "a dimension, of 256 levels"),
        ("MSE", result.mse, "a value"),
        ("PSNR", result.psnr, "dB"),
        ("SSIM", result.ssim, ""),
        ("coverage 50%", result.coverage_50, "of values in the central 50%"),
        ("coverage 90%", result.coverage_90, "of values in the central 90%"),
        ("probe", accuracy, "held-out accuracy of a linear classifier on the codes"),
        ("trained at β", result.beta, f"(β_norm {result.beta_norm:.3g})"),
    ):
        if value is not None:
            click.echo(f"{name:15} {in_words(value):>12} {unit}")
    if result.kl_per_latent is not None:
        click.echo(f"{'active units':15} {result.active_units:12d} of {len(result.kl_per_latent)} (KL above 0.01 nats)")
        click.echo(f"KL per latent   {_kl(result.kl_per_latent, result.latents)}")
    elif result.active_units is not None:
        click.echo(f"{'active units':15} {result.active_units:12d} (their posterior means vary by more than 0.01)")
    for name, parts in (("distortion", result.distortions), ("rate", result.rates)):
        if len(parts) > 1:
            said = "  ".join(f"{site} {in_words(nats, '.2f')}" for site, nats in parts.items())
            click.echo(f"{f'{name} by site':19} {said}")
    if result.nats == "no probability":
        click.echo("These nats are cross-entropies of pixels, no log-probabilities: compare them with no other family.")


def _error(error: float | None) -> str:
    """What is said of the precision of a rate."""
    return "" if error is None else f", an estimate; its standard error is {in_words(error, '.2g')}"


def _kl(kl: Sequence[float], units: Sequence[str]) -> str:
    """The KL of each latent; of many those with the most."""
    most = sorted(sorted(range(len(kl)), key=lambda latent: -kl[latent])[:MOST_LATENTS])
    is_plain = all(unit.startswith("z[") for unit in units)
    names = [f"z{latent}" if is_plain else unit for latent, unit in enumerate(units)]
    said = "  ".join(f"{names[latent]} {in_words(kl[latent], '.2f')}" for latent in most)
    return said if len(kl) <= MOST_LATENTS else f"{said}  (the {MOST_LATENTS} largest of {len(kl):,})"


def _echo_information(parts: Information) -> None:
    click.echo(f"exact over {parts.images:,} data, one draw of z each:")
    for name, value, unit in (
        (
            "I(x; z)",
            parts.mutual_information,
            f"nats; at most log N = {parts.most:.4f}, too low where it is near",
        ),
        ("TC", parts.total_correlation, "nats, total correlation of the aggregate posterior"),
        ("KL by latent", parts.dimension_wise_kl, "nats, sum over the latents of the aggregate posterior's KL"),
        ("rate", parts.rate, "nats at these draws, the sum of the three"),
    ):
        click.echo(f"{name:15} {in_words(value):>12} {unit}")
    excuse = "" if parts.mutual_information <= parts.rate else ", but for the error of one draw a datum"
    click.echo(f"I_rep ≤ rate    {in_words(parts.mutual_information):>12} ≤ {in_words(parts.rate)} nats{excuse}")
