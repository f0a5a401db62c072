"""Settings as the options that one would type: those of a run, and those that a message of the library names."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from .options import OPTIONS

__all__ = ["argument", "as_options", "option_words", "pasted", "spelled"]

OF_A_RUN = (
    "at",
    "changed_program",
    "given",
    "maximise",
    "minimise",
    "out",
    "overwrite",
    "particles",
    "resume",
    "site",
)  # arguments that are no settings
# what is typed in another way than its declaration has it
TYPED = {"given": "--set", "match_rate": "--match", "grey": "--grey/--rgb"}


def option_words(name: str) -> str:
    """How an option is typed; a flag both ways, with a slash between.

    >>> option_words("match_rate"), option_words("figures")
    ('--match', '--figures/--no-figures')
    """
    dashed = name.replace("_", "-")
    is_flag = name in OPTIONS and OPTIONS[name].kind is bool
    return TYPED.get(name, f"--{dashed}/--no-{dashed}" if is_flag else f"--{dashed}")


def as_options(message: str) -> str:
    """A message of the library with the arguments that it names, between backticks, as the options that one types.

    >>> as_options("lower `beta`, or stop there (`steps=20`); `match_rate`, `standardise=False`, `shape`")
    'lower --beta, or stop there (--steps 20); --match, --no-standardise, `shape`'
    >>> as_options("`levels=(0, 4095)`, `frames='all'`, `crop=[0]` and `grey=True`")
    '--levels 0 4095, --frames all, --crop 0 and --grey'
    """

    def typed(match: re.Match[str]) -> str:
        name, value = match.groups()
        if name not in (*OPTIONS, *OF_A_RUN):
            return match[0]
        option, *off = option_words(name).split("/")
        if off and value == "False":
            return off[0]
        value = None if value == "True" else value
        return option if value is None else f"{option} {value.strip('()[]').replace(', ', ' ')}"

    return re.sub(r"`(\w+)(?:='?([^`']*)'?)?`", typed, message)


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


def pasted(*words: object) -> str:
    r"""A command as one would paste it into a shell, whatever its words hold.

    Line breaks stand between single quotes; what a terminal would obey, and bytes that are no text, are written as the
    escapes of bash and zsh.

    >>> pasted("pyro-bvae", "info", *argument("-a b")), pasted("\x1b")
    ("pyro-bvae info -- '-a b'", "$'\\x1b'")
    """
    return " ".join(_quoted(str(word)) for word in words)


def argument(name: object) -> list[str]:
    """A name as an argument of a command: "--" before one that begins with a dash, and would be taken for an option."""
    return ["--", str(name)] if str(name).startswith("-") else [str(name)]


def _quoted(word: str) -> str:
    if word.replace("\n", "").isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in "\\'" else character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def _said(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    said = repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
    return f"rate={said}" if name == "match_rate" else said
