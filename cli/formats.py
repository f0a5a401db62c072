r"""Tables in the format that a command is asked for: text for the terminal, Markdown, or LaTeX with booktabs.

LaTeX is given as text that pdflatex sets: what it would obey is escaped, and a Greek letter or a minus is mathematics.
Where a table goes into a file or a paper, what is said beside it goes to standard error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import click

from pyro_bvae.settings.words import plain

from .kinds import Name
from .settings import is_typed
from .tables import Table, aligned

__all__ = ["TableFormat", "check_format", "echo_table", "format_option", "latex", "markdown"]

TableFormat = str
GREEK = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
MATHEMATICS = {"±": "pm", "×": "times", "≤": "leq", "≥": "geq", "√": "surd", "∞": "infty", "→": "to", "‖": "Vert"}


def _name(letter: str) -> str:
    """What LaTeX calls a Greek letter; Unicode has another name for one of them."""
    name = unicodedata.name(letter).split()[-1].replace("LAMDA", "LAMBDA")
    return name.lower() if letter.islower() else name.capitalize()


IN_LATEX = {
    letter: rf"$\{name}$" for letter, name in (MATHEMATICS | {letter: _name(letter) for letter in GREEK}).items()
}
IN_LATEX |= {letter: rf"\{letter}" for letter in "&%$#_{}"}
IN_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
IN_LATEX |= {"<": r"\textless{}", ">": r"\textgreater{}", "`": r"\`{}"}
IN_LATEX |= {"−": "$-$", "–": "--", "…": r"\ldots{}", "“": "``", "”": "''"}
OF_LATEX = str.maketrans(IN_LATEX)
MINUS = re.compile(r"(?<![\w.)\]-])-(?=\d)")  # a hyphen that begins a number
OF_MARKDOWN = re.compile(r"([\\`*_|<>\[\]~])")


def markdown(table: Table) -> list[str]:
    r"""The lines of a table in Markdown: names to the left, the other columns to the right.

    >>> print("\n".join(markdown(Table(["", "ELBO"], [["a_b|c", "-126.33 ± 0.25"]]))))
    |         |           ELBO |
    |:--------|---------------:|
    | a\_b\|c | -126.33 ± 0.25 |
    """
    titles, *rows = _padded(table, lambda text: OF_MARKDOWN.sub(r"\\\1", text))
    rules = ["-" * (len(title) + 1) for title in titles]
    rule = "|".join([f":{rules[0]}", *(f"{each}:" for each in rules[1:])])
    return [f"| {' | '.join(titles)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]


def latex(table: Table) -> list[str]:
    r"""The lines of a table in LaTeX, with the rules of booktabs.

    >>> print("\n".join(latex(Table(["", "β"], [["a_b", "-1.5 ± 0.2"]]))))
    % \usepackage{booktabs}
    \begin{tabular}{lr}
    \toprule
         &          $\beta$ \\
    \midrule
    a\_b & $-$1.5 $\pm$ 0.2 \\
    \bottomrule
    \end{tabular}
    """
    titles, *rows = (f"{_first_safe(' & '.join(cells))} \\\\" for cells in _padded(table, _in_latex))
    columns = "l" + "r" * (len(table.titles) - 1)
    begin = [r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    return [*begin, titles, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]


def _in_latex(text: str) -> str:
    return MINUS.sub("−", text).translate(OF_LATEX)


def _first_safe(line: str) -> str:
    """A row that does not begin with what the command before it would take for an argument of its own."""
    return f"{{}}{line}" if line.lstrip().startswith(("[", "*")) else line


def _padded(table: Table, escaped: Callable[[str], str]) -> list[list[str]]:
    """The titles and the rows, escaped, all cells of a column equally long."""
    lines = [[escaped(plain(cell)) for cell in row] for row in (table.titles, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        [
            f"{cell:>{width}}" if place else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in lines
    ]


FORMATS: dict[TableFormat, Callable[[Table], list[str]]] = {"text": aligned, "markdown": markdown, "latex": latex}
format_option = click.option(
    "--format", "table_format", type=Name("format", tuple(FORMATS)), default="text", show_default=True,
    help="Of the printed tables. With markdown and latex, stdout has nothing else.",
)  # fmt: skip


def check_format(ctx: click.Context) -> None:
    """Refuse a format of tables where JSON is printed.

    Raises:
        click.UsageError: Both are asked for.
    """
    if ctx.params["as_json"] and is_typed(ctx, "table_format"):
        raise click.UsageError("--json prints one object, and --format is of tables: give one of them", ctx)


def echo_table(table: Table, table_format: TableFormat, heading: str = "") -> None:
    """Print a table, after what it is a table of."""
    said = plain(heading)
    above = {"text": [said], "markdown": [OF_MARKDOWN.sub(r"\\\1", said), ""], "latex": [f"% {said}"]}[table_format]
    below = [] if table_format == "text" else [""]
    click.echo("\n".join([*(above if heading else []), *FORMATS[table_format](table), *below]))
