"""The settings of a fit: what is minimised, by which steps, for how long, and on what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from ..schedules import Schedule
from .declared import OneOf, Parsed, Range, check_values
from .names import DEVICES, LEAST_BATCH, OBJECTIVES, OPTIMIZERS, PRECISIONS, check
from .parsing import scheduled, specified
from .signatures import documented
from .words import brief

__all__ = ["TrainingSettings"]

MOST = 999_999_999  # the steps that a numbered checkpoint has digits for
COUNT = Range(least=1, most=MOST)
THREADS = Range(least=1, most=1024)  # far beyond what a system has, OpenMP ends the process
SEED = Range(least=0, most=2**63 - 1)
EPOCHS = 100  # where neither epochs nor steps are given
WHAT_IS_MINIMISED = (
    f"What is minimised: {', '.join(OBJECTIVES)}; with coefficients, like tc:beta=6 or "
    "capacity:capacity=linear:25:20000. Only beta uses the β of the programs; with any other, or with beta:beta=4, "
    "leave that β at 1."
)


def _beta_schedule(text: str) -> Schedule:
    """Read how β comes to be.

    Raises:
        ValueError: The text is no schedule, or starts below 0.
    """
    schedule = scheduled(text, value=1.0)
    if schedule(0) < 0:
        raise ValueError(f"β must be at least 0, also at the start of {text}")
    return schedule


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if colon and not (kind == "cuda" and number.isdecimal()):
        raise ValueError(f"a device is {', '.join(DEVICES)}, or one of several like cuda:1, got {brief(text)}")
    return check("device", kind, DEVICES)


def _keep(kept: int | str) -> int | str:
    if kept != "all" and (isinstance(kept, str) or kept < 0):
        raise ValueError(f"keep is a number of checkpoints or 'all', got {brief(kept)}")
    return kept


@documented
@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What `fit` may be asked for: a field here is an argument of `fit` and an option of the command line.

    Raises:
        ValueError: A number is out of range, a name unknown, or two settings contradict each other.
    """

    match_rate: Annotated[
        float | None,
        "A rate in nats an image, to be held by moving β from where it is; by default β stays.",
        Range(least=1e-6, most=1e9),
    ] = None
    objective: Annotated[
        str | None,
        WHAT_IS_MINIMISED,
        Parsed(specified, "NAME[:COEFFICIENT=VALUE,...]"),
    ] = "beta"
    beta_schedule: Annotated[
        str | None,
        "How β comes to where it is in the end, as a function of the steps before: linear, cosine or cyclic, like "
        '"linear:5000". By default it is there from the start.',
        Parsed(_beta_schedule, "KIND:STEPS[:START]"),
    ] = None
    optimizer: Annotated[str, "What takes the steps.", OneOf("optimizer", OPTIMIZERS)] = "rmsprop"
    lr: Annotated[float, "Learning rate.", Range(least=1e-12, most=1e6)] = 1e-3
    lr_warmup: Annotated[
        int, "Steps over which the learning rate rises in a line from 0.", Range(least=0, most=MOST)
    ] = 0
    weight_decay: Annotated[
        float,
        "Decoupled weight decay λ: parameters are multiplied by 1 − lr·λ before each update.",
        Range(least=0, most=1e6),
    ] = 0.0
    batch_size: Annotated[int, "Images a step; cut to the training set where that is smaller.", COUNT] = 128
    epochs: Annotated[int | None, "Passes over the training images; by default 100.", COUNT] = None
    steps: Annotated[int | None, "Gradient steps, in place of epochs.", COUNT] = None
    seed: Annotated[int, "Seed of the batches and the draws of z; on the command line, of the weights too.", SEED] = 0
    device: Annotated[
        str,
        '"auto" (CUDA where there is one, otherwise the CPU), "cpu", "cuda", "cuda:1" and so on, or "mps".',
        Parsed(_device, "auto|cpu|cuda[:N]|mps"),
    ] = "auto"
    compile: Annotated[
        bool | None,
        "Compile a step to one graph; by default where that pays for itself. A resumed run keeps to it.",
    ] = None
    threads: Annotated[
        int | None, "Of the CPU; by default as many as pay; a resumed run takes those that it had.",
        THREADS,
    ] = None  # fmt: skip
    precision: Annotated[
        str, 'Of matrix products: "fp32", or "bf16" for bfloat16 operands. All else stays float32.',
        OneOf("precision", PRECISIONS),
    ] = "fp32"  # fmt: skip
    eval_every: Annotated[
        int | None, "Steps between two lines of the history, each with a held-out score; by default an epoch.", COUNT
    ] = None
    checkpoint_every: Annotated[int | None, "Steps between two checkpoints; by default an epoch.", COUNT] = None
    keep: Annotated[
        int | str, 'How many numbered checkpoints stay beside the latest, or "all".', Parsed(_keep, "N|all")
    ] = 0

    def __post_init__(self) -> None:
        check_values(self)
        if self.batch_size < self.least_batch:
            raise ValueError(
                f"the objective {self.objective} wants at least {self.least_batch} images a step: "
                f"batch_size must be at least that, got {self.batch_size}"
            )
        if self.objective is not None:  # one objective has one text
            object.__setattr__(self, "objective", specified(self.objective).text)
        if self.match_rate is not None and self.beta_schedule is not None:
            raise ValueError("match_rate moves β by itself: leave beta_schedule out")
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give epochs or steps, not both")
        if self.epochs is None and self.steps is None:
            object.__setattr__(self, "epochs", EPOCHS)

    def schedules(self, beta: float) -> tuple[Schedule | None, Mapping[str, Schedule]]:
        """That of the programs' β, which ends at ``beta``, and those of the objective's coefficients."""
        of_beta = None if self.beta_schedule is None else scheduled(self.beta_schedule, beta)
        return of_beta, {} if self.objective is None else specified(self.objective).schedules

    @property
    def least_batch(self) -> int:
        """The fewest images that the objective can be taken of."""
        return 1 if self.objective is None else LEAST_BATCH.get(specified(self.objective).name, 1)

    def total(self, per_epoch: int) -> int:
        """Steps of the whole fit, of which ``per_epoch`` see each training image once.

        Raises:
            ValueError: They are more than a run may have.
        """
        if self.steps is not None:
            return self.steps
        total = (self.epochs or 0) * per_epoch
        if total > MOST:
            raise ValueError(f"{self.epochs:,} epochs are {total:,} steps, and a run has at most {MOST:,}")
        return total
