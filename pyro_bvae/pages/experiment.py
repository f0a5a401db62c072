"""The disentanglement experiment: what each latent does, and how that was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from .. import plots
from ..callbacks import Figures
from ..codes import encode
from ..generation import with_conditions
from ..likelihoods import Standardised
from ..plots.bounds import MOST_LATENTS as MOST_SWEPT
from ..plots.bounds import most_active
from ..terms import ACTIVE_ABOVE
from ..traversal import Base, base, traverse
from .captions import Captions
from .effects import ENDS, changes, classes_at_ends, moved_features
from .markup import Markup, element, joined, sentence, with_minus
from .measured import Measured

__all__ = ["at_prior", "latents", "most_informative", "start_of", "traversals"]

MOST_LATENTS = 50  # that have a row
NEAR = 0.95  # share of the largest KL above which another is named too
WIDE = (-3.0, 3.0)  # of the sweeps around the prior's mean


def start_of(one: Measured) -> Base:
    """Where sweeps start: the code of the first held-out datum, or the prior's mean where there are no data."""
    rows = one.rows
    return at_prior(one) if rows is None else base(one.run.model, rows[:1], site=one.site)


def at_prior(one: Measured) -> Base:
    """The prior's mean, under the conditions of the first held-out datum where the programs take some."""
    rows = one.rows
    given = with_conditions(one.run.model, {}, None if rows is None else rows[:1], 1)
    return base(one.run.model, None, "prior", site=one.site, given=given)


def most_informative(one: Measured, captions: Captions) -> Markup | None:
    """The latent with the largest KL: what it changes, and which data lie at its ends, with its sweep."""
    if not one.kl or not one.active:
        return None
    vae, order = one.run.model, sorted(range(len(one.kl)), key=lambda latent: -one.kl[latent])  # type: ignore[index]
    latent, second = order[0], order[1:2]
    start = start_of(one)
    is_near = [other for other in second if one.kl[other] > NEAR * one.kl[latent]]
    lines = [
        f"The latent with the largest KL is {one.unit(latent)}, with {one.kl[latent]:.2f} nats of {sum(one.kl):.2f} in "
        "all.",
        *(f"{one.unit(other)} is close to it, with {one.kl[other]:.2f}." for other in is_near),
        f"Moved from {ENDS[0]:g} to {ENDS[1]:g} while all others stay where they are for {_where(one)}, it changes "
        f"{_change(one, start, latent)}.",
        _at_ends(one, latent),
    ]
    sweep = traverse(vae, start, latents=[latent], low=WIDE[0], high=WIDE[1], kl=one.kl)
    caption = with_minus(
        f"The latent with the largest KL, {one.unit(latent)}, from {WIDE[0]:g} to {WIDE[1]:g}; all others stay "
        f"where they are for {_where(one)}."
    )
    return joined(
        element("p", with_minus(sentence(*lines))),
        captions.figure(plots.traversal(sweep), caption, f"Sweep of latent {latent}"),
    )


def _at_ends(one: Measured, latent: int) -> str | None:
    """Which classes lie at the ends of a latent, in a sentence; None where that cannot be said."""
    ends = None
    if one.data is not None:
        codes = encode(one.run.model, one.data.rows(one.data.held_out), site=one.site)
        ends = classes_at_ends(codes, latent, one.data)
    if ends is None:
        return None
    (low, few, tenth, lows), (high, many, _, highs) = ends
    return (
        f"Of the tenth of the held-out {one.datum}s with the lowest {one.unit(latent)}, {few} of {tenth} are of class "
        f"{low}, which has {lows} in all; of the tenth with the highest, {many} of {tenth} are of class {high}, which "
        f"has {highs} in all."
    )


def _where(one: Measured) -> str:
    return "the prior's mean" if one.held_out is None else f"the first held-out {one.datum}"


def _change(one: Measured, start: Base, latent: int) -> str:
    change = changes(one.run.model, start, [latent])[0]
    if one.is_images:
        return f"a pixel by {change.abs().mean().item():.3f} on average and by {change.abs().max().item():.2f} at most"
    return "most of all " + ", ".join(f"{name} by {difference}" for name, difference in _moved(one, change))


def _moved(one: Measured, change: Tensor) -> list[tuple[str, str]]:
    likelihood = one.run.model.likelihood
    units = likelihood.scale.cpu() if isinstance(likelihood, Standardised) else None
    return moved_features(change, one.config.get("columns"), units)


def latents(one: Measured, notes: Sequence[str], names: Mapping[int, str], captions: Captions) -> Markup:
    """The KL of each latent as bars, with what it changes.

    Args:
        one: The run.
        notes: The factor that each latent follows, K of them or none.
        names: What the user calls latents.
        captions: Of the report.
    """
    kl = one.kl
    if kl is None:
        return element("p", "Prior or posterior do not factorise over the latents, or there is no held-out number: the "
                       "latents have no KL of their own.", class_="aside")  # fmt: skip
    order = sorted(range(len(kl)), key=lambda latent: -kl[latent])[:MOST_LATENTS]
    change = changes(one.run.model, start_of(one), order)
    rows = []
    for latent, moved in zip(order, change, strict=True):
        width = f"width:{100 * kl[latent] / max(max(kl), 1e-12):.1f}%"
        bar = element("span", element("span", style=width), class_="bar")
        effect = f"{moved.abs().mean().item():.3f}" if one.is_images else ", ".join(map(" ".join, _moved(one, moved)))
        note = names.get(latent) or (f"follows {notes[latent]}" if notes and notes[latent] else "")
        is_active = kl[latent] > ACTIVE_ABOVE
        said = with_minus(f"{kl[latent]:.3f}")
        rows.append([one.unit(latent), said, bar, effect, note if is_active else "inactive"])
    more = f" The other {len(kl) - len(order)} have less." if len(kl) > len(order) else ""
    what = "a pixel, on average," if one.is_images else "the features that change most"
    ends = with_minus(f"{ENDS[0]:g} to {ENDS[1]:g}")
    caption = (
        f"The mean KL of each latent on held-out data, in nats, and the change of {what} when it goes from {ends} "
        f"from {_where(one)} on.{more}"
    )
    return captions.table(caption, ["latent", "KL", "", "change", ""], rows, class_="of-latents")


def traversals(one: Measured, notes: Sequence[str], names: Mapping[int, str], captions: Captions) -> Markup:
    """How the disentanglement experiment was done, and its figures.

    Args:
        one: The run.
        notes: The factor that each latent follows, K of them or none.
        names: What the user calls latents.
        captions: Of the report.
    """
    vae, held_out = one.run.model, one.rows
    sweeps = []
    if held_out is not None:
        sweeps.append((Figures().sweep(vae, held_out), f"Around the code of the first held-out {one.datum}."))
    if one.is_images or held_out is None:
        sweep = traverse(vae, at_prior(one), latents=_most(one), low=WIDE[0], high=WIDE[1], kl=one.kl)
        sweeps.append((sweep, "Around the prior's mean, z = 0 for a standard normal prior: no datum is behind it."))
    first = f"The first held-out {one.datum} was encoded, and its code is the mean of q(z|x)."
    how = sentence(
        "A latent is looked at by moving it alone.",
        first if held_out is not None else "z was set to the mean of the prior.",
        "Then one latent at a time took the values of the columns, while all others stayed, and each code was decoded "
        "to the mean of p(x|z).",
        "In a disentangled code each row changes one thing and leaves the rest alone.",
        f"Rows are sorted by the KL of their latent; inactive ones, whose KL is at most {ACTIVE_ABOVE} nats, are grey.",
    )
    parts: list[Markup] = [element("p", how)]
    for sweep, where in sweeps:
        said = [notes[latent] for latent in sweep.latents] if notes else []
        figure = plots.traversal(replace(sweep, names=[names.get(latent, "") for latent in sweep.latents]), notes=said)
        parts.append(
            captions.figure(
                figure,
                f"One latent a row, with its KL in nats, swept over the values above. {where}",
                "Latent traversals",
            )
        )
    return joined(parts)


def _most(one: Measured) -> list[int]:
    """The latents that are swept: the most active where there are many."""
    if one.kl is None:
        return list(range(min(start_of(one).codes.shape[-1], MOST_SWEPT)))
    return most_active(one.kl, MOST_SWEPT)
