"""How objectives, schedules and what has a number are written on a command line and in a config.json; free of torch.

    NAME[:COEFFICIENT=VALUE,...]    tc:beta=6    factor:gamma=35,lr=1e-4    capacity:capacity=linear:25:100000

A value is a number, a word, or a schedule, KIND:VALUE[:STEPS[:START[:RISE]]]. What is left out is as published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from ..schedules import SCHEDULES, Schedule
from .names import OBJECTIVES, TRACKERS, check
from .words import brief

__all__ = ["USUAL", "Specification", "as_file_name", "counted", "inches", "scheduled", "specified", "trackers_in"]

MOST = 10_000  # components of a prior, or transforms of a posterior
WIDTHS = {"column": 3.25, "page": 6.75}  # inches: what ICML's two columns have
LEAST_WIDTH, MOST_WIDTH = 1.0, 20.0

# published coefficients, where the classes' own defaults make the ELBO; sources in the objectives' docstrings
USUAL: dict[str, dict[str, str]] = {
    "beta": {},
    "capacity": {"gamma": "1000", "capacity": "linear:25:100000"},
    "tc": {"beta": "6"},
    "factor": {"gamma": "35"},
    "dip-i": {"off_diagonal": "10", "diagonal": "100"},
    "dip-ii": {"off_diagonal": "10", "diagonal": "10"},
    "info": {"alpha": "0", "scale": "1000"},
    "controlled": {},
    "ada": {"threshold": "0.5"},
    "qlae": {"beta": "0", "commitment": "0.01", "quantised": "1"},
}


@dataclass(frozen=True)
class Specification:
    """An objective as it was written: its name and its coefficients.

    Attributes:
        name: One of `names.OBJECTIVES`.
        options: Numbers and words.
        schedules: Coefficients that move with the step.
        text: The whole text with published values filled in, and coefficients in order: equal for equal objectives.
    """

    name: str
    options: Mapping[str, float | str]
    schedules: Mapping[str, Schedule]
    text: str

    @property
    def takes_beta(self) -> bool:
        """Whether it is weighed by the β of the programs."""
        return self.name == "beta" and "beta" not in {*self.options, *self.schedules}


def specified(text: str) -> Specification:
    """Read an objective.

    Args:
        text: A name, and coefficients after a colon, with commas between them.

    Raises:
        ValueError: An unknown name, or a text that is no list of coefficients.

    >>> specified("tc:estimator=weighted").text
    'tc:beta=6,estimator=weighted'
    >>> specified("capacity:capacity=linear:25:1000").schedules["capacity"](500)
    12.5
    """
    name, _, rest = text.partition(":")
    typed: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        coefficient, equals, value = part.partition("=")
        if not (coefficient and equals and value):
            raise ValueError(f"{part!r} in the objective {text!r} is not of the form COEFFICIENT=VALUE")
        if coefficient in typed:
            raise ValueError(f"{coefficient} is given twice in the objective {text!r}")
        typed[coefficient] = value
    given = USUAL[check("objective", name, OBJECTIVES)] | typed
    options: dict[str, float | str] = {}
    schedules = {}
    for coefficient, value in given.items():
        if ":" in value or value in SCHEDULES:
            schedules[coefficient] = scheduled(value)
        else:
            options[coefficient] = _number(value)
    said = ",".join(f"{coefficient}={_plain(given[coefficient])}" for coefficient in sorted(given))
    return Specification(name, options, schedules, f"{name}:{said}" if said else name)


def counted(kind: str, text: str, known: Iterable[str]) -> tuple[str, int | None]:
    """Read a name that may have a number, like ``mixture:10``.

    Args:
        kind: What it names, for the message.
        text: The name, and a number after a colon where it takes one.
        known: All names there are; one that takes a number has a letter after a colon, like ``mixture:K``.

    Returns:
        The name, and its number or None.

    Raises:
        ValueError: The name is unknown, or its number is missing, one too many, or out of range.

    >>> counted("prior", "mixture:10", ["normal", "mixture:K"])
    ('mixture', 10)
    """
    forms = {form.partition(":")[0]: form for form in known}
    name, colon, number = text.partition(":")
    form = forms[check(kind, name, forms)]
    if ":" not in form:
        if colon:
            raise ValueError(f"the {kind} {name} takes no number, got {brief(text)}")
        return name, None
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= MOST):
        raise ValueError(f"the {kind} {form} wants a number from 1 to {MOST:,}, like {name}:4, got {brief(text)}")
    return name, int(number)


def scheduled(text: str, value: float | None = None) -> Schedule:
    """Read a schedule, KIND:VALUE[:STEPS[:START[:RISE]]], or KIND[:STEPS[:START[:RISE]]] where its value is given.

    Args:
        text: A key of `SCHEDULES` and its arguments.
        value: The value reached, if the text does not hold it.

    Raises:
        ValueError: An unknown kind, or arguments that it does not take.

    >>> scheduled("linear:4:100")
    LinearWarmup(value=4.0, steps=100, start=0.0)
    >>> scheduled("cyclic:100", value=4.0)
    Cyclic(value=4.0, steps=100, start=0.0, rise=0.5)
    """
    kind, *rest = text.split(":")
    build = SCHEDULES[check("schedule", kind, SCHEDULES)]
    try:
        numbers = [float(part) for part in rest]
        reached, *shape = numbers if value is None else [value, *numbers]
        if not all(map(isfinite, (reached, *shape))) or (shape and (shape[0] < 0 or shape[0] % 1)):
            raise ValueError
        return build(reached, *map(int, shape[:1]), *shape[1:])
    except (TypeError, ValueError) as error:
        form = f"{kind}{':VALUE' if value is None else ''}:STEPS[:START{'[:RISE]' if kind == 'cyclic' else ''}]"
        form = form.partition(":STEPS")[0] if kind == "constant" else form
        raise ValueError(f"{text!r} is not a schedule of the form {form}") from error


def as_file_name(text: str) -> str:
    """An objective, or any other setting, as part of a file's name.

    >>> as_file_name("capacity:gamma=1000,capacity=linear:25:100")
    'capacity-gamma1000-capacitylinear-25-100'
    """
    return text.replace("=", "").replace(":", "-").replace(",", "-")


def _number(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def _plain(value: str) -> str:
    """Numbers in one spelling.

    >>> _plain("linear:25.0:1e3")
    'linear:25:1000'
    """
    parts = [_number(part) for part in value.split(":")]
    return ":".join(part if isinstance(part, str) else f"{part:.15g}" for part in parts)


def trackers_in(text: str | None) -> tuple[str, ...]:
    """The trackers that a text names with commas between them, each once; "none" is none.

    Raises:
        ValueError: A name is unknown.

    >>> trackers_in("tensorboard,wandb"), trackers_in("none")
    (('tensorboard', 'wandb'), ())
    """
    if text is None or text == "none":
        return ()
    return tuple(dict.fromkeys(check("tracker", name.strip(), TRACKERS) for name in text.split(",")))


def inches(width: str | float) -> float:
    """The width of a figure.

    Raises:
        ValueError: It is none.

    >>> inches("column"), inches("5.5")
    (3.25, 5.5)
    """
    try:
        number = WIDTHS[width] if isinstance(width, str) and width in WIDTHS else float(width)
    except ValueError:
        number = 0.0
    if not LEAST_WIDTH <= number <= MOST_WIDTH:
        known = ", ".join(f"{name} ({side} in)" for name, side in WIDTHS.items())
        wanted = f"{known}, or a number of inches from {LEAST_WIDTH:g} to {MOST_WIDTH:g}"
        raise ValueError(f"a width of figures is {wanted}, got {brief(width)}")
    return number
