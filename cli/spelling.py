"""Settings as the options that one would type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["spelled"]

NAMES = {"match_rate": "--match"}


def spelled(settings: Mapping[str, Any]) -> list[str]:
    """The words of a command line, in the order of the settings; what is None is left out.

    >>> spelled({"beta": 4.0, "hidden": [256, 256], "grey": True, "scale": None})
    ['--beta', '4', '--hidden', '256,256', '--grey']
    """
    words: list[str] = []
    for name, value in settings.items():
        option = NAMES.get(name, "--" + name.replace("_", "-"))
        if name == "grey":
            words += ["--grey"] if value else []
        elif name == "traverse_range":
            words += [option, *(f"{end:g}" for end in value)]
        elif value is not None:
            words += [option, _said(name, value)]
    return words


def _said(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    said = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return f"rate={said}" if name == "match_rate" else said
