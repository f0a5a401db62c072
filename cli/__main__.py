"""``python -m pyro_bvae_cli``."""

from . import main

main()
