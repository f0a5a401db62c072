"""``pyro-bvae explore``."""

from __future__ import annotations

import getpass
import os
import sys
import webbrowser
from pathlib import Path

import click

from pyro_bvae.settings.spelling import as_options, pasted
from pyro_bvae.settings.words import plain

from .kinds import RunPath
from .options import at_option, data_options, device_option, open_run
from .progress import LoadingBar
from .stopping import exit_code

__all__ = ["command"]

CTRL_C = 130
SSH_PORT = "22"


@click.command("explore")
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN]", type=RunPath())
@click.option("--port", type=click.IntRange(1, 65535), help="Of this machine.  [default: a free one]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@at_option
@data_options
@device_option
def command(
    runs: tuple[Path, ...],
    port: int | None,
    no_browser: bool,
    at: int | None,
    dataset: str | None,
    data_root: Path | None,
    device: str,
) -> None:
    """Play with the latents of a run in the browser: a slider each, and the picture follows. Ctrl-C ends it.

    Two runs stand side by side. The page is served to this machine alone; on a remote one, the tunnel to it is printed.
    What you call latents there is kept in RUN/names.json, and stands in later traversals.

    \b
    Examples:
        pyro-bvae explore runs/digits-beta6-seed0
        pyro-bvae explore runs/digits-beta1-seed0 runs/digits-beta6-seed0
        pyro-bvae explore runs/digits-beta6-seed0 --port 8000 --no-browser
    """
    if len(runs) > 2:
        raise click.UsageError(f"explore shows one run, or two side by side: got {len(runs)}")
    from pyro_bvae import explore

    opened = [open_run(run, device, at, dataset, data_root) for run in runs]
    with explore(opened, port=port or 0, progress=LoadingBar()) as explorer:
        for note in explorer.notes:
            click.echo(f"note     {plain(as_options(note))}", err=True)
        click.echo(f"explorer {explorer.url}")
        if tunnel := _tunnel(explorer.port):
            click.echo(f"tunnel   {tunnel}   (type this on your own machine, and open the address there)")
        click.echo("Ctrl-C ends it")
        if not no_browser and _has_screen():
            webbrowser.open(explorer.url)
        try:
            explorer.wait()
        except KeyboardInterrupt as stop:
            if exit_code(stop) != CTRL_C:
                raise
            click.echo(err=True)  # after the terminal's ^C


def _tunnel(port: int) -> str | None:
    """The command that leads here from another machine; None where nobody has come from one."""
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return None
    _, _, host, ssh_port = connection
    other_port = [] if ssh_port == SSH_PORT else ["-p", ssh_port]
    return pasted("ssh", "-N", "-L", f"{port}:127.0.0.1:{port}", *other_port, f"{getpass.getuser()}@{host}")


def _has_screen() -> bool:
    """Whether a browser has where to open; otherwise one of text may be, and take the terminal."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
