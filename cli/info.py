"""``pyro-bvae info``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pyro_bvae.settings.words import plain

from .options import echo_json, json_option, run_argument

__all__ = ["command"]

MOST_SAID = 8  # values of a list


@click.command("info")
@run_argument
@json_option
def command(run: Path, as_json: bool) -> None:
    """Say what a run is: how far it got, its last line of history, and its settings.

    \b
    Example:
        pyro-bvae info runs/digits-beta6-seed0
    """
    from pyro_bvae.runs.bundle import stored_run

    stored = stored_run(run)
    config, history = stored.read_config(), stored.read_history()
    last = history[-1] if history else None
    checkpoints = stored.numbered_steps()
    if as_json:
        echo_json({"config": config, "last": last, "has_checkpoint": stored.has_checkpoint, "checkpoints": checkpoints})
        return
    lines = [] if last is None else _reached(last, "an image" if len(config["shape"]) == 3 else "a vector")
    if checkpoints:
        lines.append(("checkpoints", f"{', '.join(map(str, checkpoints))} (for --at)"))
    if not stored.has_checkpoint:
        lines.append(("checkpoint", "none yet; fit --resume starts it again"))
    lines += [(name, _said(value)) for name, value in config.items() if value not in (None, {})]
    for name, said in lines:
        click.echo(f"{plain(name):17} {said}")


def _reached(last: Mapping[str, Any], datum: str) -> list[tuple[str, str]]:
    """How far a run got."""
    return [
        ("reached", f"step {last['step']:,}, epoch {last['epoch']:.4g}, {last['seconds']:.1f} s of training"),
        ("held-out ELBO", f"{last['held_out_elbo']:.3f} nats {datum} at β 1"),
        ("distortion, rate", f"{last['held_out_distortion']:.3f}, {last['held_out_rate']:.3f} nats"),
    ]


def _said(value: Any) -> str:
    """A setting in words: yes and no, lists with commas, and of long ones the length."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(name)} {_said(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        is_table = any(isinstance(inner, list) for inner in value)
        if is_table:
            return " × ".join(map(str, _shape(value))) + " numbers (--json shows them)"
        said = ", ".join(map(_said, value[:MOST_SAID])) or "none"
        return said if len(value) <= MOST_SAID else f"{said}, ... ({len(value)} in all)"
    return f"{value:g}" if isinstance(value, float) else plain(value)


def _shape(table: Any) -> list[int]:
    return [len(table), *_shape(table[0])] if isinstance(table, list) and table else []
