"""Versions of packages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["version_of"]


def version_of(package: str) -> str:
    """The version of a package; "not installed" where it is imported from its source tree, as from a PYTHONPATH."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
