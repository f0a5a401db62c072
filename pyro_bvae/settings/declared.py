"""Options that are declared once: name, type, text, range and default are one field of a dataclass.

    lr: Annotated[float, "Learning rate.", Range(above=0)] = 1e-3

From such a field come the check of its value, the option of the command line, and the arguments that ``help(fit)``,
``inspect.signature`` and an editor show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from math import isfinite
from numbers import Real
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from .kinds import is_of, kind_in_words
from .names import check
from .words import brief

__all__ = [
    "OneOf",
    "Option",
    "Parsed",
    "Range",
    "check_values",
    "class_name",
    "options_of",
    "unwrapped",
]


@dataclass(frozen=True)
class Range:
    """Numbers of at least ``least``, or greater than ``above``, and of at most ``most``; of a list, each of them.

    Attributes:
        least: The smallest number allowed.
        above: An exclusive lower bound.
        most: The largest number allowed.
        wanted: What to call the numbers in an error; by default their bounds.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    wanted: str | None = None

    def check(self, name: str, value: float | Iterable[float]) -> None:
        """Refuse a number outside.

        Raises:
            ValueError: The number is out of range, or not finite.
            TypeError: It is no number.
        """
        is_list = isinstance(value, Iterable) and not isinstance(value, str)
        numbers: Iterable[Any] = value if is_list else (value,)  # type: ignore[assignment]
        for number in numbers:
            if not isinstance(number, Real):
                raise TypeError(f"{name} must be {'numbers' if is_list else 'a number'}, got {brief(value)}")
            if not self.holds(number):
                raise ValueError(f"{name} must be {self.wanted or self.bounds}, got {brief(number)}")

    def holds(self, number: Any) -> bool:
        """Whether a number is in the range; NaN and infinity never are."""
        is_high = (self.least is None or number >= self.least) and (self.above is None or number > self.above)
        return bool(is_high and (self.most is None or number <= self.most) and isfinite(number))

    @property
    def bounds(self) -> str:
        """The range in words, like "at least 1 and at most 65,536"."""
        if self.above == 0 and self.most is None:
            return "a positive number"
        bounds = {"at least": self.least, "greater than": self.above, "at most": self.most}
        return " and ".join(f"{words} {_said(bound)}" for words, bound in bounds.items() if bound is not None)


@dataclass(frozen=True)
class OneOf:
    """One of a few names, each of which stands for a ``kind`` of thing."""

    kind: str
    names: tuple[str, ...]

    def check(self, name: str, value: str) -> None:  # noqa: ARG002
        """Refuse another name.

        Raises:
            ValueError: The name is not known.
        """
        check(self.kind, value, self.names)


@dataclass(frozen=True)
class Parsed:
    """A text with a grammar of its own.

    Attributes:
        read: Reads the text; raises ValueError where it cannot.
        form: What such a text looks like, for the help.
    """

    read: Callable[[Any], Any]
    form: str

    def check(self, name: str, value: Any) -> None:  # noqa: ARG002
        """Refuse a text that cannot be read.

        Raises:
            ValueError: It cannot.
        """
        self.read(value)


@dataclass(frozen=True)
class Option:
    """One option, read from a field of a dataclass.

    Attributes:
        name: Of the field.
        kind: Its type, without None.
        text: What it means, in a sentence.
        limits: What its values have to be, if anything.
        default: Its value where none is given; `dataclasses.MISSING` where there is none.
        may_be_none: Whether None is a value too.
    """

    name: str
    kind: Any
    text: str
    limits: Range | OneOf | Parsed | None
    default: Any
    may_be_none: bool = False

    def check(self, value: Any) -> None:
        """Refuse a value that Python or a command line gives; None is the default.

        Raises:
            ValueError: It is out of range, unknown, or cannot be read.
            TypeError: A number is wanted.
        """
        if value is not None and self.limits is not None:
            self.limits.check(self.name, value)

    def check_stored(self, value: Any) -> None:
        """Refuse a value that a JSON file holds.

        Raises:
            ValueError: It is of another kind than declared, out of range, unknown, or cannot be read.
        """
        if not (is_of(self.kind, value) or (value is None and self.may_be_none)):
            raise ValueError(f"{self.name} must be {kind_in_words(self.kind)}, got {brief(value)}")
        self.check(value)


def options_of(declared: type) -> dict[str, Option]:
    """The options that a dataclass declares, in the order of its fields; fields without a text are none."""
    hints = get_type_hints(declared, include_extras=True)
    options = {}
    for field in fields(declared):
        if get_origin(hints[field.name]) is not Annotated:
            continue
        kind, text, *limits = get_args(hints[field.name])
        kinds = [part for part in get_args(kind) if part is not type(None)] if type(None) in get_args(kind) else [kind]
        one = kinds[0] if len(kinds) == 1 else kind
        rest = (limits[0] if limits else None, field.default, one is not kind)
        options[field.name] = Option(field.name, one, text, *rest)
    return options


def unwrapped(value: Any) -> Any:
    """A number of numpy, or a tensor of one number, as Python's own, which json can write; all else as it is.

    >>> unwrapped(1), unwrapped("all")
    (1, 'all')
    """
    if isinstance(value, list | tuple):
        return [unwrapped(each) for each in value]
    is_number = hasattr(value, "item") and getattr(value, "ndim", None) == 0
    return value.item() if is_number else value


def class_name(thing: object) -> str:
    """The class of an object, or the class or function that it is, with its module.

    >>> class_name(Range())
    'pyro_bvae.settings.declared.Range'
    """
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def check_values(settings: Any) -> None:
    """Check every value of a dataclass of settings, and make numbers plain ones, so that json can write them.

    Raises:
        ValueError: A number is out of range, a name unknown, or a text cannot be read.
        TypeError: A number is wanted, or a whole one.
    """
    for name, option in options_of(type(settings)).items():
        value = unwrapped(getattr(settings, name))
        object.__setattr__(settings, name, value)  # frozen
        if value is None:
            continue
        if option.kind in (int, float) and not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, got {brief(value)}")
        if option.kind is int and not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, got {brief(value)}")
        option.check(value)


def _said(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
