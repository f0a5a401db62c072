"""Packages that only some features need: they are imported when one is asked for, and named where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["MissingPackageError", "wanted"]

EXTRAS = ("cluster", "export", "hdf5", "search", "trackers")  # those of pyproject.toml that features need


class MissingPackageError(OSError):
    """A package is not installed; the message says what installs it."""


def wanted(module: str, what: str, extra: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Its name, like ``optuna.storages``.
        what: What needs it, for the message: "a search".
        extra: The extra of this package that installs it; or the package itself, where it belongs to none.

    Raises:
        MissingPackageError: The package is not installed, or lacks one that it needs itself.
    """
    try:
        return import_module(module)
    except ImportError as error:
        missing = (error.name or module).partition(".")[0]
        raise MissingPackageError(f"{what} needs {missing}: {_install(extra)}") from error


def _install(extra: str) -> str:
    return f"pip install 'pyro-bvae[{extra}]'" if extra in EXTRAS else f"pip install {extra}"
