"""``pyro-bvae recipes``."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import asdict

import click

from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.spelling import spelled

from .kinds import Name
from .options import echo_json, json_option

__all__ = ["command"]


@click.command("recipes")
@click.argument("name", type=Name("recipe", tuple(RECIPES)), required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List published experiments that fit --recipe runs: source, what they show, what fails, how long they take.

    \b
    Examples:
        pyro-bvae recipes
        pyro-bvae recipes conv-dsprites
    """
    chosen = {name: RECIPES[name]} if name else RECIPES
    if as_json:
        echo_json({"recipes": {title: asdict(recipe) for title, recipe in chosen.items()}})
        return
    for title, recipe in chosen.items():
        click.secho(title, bold=True)
        for what, text in (
            ("from", recipe.source),
            ("shows", recipe.shows),
            ("fails", recipe.fails),
            ("takes", recipe.takes),
            ("is", "fit " + shlex.join(spelled(recipe.settings))),
        ):
            click.echo(textwrap.fill(text, 110, initial_indent=f"  {what:6}", subsequent_indent=" " * 8,
                                     break_on_hyphens=False, break_long_words=False))  # fmt: skip
        click.echo()
