"""What ``pyro-bvae evaluate`` says of the guide beside the best posterior of its family, and beside NUTS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.settings.shown import in_words

from .output import write

if TYPE_CHECKING:
    from pyro_bvae.evaluation import ChainsOfImages, Evaluation, Gaps

__all__ = ["as_plain", "echo_chains", "echo_gaps", "write_chains"]

NOT_MET = 1.1  # r-hat above which chains have not met


def echo_gaps(parts: Gaps) -> None:
    """Print the gaps as a table."""
    effective = f"{parts.effective_draws:,.0f} of {parts.draws:,} draws are effective"
    click.echo(f"gaps of {parts.images:,} data at β 1, ± standard errors; posteriors fitted in {parts.steps:,} steps:")
    for name, key, unit in (
        ("log p(x)", "log_likelihood", f"nats, importance-weighted bound; {effective}"),
        ("ELBO, fitted", "elbo_fitted", "nats, best posterior of the family for each datum alone"),
        ("ELBO", "elbo", "nats, of the guide"),
        ("approximation", "approximation_gap", "nats, log p(x) − ELBO fitted: the family"),
        ("amortisation", "amortisation_gap", "nats, ELBO fitted − ELBO: the encoder"),
        ("still rising", "still_rising", "nats, ELBO fitted over the last tenth of the steps"),
    ):
        value, error = getattr(parts, key), parts.standard_error[key]
        click.echo(f"{name:15} {in_words(value, '.4f'):>12} ± {in_words(error, '.4f')} {unit}")


def echo_chains(chains: ChainsOfImages) -> None:
    """Print a row an image: whether the chains have met, and how far the guide is off."""
    images, count, draws = chains.draws.shape[:3]
    click.echo(
        f"NUTS on {chains.site} of {images} data at β 1: {count} chains of {draws:,} draws; mean and deviation of the "
        "guide beside its own"
    )
    click.echo("datum    r-hat  n_eff  divergent  mean off by  deviation")
    for row in range(images):
        low, high = (in_words(end, ".2f") for end in (chains.width[row].min().item(), chains.width[row].max().item()))
        click.echo(
            f"{row:<7} {in_words(chains.r_hat[row].max().item(), '.2f'):>6} {chains.effective[row].min().item():>6.0f} "
            f"{int(chains.divergences[row]):>10} {in_words(chains.off[row].abs().max().item(), '.2f'):>8} sd  "
            f"{low} to {high} times"
        )
    if not bool((chains.r_hat <= NOT_MET).all()):
        click.echo(f"Some chains have not met, r-hat is above {NOT_MET:g}: more --nuts-draws are wanted.")


def as_plain(chains: ChainsOfImages) -> dict[str, Any]:
    """The numbers of chains as plain data, by image and latent; the draws themselves are in the npz."""
    images, count, draws = chains.draws.shape[:3]
    numbers = {"r_hat": chains.r_hat, "effective": chains.effective, "divergences": chains.divergences}
    numbers |= {"mean_off": chains.off, "deviation_ratio": chains.width}
    sizes = {"images": images, "chains": count, "draws": draws}
    return {"site": chains.site, **sizes, **{name: values.tolist() for name, values in numbers.items()}}


def write_chains(stem: Path, chains: ChainsOfImages, result: Evaluation, quietly: bool, **how: Any) -> None:
    """Write the picture and the draws, and name the files, on stderr where stdout is one JSON object."""
    from pyro_bvae import plots

    arrays = {"nuts": chains.draws, "guide": chains.guide_draws, "x": chains.images}
    figure = plots.posteriors(chains, _kl_of(chains, result))
    write(stem, arrays, figure, err=quietly, **how)


def _kl_of(chains: ChainsOfImages, result: Evaluation) -> list[float] | None:
    """The mean KL of each latent of the site, where there is one each."""
    kl, units = result.kl_per_latent, result.latents
    if kl is None:
        return None
    of_site = [value for value, unit in zip(kl, units, strict=True) if unit.partition("[")[0] == chains.site]
    return of_site if len(of_site) == chains.draws.shape[-1] else None
