"""``pyro-bvae evaluate``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

import pyro_bvae

from .options import Name, at_option, device_option, echo_json, json_option, open_run, run_argument, seed_option

__all__ = ["command"]


@click.command("evaluate")
@run_argument
@click.option(
    "--split", type=Name("split", ("held-out", "train")), default="held-out", show_default=True, help="Which data."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=1000, show_default=True, help="Images at once.")
@at_option
@seed_option
@device_option
@json_option
def command(run: Path, split: str, batch_size: int, at: int | None, seed: int, device: str, as_json: bool) -> None:
    """Evaluate a run on its held-out data, in nats an image at β 1, whatever β it was trained with.

    \b
    Example:
        pyro-bvae evaluate runs/digits-beta6-seed0 --json
    """
    opened = open_run(run, device, at)
    data = opened.dataset()
    index = data.train if split == "train" else data.held_out
    result = pyro_bvae.evaluate(opened.model, data.images[index], batch_size=batch_size, seed=seed)
    if as_json:
        echo_json(asdict(result))
        return
    click.echo(f"{run}: {len(index):,} {split} data of {data.name}, step {opened.step:,}")
    click.echo(f"ELBO          {result.elbo:10.3f} nats an image, at β 1")
    click.echo(f"distortion    {result.distortion:10.3f} nats")
    click.echo(f"rate          {result.rate:10.3f} nats")
    click.echo(f"MSE           {result.mse:10.5f} a value")
    click.echo(f"trained at β  {result.beta:10g} (β_norm {result.beta_norm:.3g})")
    if result.kl_per_latent is not None:
        click.echo(f"active units  {result.active_units:10d} of {len(result.kl_per_latent)} (KL above 0.01 nats)")
        click.echo("KL per latent " + "  ".join(f"z{k} {kl:.2f}" for k, kl in enumerate(result.kl_per_latent)))
