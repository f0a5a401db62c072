"""One page in one text: a template with the style, the scripts and the content written into it.

A template of ``static/`` has marks like ``{{title}}``. What a run is about stands in the page as JSON without a "<",
so that no name in it can be markup. A policy in the head allows the page's own scripts, by their hashes, and nothing
from elsewhere.

Source: https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from ..settings.words import plain

__all__ = ["inlined", "page", "static", "static_names"]

REPORT = "report"  # begins the names of the files that the explorer does not need
CHARSET = '<meta charset="utf-8">'


def page(
    template: str,
    views: Sequence[Mapping[str, Any]],
    title: str,
    *,
    more: Sequence[str] = (),
    parts: Mapping[str, str] | None = None,
) -> str:
    """The page.

    Args:
        template: The file of ``static/`` with the marks ``title``, ``style``, ``views`` and ``scripts``.
        views: What the page has to know about each run, see `views.view_of`.
        title: Any text.
        more: Scripts and styles of ``static/`` besides the explorer's.
        parts: Markup for further marks of the template, by their names.
    """
    names = [*static_names(), *more]
    scripts, styles = ([name for name in names if name.endswith(ending)] for ending in (".js", ".css"))
    filled = {
        "title": escape(plain(title)),
        "style": "\n".join(map(static, styles)),
        "views": inlined(views),
        "scripts": "\n".join(f"<script>\n{static(name)}</script>" for name in scripts),
        **(parts or {}),
    }
    text = re.sub(r"\{\{(\w+)\}\}", lambda mark: filled[mark[1]], static(template))
    return text.replace(CHARSET, f'{CHARSET}\n<meta http-equiv="Content-Security-Policy" content="{_policy(text)}">', 1)


def static_names() -> list[str]:
    """The scripts and styles of the explorer; scripts declare functions and classes, in any order."""
    names = sorted(file.name for file in (files(__package__) / "static").iterdir())
    return [name for name in names if name.endswith((".js", ".css")) and not name.startswith(REPORT)]


def static(name: str) -> str:
    """The text of a file of ``static/``."""
    return (files(__package__) / "static" / name).read_text(encoding="utf-8")


def inlined(content: Any) -> str:
    r"""JSON that can stand in a script element of a page, in ASCII.

    >>> inlined({"name": "</script>"})
    '{"name":"\\u003c/script>"}'

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not have.
    """
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _policy(text: str) -> str:
    """What a page may load: its own scripts, by their hashes, styles and pictures, and data from its own server."""
    scripts = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    hashes = [f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]
    allowed = {
        "default-src": "'none'",
        "script-src": " ".join(dict.fromkeys(hashes)) or "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "connect-src": "'self' data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{what} {where}" for what, where in allowed.items())
