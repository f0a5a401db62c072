"""How programs are named on a command line and in a config.json; free of torch.

    NAME[:OPTION=VALUE,...]    FILE.py[:CLASS[:OPTION=VALUE,...]]

A value is a number or a word. What is left out has the default of the class, or what the data say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .names import PROGRAMS, check
from .words import brief, number

__all__ = ["ProgramText", "is_of_one_class", "own_parts", "program_text"]

OF_A_FILE = re.compile(r"(?P<file>.+\.py)(?::(?P<name>[^:=]*))?(?::(?P<options>.*))?")


@dataclass(frozen=True)
class ProgramText:
    """Programs as they were written.

    Attributes:
        name: One of `names.PROGRAMS`, or a class in the file; empty where the file has to say.
        file: The user's own file, if it is one.
        options: Arguments of the class beyond those of `BetaVAE`.
    """

    name: str
    file: str | None
    options: Mapping[str, float | str]

    @property
    def stored(self) -> str:
        """What a config.json keeps: without the folders of a file, and with options in order."""
        parts = [self.name] if self.file is None else [Path(self.file).name, self.name]
        said = ",".join(f"{name}={_said(self.options[name])}" for name in sorted(self.options))
        return ":".join(filter(None, [*parts, said]))


def program_text(text: str) -> ProgramText:
    """Read the name of programs.

    Raises:
        ValueError: An unknown name, or options that are none.

    >>> program_text("mine.py:Mine:classes=10").options
    {'classes': 10}
    >>> program_text("mine/two.py:Layers").stored
    'two.py:Layers'
    """
    of_a_file = OF_A_FILE.fullmatch(text)
    if of_a_file is not None:
        file, name, rest = of_a_file.groups()
    else:
        file, (name, _, rest) = None, text.partition(":")
        try:
            check("program", name, PROGRAMS)
        except ValueError as error:
            raise ValueError(f"{error}; a class of your own is FILE.py:CLASS") from None
    options: dict[str, float | str] = {}
    for part in filter(None, (rest or "").split(",")):
        option, equals, value = part.partition("=")
        if not (option.isidentifier() and equals and value):
            raise ValueError(f"{brief(part)} in the program {brief(text)} is not of the form OPTION=VALUE")
        if option in options:
            raise ValueError(f"{option} is given twice in the program {brief(text)}")
        options[option] = _value(value)
    return ProgramText(name or "", file, options)


def is_of_one_class(text: str, stored: str) -> bool:
    """Whether a text can name the programs that a run has in a file: the same class, and the same options if any.

    >>> is_of_one_class("here/two.py", "two.py:Layers:width=3"), is_of_one_class("two.py:Other", "two.py:Layers")
    (True, False)
    """
    named, of_run = program_text(text), program_text(stored)
    is_a_file = named.file is not None and of_run.file is not None
    return is_a_file and named.name in ("", of_run.name) and named.options in ({}, of_run.options)


def own_parts(config: Mapping[str, object]) -> dict[str, str]:
    """The parts of a run that are classes of the user's own, and that neither a name nor a file can build again.

    >>> own_parts({"custom": {"model": "two.Layers"}, "program": "two.py:Layers"})
    {}
    """
    custom = config["custom"]
    assert isinstance(custom, dict)
    return custom if config.get("program") is None else {}


def _value(text: str) -> float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _said(value: float | str) -> str:
    return number(value) if isinstance(value, float) else str(value)
