"""Settings as the options that one would type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro_bvae.settings.options import OPTIONS

from .options import option_words

__all__ = ["spelled"]


def spelled(settings: Mapping[str, Any]) -> list[str]:
    """The words of a command line, in the order of the settings; None, and a flag at its default, are left out.

    >>> spelled({"beta": 4.0, "hidden": [256, 256], "grey": True, "scale": None, "compile": False})
    ['--beta', '4', '--hidden', '256,256', '--grey', '--no-compile']
    """
    words: list[str] = []
    for name, value in settings.items():
        option, *off = option_words(name).split("/")
        if name in OPTIONS and OPTIONS[name].kind is bool:
            words += [] if value in (None, OPTIONS[name].default) else [option if value else off[0]]
        elif name in ("traverse_range", "levels"):
            words += [] if value is None else [option, *(f"{end:.15g}" for end in value)]
        elif value is not None:
            words += [option, _said(name, value)]
    return words


def _said(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    said = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return f"rate={said}" if name == "match_rate" else said
