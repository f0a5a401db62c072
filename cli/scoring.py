"""The options that say how scores are taken, and what is said below a table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from re import sub
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pyro_bvae.settings import names
from pyro_bvae.settings.shown import short_names
from pyro_bvae.settings.words import plain

from .kinds import Name
from .options import noted

if TYPE_CHECKING:
    from pyro_bvae.scoring import ScoreSettings, ScoreSummary
    from pyro_bvae.scoring.report import ProtocolUsed

__all__ = ["notes", "score_options", "settings_of", "words_of"]

Command = TypeVar("Command", bound=Callable[..., Any])

MOST_LATENTS = 50  # whose KL is printed; the json has all
FEWEST_POINTS = 3_000  # below which scores of information and of accuracies drift
OPTIONS = ("active_only", "factors", "codes", "bins", "booster")
DRIFTING = ("mig", "mig-sup", "sap", "modularity")


def score_options(command: Command) -> Command:
    """Give a command the options that say how scores are taken; they are for `settings_of` to read."""
    trees = "How the trees of dci are grown."
    bins = "How mig, mig-sup and modularity cut latents: into bins of equal width or of equal count."
    active = "Take mig, mig-sup, sap, modularity, dci, irs and total-correlation of the active latents alone as well."
    option_of = partial(click.option, expose_value=False, callback=noted)
    for option in (
        option_of("--booster", type=Name("booster", names.BOOSTERS), default=names.BOOSTERS[0], show_default=True,
              help=trees),
        option_of("--bins", type=Name("bins", names.BINNINGS), default=names.BINNINGS[0], show_default=True, help=bins),
        option_of("--codes", type=Name("codes", names.CODES), default=names.CODES[0], show_default=True,
              help="The means of q(z|x), or a draw of each."),
        option_of("--factors", type=FactorNames(), default="",
              help="Score against these factors alone, with commas between them.  [default: all]"),
        option_of("--active-only", is_flag=True, help=active),
    ):  # fmt: skip
        command = option(command)
    return command


class FactorNames(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Take them apart."""
        if not isinstance(value, str) or not value:
            return tuple(value)
        parts = tuple(part.strip() for part in value.split(","))
        return parts if all(parts) else self.fail("names are wanted, with commas between them", param, ctx)


def settings_of(ctx: click.Context) -> ScoreSettings:
    """How scores are taken, by the options of a command."""
    from pyro_bvae.scoring import ScoreSettings

    return ScoreSettings(**{name: ctx.meta[f"pyro_bvae_cli.{name}"] for name in OPTIONS})


def words_of(settings: ScoreSettings) -> list[str]:
    """The settings that are not the defaults, as ``bins-quantile``, fit for the name of a file."""
    words = settings.changed()
    if settings.factors:
        words["factors"] = "-".join(sub(r"\W+", "_", name) for name in settings.factors)[:100]
    return [f"{name}-{value}" for name, value in words.items()]


def notes(summary: ScoreSummary, protocols: Mapping[str, ProtocolUsed], points: int) -> list[str]:
    """What is to be said below a table: how scores were taken, why there are none, and the KL of each latent.

    Args:
        summary: Of a label.
        protocols: How the metrics of pairs were taken.
        points: How many data there are.
    """
    missing = [name for name, score in summary.scores.items() if score is None]
    lines = [f"{name}: {_protocol(used)}" for name, used in protocols.items() if name not in missing]
    lines += [f"{name}: {plain(summary.missing.get(name, 'none'))}" for name in missing]
    if points < FEWEST_POINTS and (drifting := [name for name in DRIFTING if name in summary.scores]):
        lines.append(f"{points:,} points: below {FEWEST_POINTS:,}, {', '.join(drifting)} drift with their number")
    return lines + _of_latents(summary)


def _of_latents(summary: ScoreSummary) -> list[str]:
    from pyro_bvae.scoring import METRICS, score_columns
    from pyro_bvae.terms import ACTIVE_ABOVE

    dead = [sum(value <= ACTIVE_ABOVE for value in kl) for kl in summary.kl_per_latent]
    pairs = {metric.whole: name for name, metric in METRICS.items() if metric.whole is not None}
    taken = {name for name in METRICS if score_columns([name])[0] in summary.scores}
    alone = [whole for whole, of_active in pairs.items() if whole in taken and of_active not in taken]
    lines = []
    if any(dead) and alone:
        lines.append(f"{_range(dead)} latents are inactive, and {', '.join(alone)} count them: --active-only")
    for kl in summary.kl_per_latent:
        shown = "".join(f"{value:7.3f}" for value in kl[:MOST_LATENTS]) + (" ..." if len(kl) > MOST_LATENTS else "")
        site = summary.site or "z"
        first, last = ("z0", f"z{len(kl) - 1}") if site == "z" else (f"{site}[0]", f"{site}[{len(kl) - 1}]")
        lines.append(f"KL of {first} to {last}, nats {shown}")
    return lines


def _range(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return str(least) if least == most else f"{least} to {most}"


def _protocol(used: ProtocolUsed) -> str:
    points = f"{used.points:,} + {used.test_points:,} points"
    factors = f"{len(used.factors)} factors ({', '.join(short_names(used.factors))})"
    return f"{factors}, {used.pairs} pairs, {points}, {used.classifier}"
