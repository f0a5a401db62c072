"""Metrics over runs and baselines, and what they come to."""

from __future__ import annotations

from .scores import score

__all__ = ["score"]
