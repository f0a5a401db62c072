"""The group of commands, which turns every mistake of a user into one plain line."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import click

from pyro_bvae.settings.spelling import as_options
from pyro_bvae.settings.words import one_line

from .errors import said
from .stopping import exit_code, terminable
from .together import check_taken_together, hushed, is_said_elsewhere
from .waiting import wait_briefly

__all__ = ["main"]


class OnDemand(dict[str, click.Command]):
    """Commands by name, each imported when it is asked for: the start of one waits for no other.

    Args:
        names: Of the commands, and of the modules beside this one that hold them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(dict.fromkeys(names))  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> click.Command:
        if super().__getitem__(name) is None:
            self[name] = import_module(f".{name}", __package__).command
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The command of that name."""
        return self[name] if name in self else default  # noqa: SIM401 - which is this


class Commands(click.Group):
    """Commands in the order they were added, with errors in one line.

    Exit code 2 is for usage, 1 for everything else that goes wrong, 130 for Ctrl-C, 143 for SIGTERM. Set
    PYRO_BVAE_TRACEBACK=1 to see where an error comes from.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The order of the work, not of the alphabet."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named; of those that take one process, several are refused."""
        name, command, rest = super().resolve_command(ctx, args)
        check_taken_together(str(name))
        return name, command, rest

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command line, with something open where a daemon or ``2>&-`` has closed a standard stream."""
        _open_closed_streams()
        return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        wait_briefly()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a β must not end a run on an old terminal
        warnings.formatwarning = lambda message, *_, **__: f"Warning: {as_options(str(message))}\n"
        try:
            with hushed(), terminable():
                return super().invoke(ctx)
        except click.UsageError as error:
            if is_said_elsewhere(error, ctx.invoked_subcommand):
                ctx.exit(error.exit_code)
            where = error.ctx.command_path if error.ctx else ctx.command_path
            raise click.UsageError(f"{as_options(one_line(error.format_message()))}; see {where} --help") from error
        except KeyboardInterrupt as stop:
            with hushed():
                click.echo("\ninterrupted", err=True)
            ctx.exit(exit_code(stop))
        except (click.ClickException, click.exceptions.Exit, click.Abort) as error:
            if is_said_elsewhere(error, ctx.invoked_subcommand):
                ctx.exit(1)
            raise
        except Exception as error:  # a traceback helps no one but us, who can ask for it
            if os.environ.get("PYRO_BVAE_TRACEBACK"):
                raise
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if is_said_elsewhere(error, ctx.invoked_subcommand):
                ctx.exit(1)
            command = self.commands.get(ctx.invoked_subcommand or "")
            raise click.ClickException(said(error, command)) from error


def _open_closed_streams() -> None:
    """Open the null device in place of each standard stream that is closed.

    Otherwise the next file that is opened, a checkpoint say, takes the number of the closed stream, and a library that
    warns on standard error writes into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free: this one
        if getattr(getattr(sys, name), "closed", getattr(sys, name) is None):
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process lives


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pyro-bvae", prog_name="pyro-bvae")
def main() -> None:
    """The β-VAE as Pyro programs.

    \b
    Fit one to handwritten digits, and look at what its latents do:
        pyro-bvae fit --beta 6
        pyro-bvae traverse runs/digits-beta6-seed0
    """
