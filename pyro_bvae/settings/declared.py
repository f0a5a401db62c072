"""Options that are declared once: name, type, text, range and default are one field of a dataclass.

    lr: Annotated[float, "Learning rate.", Range(above=0)] = 1e-3

From such a field come the check of its value, the option of the command line, and the arguments that ``help(fit)``,
``inspect.signature`` and an editor show.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import wraps
from math import isfinite
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, cast, get_args, get_origin, get_type_hints

from .names import check

__all__ = [
    "OneOf",
    "Option",
    "Parsed",
    "Range",
    "check_values",
    "class_name",
    "documented",
    "options_of",
    "plain",
    "takes",
]

P = ParamSpec("P")
First = TypeVar("First")
Second = TypeVar("Second")
Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Range:
    """Numbers of at least ``least``, or greater than ``above``, and of at most ``most``.

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

    def check(self, name: str, value: float) -> None:
        """Refuse a number outside.

        Raises:
            ValueError: The number is out of range, or not finite.
        """
        is_high = (self.least is None or value >= self.least) and (self.above is None or value > self.above)
        is_low = self.most is None or value <= self.most
        if not (is_high and is_low and isfinite(value)):
            raise ValueError(f"{name} must be {self.wanted or self._bounds()}, got {value}")

    def _bounds(self) -> str:
        if self.above == 0 and self.most is None:
            return "a positive number"
        bounds = {"at least": self.least, "greater than": self.above, "at most": self.most}
        return " and ".join(f"{words} {bound}" for words, bound in bounds.items() if bound is not None)


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
        default: Its value where none is given.
    """

    name: str
    kind: Any
    text: str
    limits: Range | OneOf | Parsed | None
    default: Any


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
        options[field.name] = Option(field.name, one, text, limits[0] if limits else None, field.default)
    return options


def plain(value: Any) -> Any:
    """A number of numpy, or a tensor of one number, as Python's own, which json can write; all else as it is.

    >>> plain(1), plain("all")
    (1, 'all')
    """
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
        value = plain(getattr(settings, name))
        object.__setattr__(settings, name, value)  # frozen
        if value is None:
            continue
        if option.kind in (int, float) and not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, got {value!r}")
        if option.kind is int and not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, got {value!r}")
        if option.limits is not None:
            option.limits.check(name, getattr(settings, name))


def documented(declared: type[Given]) -> type[Given]:
    """Write the options of a dataclass into its docstring, and plain types into its constructor's signature."""
    lines = _lines(options_of(declared).values())
    declared.__init__.__annotations__ = {**get_type_hints(declared), "return": None}
    declared.__doc__ = "\n".join([inspect.cleandoc(declared.__doc__ or ""), "", "Attributes:", *lines])
    return declared


def takes(
    arguments: Callable[P, Given],
) -> Callable[[Callable[[First, Second, Given], Result]], Callable[Concatenate[First, Second, P], Result]]:
    """Let ``function(first, second, given)`` be called with the fields of ``given``, a dataclass, as keywords.

    Signature and docstring of the new function show each field with type, default and text, at run time; type checkers
    and editors see the parameters of the dataclass.

    Args:
        arguments: The dataclass of ``given``; all its fields are keywords with defaults.
    """
    assert isinstance(arguments, type)
    types = get_type_hints(arguments)
    keywords = [each.replace(annotation=types[each.name]) for each in inspect.signature(arguments).parameters.values()]
    described = _lines(options_of(arguments).values())

    def decorate(
        function: Callable[[First, Second, Given], Result],
    ) -> Callable[Concatenate[First, Second, P], Result]:
        things = list(inspect.signature(function).parameters.values())[:2]
        signature = inspect.signature(function).replace(parameters=[*things, *keywords])

        @wraps(function)
        def called(*args: Any, **given: Any) -> Result:
            try:
                bound = signature.bind(*args, **given).arguments
            except TypeError as error:
                near = [
                    get_close_matches(name, signature.parameters, n=1) for name in {*given} - {*signature.parameters}
                ]
                hint = "".join(f"; did you mean {name!r}?" for names in near for name in names)
                raise TypeError(f"{function.__name__}() {error}{hint}") from None
            first, second = (bound.pop(thing.name) for thing in things)
            return function(first, second, arguments(**bound))

        before, returns, after = inspect.cleandoc(function.__doc__ or "").partition("\n\nReturns:")
        both: tuple[Any, Any] = (function, called)  # pdoc looks at the first, everybody else at the second
        for one in both:
            one.__doc__ = "\n".join([before, *described]) + returns + after
            one.__signature__ = signature
        return cast("Callable[Concatenate[First, Second, P], Result]", called)

    return decorate


def _lines(options: Iterable[Option]) -> list[str]:
    return [f"    {option.name}: {option.text}" for option in options]
