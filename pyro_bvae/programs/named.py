"""The programs that have names."""

from __future__ import annotations

from ..model import BetaVAE
from .conditional import Conditional
from .hierarchical import Hierarchical
from .joint import Joint
from .semi_supervised import SemiSupervised

__all__ = ["PROGRAMS"]

PROGRAMS: dict[str, type[BetaVAE]] = {
    "semi-supervised": SemiSupervised,
    "joint": Joint,
    "hierarchical": Hierarchical,
    "conditional": Conditional,
}
