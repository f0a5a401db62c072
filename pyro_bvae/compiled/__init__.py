"""Any Pyro SVI step as one graph: recorded, compiled, and replayed on a GPU. Nothing here knows of a VAE."""

from __future__ import annotations

from .step import CompiledStep, Compiler, inductor

__all__ = ["CompiledStep", "Compiler", "inductor"]
