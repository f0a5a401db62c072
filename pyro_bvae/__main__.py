"""``python -m pyro_bvae``: the command line, where it is installed."""

from __future__ import annotations

from pyro_bvae_cli import main

main()
