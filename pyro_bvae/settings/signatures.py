"""Declared options as the keyword arguments of a function: in its signature, its docstring, and its messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast, get_type_hints

from .declared import Option, options_of

__all__ = ["documented", "hinted", "takes"]

P = ParamSpec("P")
First = TypeVar("First")
Second = TypeVar("Second")
Given = TypeVar("Given")
Result = TypeVar("Result")


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


def _lines(options: Iterable[Option]) -> list[str]:
    return [f"    {option.name}: {option.text}" for option in options]
