"""Programs by name or out of a file, with their options, as `fit` builds them and a run folder names them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..datasets import Dataset
from ..model import BetaVAE
from ..settings.names import check
from ..settings.options import DEFAULTS
from ..settings.program_text import ProgramText, program_text
from ..settings.stored import OF_A_CUSTOM_PART
from ..settings.words import brief, one_line
from .files import Source, class_in, read
from .named import PROGRAMS

__all__ = ["Program", "chosen", "options_of", "program_of"]

SET_APART = ("program", "standardise", "beta")  # settings that are no arguments of a class, or that move later


@dataclass(frozen=True)
class Program:
    """A class of programs, and the options that it is built with.

    Attributes:
        text: Both as they were named, but for the folder of a file: what a config.json keeps.
        source: The file of the class, if it has one of its own.
        of_data: Options that were not named, and follow from the data.
        may_differ: Whether the file may be another than the one that a run was begun with.
    """

    text: str
    source: Source | None = None
    of_data: Mapping[str, Any] = field(default_factory=dict)
    may_differ: bool = False

    def __str__(self) -> str:
        named = program_text(self.text)
        return ProgramText(named.name, named.file, {**self.of_data, **named.options}).stored

    @property
    def kind(self) -> type[BetaVAE]:
        """The class.

        Raises:
            ValueError: The file fails, or has no such class.
        """
        name = program_text(self.text).name
        return PROGRAMS[name] if self.source is None else class_in(self.source, name)

    def build(self, shape: Sequence[int], data: Dataset | None, settings: Mapping[str, Any]) -> BetaVAE:
        """The programs, with fresh weights.

        An option that is not named is what ``options_for(data)`` of the class says, where it has such a method, or else
        the default of the class. A setting that is at its default is left to the class, too.

        Args:
            shape: Of a datum.
            data: What they are to be fitted to; None where a run has noted what follows from them.
            settings: Arguments of `BetaVAE`, see `options.MODEL`, and ``beta``.

        Raises:
            ValueError: The class has no such option, does not heed a setting, or cannot be built.
        """
        kind, named = self.kind, program_text(self.text)
        for name in named.options:
            check(f"option of the program {named.name or kind.__name__}", name, options_of(kind) or ["none"])
        of_data = dict(self.of_data)
        if data is not None and hasattr(kind, "options_for"):
            of_data = {option: value for option, value in kind.options_for(data).items() if option not in named.options}
        options = _of_their_kinds(kind, {**of_data, **named.options})
        wanted = {name: value for name, value in settings.items() if name not in SET_APART and _is_chosen(name, value)}
        try:
            vae = kind(shape, **{name: value for name, value in wanted.items() if name in _keywords(kind)}, **options)
        except ValueError:  # which says what is wanted
            raise
        except Exception as error:  # whatever a class of the user's raises
            said = f"{type(error).__name__}: {one_line(str(error))}"
            raise ValueError(f"the program {self.text} cannot be built: {said}") from error
        for name, value in wanted.items():
            if not _alike(value, vae.settings[name]):
                has = brief(vae.settings[name])
                raise ValueError(f"the program {self.text} sets `{name}` to {has} by itself: leave it out")
        vae.beta = settings["beta"]
        name = named.name or kind.__name__
        text = ProgramText(name, named.file, named.options).stored
        vae.program = Program(text, self.source, of_data, self.may_differ)
        if named.file is not None:
            vae.custom["model"] = f"{Path(named.file).stem}.{name}"  # the same however the file is called later
        return vae


def chosen(text: str, source: Source | None = None) -> Program:
    """Programs as a command line names them.

    Args:
        text: See `settings.program_text`.
        source: The file, where it was read before.

    Raises:
        ValueError: An unknown name.
        OSError: The file is not there, or cannot be read.
    """
    named = program_text(text)
    if named.file is None:
        return Program(named.stored)
    return Program(named.stored, source or read(Path(named.file).expanduser()))


def program_of(vae: BetaVAE) -> Program | None:
    """What a model was built as, by name or out of a file; None for the β-VAE's own programs, and for other classes.

    One with a name may have been built in Python, if no part was given as an object.
    """
    name = next((name for name, kind in PROGRAMS.items() if type(vae) is kind), None)
    if vae.program is not None or name is None or vae.custom.keys() != {"model"}:
        program: Program | None = vae.program
        return program
    options = {option: getattr(vae, option) for option in options_of(type(vae))}
    given = {option: value for option, value in options.items() if value is not None}
    return Program(ProgramText(name, None, given).stored)


def options_of(kind: type[BetaVAE]) -> list[str]:
    """The names of the arguments that a class of programs takes beyond those of `BetaVAE`."""
    return [name for name in _keywords(kind) if name not in _keywords(BetaVAE)]


def _keywords(kind: type) -> dict[str, Any]:
    """The arguments that can be named, with those that a class passes on to its parents as ``**options``; defaults."""
    defaults: dict[str, Any] = {}
    for parent in kind.__mro__:
        if "__init__" not in vars(parent):
            continue
        parameters = list(inspect.signature(vars(parent)["__init__"]).parameters.values())[1:]
        named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
        defaults = {each.name: each.default for each in named if each.name != "shape"} | defaults
        if parent is BetaVAE or all(each.kind is not each.VAR_KEYWORD for each in parameters):
            break
    return defaults


def _of_their_kinds(kind: type[BetaVAE], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with whole numbers as floats where the class has a float by default: one types 2 for 2.0."""
    defaults = _keywords(kind)
    return {
        name: float(value) if isinstance(defaults.get(name), float) and isinstance(value, int) else value
        for name, value in options.items()
    }


def _is_chosen(name: str, value: Any) -> bool:
    """Whether a setting is other than its default; a likelihood of the class's own is none that could be passed."""
    return not _alike(value, DEFAULTS[name]) and not (name in OF_A_CUSTOM_PART and value == "custom")


def _alike(one: Any, other: Any) -> bool:
    """Whether two values of a setting are the same, a list and a tuple of the same numbers too."""
    return list(one) == list(other) if isinstance(one, list | tuple) and other is not None else bool(one == other)
