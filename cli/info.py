"""``pyro-bvae info``."""

from __future__ import annotations

from pathlib import Path

import click

from pyro_bvae.settings.words import plain

from .options import echo_json, json_option, run_argument

__all__ = ["command"]


@click.command("info")
@run_argument
@json_option
def command(run: Path, as_json: bool) -> None:
    """Say what a run is: how far it got, its last line of history, and its settings.

    \b
    Example:
        pyro-bvae info runs/digits-beta6-seed0
    """
    from pyro_bvae.runs.folder import RunFolder

    folder = RunFolder(run)
    config, history = folder.read_config(), folder.read_history()
    last = history[-1] if history else None
    checkpoints = folder.numbered_steps()
    if as_json:
        echo_json({"config": config, "last": last, "has_checkpoint": folder.has_checkpoint, "checkpoints": checkpoints})
        return
    if last is not None:
        click.echo(
            f"{'reached':17} step {last['step']:,}, epoch {last['epoch']:.4g}, {last['seconds']:.1f} s of training"
        )
        click.echo(f"{'held-out ELBO':17} {last['held_out_elbo']:.3f} nats an image at β 1")
        click.echo(f"{'distortion, rate':17} {last['held_out_distortion']:.3f}, {last['held_out_rate']:.3f} nats")
    if checkpoints:
        click.echo(f"{'checkpoints':17} {', '.join(map(str, checkpoints))} (for --at)")
    if not folder.has_checkpoint:
        click.echo(f"{'checkpoint':17} none yet; fit --resume starts it again")
    for name, value in config.items():
        if value is not None:
            click.echo(f"{plain(name):17} {plain(value)}")
