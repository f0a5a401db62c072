"""Options that are declared once: name, type, text, range and default are one field of a dataclass.

    lr: Annotated[float, "Learning rate.", Range(above=0)] = 1e-3

From such a field come the check of its value, the option of the command line, and the arguments that ``help(fit)``,
``inspect.signature`` and an editor show.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import wraps
from math import isfinite
from numbers import Real
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, cast, get_args, get_origin, get_type_hints

from .names import check
from .words import brief

__all__ = [
    "OneOf",
    "Option",
    "Parsed",
    "Range",
    "check_values",
    "class_name",
    "documented",
    "hinted",
    "is_of",
    "options_of",
    "takes",
    "unwrapped",
]

P = ParamSpec("P")
First = TypeVar("First")
Second = TypeVar("Second")
Given = TypeVar("Given")
Result = TypeVar("Result")


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
            raise ValueError(f"{self.name} must be {in_words(self.kind)}, got {brief(value)}")
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
    is_number = hasattr(value, "item") and getattr(value, "ndim", None) == 0
    return value.item() if is_number else value


def class_name(thing: object) -> str:
    """The class of an object, or the class or function that it is, with its module.

    >>> class_name(Range())
    'pyro_bvae.settings.declared.Range'
    """
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def is_of(kind: Any, value: Any) -> bool:
    """Whether plain data, as JSON has them, are of a type; whole numbers are numbers too, and booleans are none.

    >>> is_of(float, 1), is_of(int, True), is_of(tuple[int, ...], [1, 2]), is_of(int | str, "all")
    (True, False, True, True)
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (tuple, list):
        size = None if len(parts) == 1 or parts[-1] is Ellipsis else len(parts)
        fits = isinstance(value, list | tuple) and size in (None, len(value))
        return fits and all(is_of(parts[0], each) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(is_of(parts[1], each) for each in value.values())
    if parts:  # a union
        return any(is_of(part, value) for part in parts)
    kinds = (int, float) if kind is float else kind
    return isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))


def in_words(kind: Any) -> str:
    """What is wanted of plain data of a type.

    >>> in_words(int), in_words(tuple[float, float]), in_words(int | str)
    ('a whole number', 'a list of 2 numbers', 'a whole number or a text')
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (tuple, list):
        size = "" if len(parts) == 1 or parts[-1] is Ellipsis else f"{len(parts)} "
        return f"a list of {size}{in_words(parts[0]).removeprefix('a ')}s"
    if parts and origin is not dict:
        return " or ".join(map(in_words, parts))
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    return words.get(kind, "an object")


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
            bound = _bound(function.__name__, signature, args, given)
            first, second = (bound.pop(thing.name) for thing in things)
            return function(first, second, arguments(**bound))

        before, returns, after = inspect.cleandoc(function.__doc__ or "").partition("\n\nReturns:")
        both: tuple[Any, Any] = (function, called)  # pdoc looks at the first, everybody else at the second
        for one in both:
            one.__doc__ = "\n".join([before, *described]) + returns + after
            one.__signature__ = signature
        return cast("Callable[Concatenate[First, Second, P], Result]", called)

    return decorate


def hinted(function: Callable[P, Result]) -> Callable[P, Result]:
    """Answer a misspelt keyword of a function, or of a class by its ``__init__``, with the nearest there is."""
    signature = inspect.signature(function)

    @wraps(function)
    def called(*args: P.args, **given: P.kwargs) -> Result:
        _bound(function.__qualname__.removesuffix(".__init__"), signature, args, given)
        return function(*args, **given)

    return called


def _bound(name: str, signature: inspect.Signature, args: Iterable[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by name.

    Raises:
        TypeError: They do not fit the signature; of a keyword that is not known, with the nearest that is.
    """
    try:
        return dict(signature.bind(*args, **given).arguments)
    except TypeError as error:
        near = [get_close_matches(each, signature.parameters, n=1) for each in {*given} - {*signature.parameters}]
        hint = "".join(f"; did you mean {each!r}?" for names in near for each in names)
        raise TypeError(f"{name}() {error}{hint}") from None


def _said(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _lines(options: Iterable[Option]) -> list[str]:
    return [f"    {option.name}: {option.text}" for option in options]
