"""Programs with more than one latent, one a file that reads like its paper's model section."""

from __future__ import annotations

from .parts import filled, is_known, joined, one_hot

__all__ = ["filled", "is_known", "joined", "one_hot"]
