"""What the config of an older version of this package means.

The first version wrote `KEYS`, the facts of every config and the settings that there were, without which a run cannot
be understood. What later versions added has a default that means what there was before: no schedule, no weight decay,
32 bits, steps that are not compiled, a standard normal prior, the colours under transparent pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..datasets import SOURCES
from ..settings.options import DATA_OPTIONS, TRAINING
from ..settings.stored import FACTS, OF_A_CONFIG

__all__ = ["KEYS", "understood", "with_defaults"]

KEYS = {
    *FACTS,
    *("image_size", "grey", "network", "hidden", "scale", "mean_link"),
    *("optimizer", "lr", "lr_warmup", "batch_size", "epochs", "steps"),
}
YOUNGER_FACTS = (
    *("source", "covariance", "columns", "beta_norm", "ran_on", "ranks", "compile_because", "versions"),
    *("program_options", "program_sha256"),
)
PARTS = ("prior", "posterior")
LATER: dict[str, Any] = {
    **dict.fromkeys(("data_root", *DATA_OPTIONS)),  # as where a data set does not have them
    **{name: OF_A_CONFIG[name].default for name in (*YOUNGER_FACTS, *TRAINING)},
    "compile": False,
    "program": None,
    "decoder": None,
    "standardise": False,
    **{name: OF_A_CONFIG[name].default for name in PARTS},
}


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config, with what each name that is younger than the run means where it is missing."""
    custom = config.get("custom") or {}
    known = LATER | {name: "custom" for name in PARTS if name in custom} | dict(config)
    source = SOURCES.get(str(known["dataset"]).partition(":")[0])
    if "background" not in config and source is not None and "background" in source.options:
        known["background"] = "none"  # older runs took the colours under transparent pixels
    return known


def understood(config: Mapping[str, Any], where: object) -> dict[str, Any]:
    """The same of a config that lacks nothing that cannot be missing.

    Raises:
        ValueError: It does; the message says what, and names the file, ``where``.
    """
    lacking = sorted(KEYS - config.keys())
    if lacking:
        raise ValueError(f"{where} is damaged: it lacks {', '.join(lacking)}")
    return with_defaults(config)
