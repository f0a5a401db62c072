"""Labels for the rows of latents: name and KL, in grey and with the word "inactive" for an inactive latent."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ..terms import ACTIVE_ABOVE
from ..traversal import Traversal

__all__ = ["FADED_GREY", "is_active", "label", "label_latents"]

FADED_GREY = "0.6"


def label(sweep: Traversal, row: int, separator: str) -> str:
    """The latent of a row, with its KL in nats where it is known."""
    name = f"z{sweep.latents[row]}"
    if sweep.kl is None:
        return name
    digits = 2 if sweep.kl[row] >= 0.1 else 3
    return f"{name}{separator}{sweep.kl[row]:.{digits}f}" + ("" if is_active(sweep, row) else f"{separator}inactive")


def is_active(sweep: Traversal, row: int) -> bool:
    """Whether the latent of a row is active; also true if its KL is not known."""
    return sweep.kl is None or sweep.kl[row] > ACTIVE_ABOVE


def label_latents(panel: Axes, sweep: Traversal, notes: Sequence[str] = ()) -> None:
    """Write the labels beside the rows of a panel, each after its note."""
    rows = range(len(sweep.latents))
    notes = notes or [""] * len(rows)
    labels = [f"{note}  {label(sweep, row, '  ')}".strip() for row, note in zip(rows, notes, strict=True)]
    panel.set_yticks(rows, labels)
    for row, text in zip(rows, panel.get_yticklabels(), strict=True):
        text.set_color("black" if is_active(sweep, row) else FADED_GREY)
    if sweep.kl is not None:
        panel.set_ylabel("latent, KL in nats", fontsize=7)
