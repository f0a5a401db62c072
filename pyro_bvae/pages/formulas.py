"""Formulas as MathML, which browsers set without any library, from a line of text.

    formula("L(x) = − E_{q(z|x)} log p(x|z) + β KL(q(z|x) ‖ p(z))")

Single letters are variables, words of several letters are upright, ``_`` and ``^`` set what follows lower and higher.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .markup import Markup, element

__all__ = ["formula"]

TOKEN = re.compile(r"[^\W\d_]+\u0302?|\d+(?:[.,]\d+)*|\S")  # a circumflex belongs to its letter
FUNCTIONS = {"log"}
FIRST = set("=(+,|")  # after which a minus is a sign


def formula(text: str, display: bool = False) -> Markup:
    """MathML of a formula.

    Args:
        text: The formula.
        display: Whether it stands on a line of its own, which scrolls where it is too long.

    Raises:
        ValueError: A brace has no other.

    >>> formula("β^2")
    '<math><mrow><msup><mi>β</mi><mn>2</mn></msup></mrow></math>'
    """
    atoms = _row(iter(TOKEN.findall(text)), "")
    math = element("math", element("mrow", atoms), display="block" if display else None)
    return element("div", math, class_="formula") if display else math


def _row(tokens: Iterator[str], end: str) -> list[Markup]:
    """The atoms up to a token that ends them."""
    atoms: list[Markup] = []
    before = "("
    for token in tokens:
        if token == end:
            return atoms
        if token in "_^":
            atoms.append(_scripted(atoms.pop(), token, _atom(next(tokens), tokens, "(")))
        else:
            atoms.append(_atom(token, tokens, before))
        before = token
    if end:
        raise ValueError(f"a formula lacks {end}")
    return atoms


def _scripted(base: Markup, kind: str, script: Markup) -> Markup:
    """An atom with a lower or upper script; below a sum, and above the lower one where both are there."""
    if kind == "^" and base.startswith("<msub>"):
        return Markup(f"<msubsup>{base.removeprefix('<msub>').removesuffix('</msub>')}{script}</msubsup>")
    return element("munder" if "∑" in base else "msub" if kind == "_" else "msup", base, script)


def _atom(token: str, tokens: Iterator[str], before: str) -> Markup:
    if token == "{":
        return element("mrow", _row(tokens, "}"))
    if token == "Σ":
        return element("mo", "∑", largeop="true", movablelimits="false", lspace="0.17em", rspace="0.17em")
    if token in FUNCTIONS:
        return element("mo", token, stretchy="false", lspace="0.17em", rspace="0.17em")
    if token.endswith("\u0302"):
        return element("mover", element("mi", token[:-1]), element("mo", "^", stretchy="false"), accent="true")
    if token[0].isalpha():
        return element("mi", token)
    if token[0].isdigit() or token == "½":
        return element("mn", token)
    if token in "|‖":
        return element("mo", token, stretchy="false", lspace="0.2em", rspace="0.2em")
    return element("mo", token, form="prefix" if token == "−" and before in FIRST else None, stretchy="false")
