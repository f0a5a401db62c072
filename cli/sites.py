"""Which site of a model's programs is looked at, and what the others are held at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pyro_bvae.settings.words import brief

from .chosen import data_if_there

if TYPE_CHECKING:
    from pyro_bvae import Run

__all__ = ["by_site", "conditions_of", "given_of", "set_option", "site_option"]

Command = TypeVar("Command", bound=Callable[..., Any])


class Setting(click.ParamType[tuple[str, str]]):
    """``NAME=VALUE``."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Take it apart."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not (name and equals and text):
            self.fail(f"{brief(value)} is not of the form NAME=VALUE, like y=3 or c=0.5,1", param, ctx)
        return name, text


site_option = click.option(
    "--site", metavar="NAME", help="The latent site.  [default: z, or the first that draws no classes]"
)
set_option = click.option(
    "--set",
    "settings",
    type=Setting(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Hold a site, or give the programs an argument: a number, several with commas, or a class; may be repeated.",
)


def given_of(run: Run, settings: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What is given by name, as the library takes it.

    Raises:
        click.UsageError: A name is given twice.
        ValueError: A value is no number, and no class of the site or argument either.
    """
    from pyro_bvae.traversal import read_value

    data = data_if_there(run) if settings else None
    given: dict[str, Any] = {}
    for name, text in settings:
        if name in given:
            raise click.UsageError(f"--set {name} is given twice: give it once")
        given[name] = read_value(run.model, name, text, data)
    return given


def conditions_of(run: Run, given: Mapping[str, Any], count: int) -> dict[str, Any]:
    """What is given of draws, and for arguments of which nothing is said the values of the held-out data."""
    from pyro_bvae.generation import with_conditions
    from pyro_bvae.terms import arguments_of

    data = data_if_there(run) if arguments_of(run.model) else None
    some = with_conditions(run.model, given, None if data is None else data.rows(data.held_out), count)
    if more := ", ".join(name for name in some if name not in given):
        click.echo(f"note    {more} as in the held-out data; --set says otherwise", err=True)
    return some


def by_site(of_sites: Mapping[str, Any]) -> dict[str, Any]:
    """The values of each site by its name, for an npz, where there are several."""
    return dict(of_sites) if len(of_sites) > 1 else {}
