"""What `fit` takes beside the model and the data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pyro.infer import ELBO

from ..settings.signatures import documented
from ..settings.training import COUNT, TrainingSettings
from .callback import Callback

__all__ = ["FitArguments"]


@documented
@dataclass(frozen=True, kw_only=True)
class FitArguments(TrainingSettings):
    """The settings of a fit, and what is no setting: objects, and where the run goes.

    Raises:
        ValueError: A setting is out of range, or arguments contradict each other.
        TypeError: An argument is of another type.
    """

    elbo: Annotated[
        ELBO | None,
        "In place of ``objective``, any Pyro ELBO with ``differentiable_loss``. Like the model it is moved to the "
        "device and, where it learns or is scheduled, changed in place.",
    ] = None
    out: Annotated[str | os.PathLike[str] | None, "The run folder; None keeps the run in memory."] = None
    resume: Annotated[bool, "Go on with the run in ``out``, to a new total of epochs or steps if that is larger."] = (
        False
    )
    at: Annotated[
        int | None,
        "With ``resume``, go on from the numbered checkpoint of this step; what came later is set aside in the folder.",
        COUNT,
    ] = None
    overwrite: Annotated[bool, "Replace the run in ``out``."] = False
    callbacks: Annotated[
        Sequence[Callback], "Called at the start, after each step and line of the history, and at the end."
    ] = ()
    notes: Annotated[
        Mapping[str, Any] | None, "What else to store in the config, plain data: the ``command``, for example."
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.elbo, str):
            raise TypeError(f"elbo is an object, a Pyro ELBO, got {self.elbo!r}: a name goes to objective")
        if self.elbo is not None:
            if self.objective != "beta":
                raise ValueError(f"give an objective or an elbo, not both: got {self.objective!r} and {self.elbo}")
            object.__setattr__(self, "objective", None)
        elif self.objective is None:
            raise ValueError("give an objective or an elbo")
        if self.out is None and (self.resume or self.overwrite):
            raise ValueError("resume and overwrite want a run folder: give out")
        if self.at is not None and not self.resume:
            raise ValueError("at is a step to resume from: give resume as well")
