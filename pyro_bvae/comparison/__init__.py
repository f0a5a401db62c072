"""Many fits side by side, and what they come to."""

from __future__ import annotations

from .fits import run_all

__all__ = ["run_all"]
