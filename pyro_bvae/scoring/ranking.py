"""An order of runs that needs no factors: those that other seeds agree with come first.

The order is that of UDR. Beside it stand what tells whether there is anything to agree on: active units, the rate, and
the distortion of held-out data. Runs without a UDR come last, by their ELBO: of no other seed is known, and the ELBO
says little of disentanglement.

Source: Duan et al., Unsupervised model selection for variational disentangled representation learning,
https://arxiv.org/abs/1905.12614; what else does not rank runs: Locatello et al., https://arxiv.org/abs/1811.12359
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..runs.run import Run
from ..terms import MeanTerms, count_active, mean_terms
from .correlations import LEAST_RUNS, means_of_runs, spearman
from .repetitions import named, sharing
from .rows import ScoreRow

__all__ = ["RankedRun", "rank", "terms_of", "worth"]

SUPERVISED = ("mig", "dci-disentanglement", "factor-vae")  # what the order is compared with, where data have factors


@dataclass(frozen=True)
class RankedRun:
    """A run with what is known of it without factors.

    Attributes:
        run: Its folder, or what it is called without one.
        label: The name that runs of other seeds share.
        seed: The seed of its fit.
        udr: The mean of its UDR over the repeats; None where no other seed was scored.
        active_units: How many latents have a mean KL above 0.01 nats; None where latents have none of their own.
        rate: R, nats a datum, held out.
        distortion: D, nats a datum, held out: what reconstructions lack.
    """

    run: str
    label: str
    seed: int | None
    udr: float | None
    active_units: int | None
    rate: float
    distortion: float

    @property
    def elbo(self) -> float:
        """−(distortion + rate), nats a datum."""
        return -(self.distortion + self.rate)

    def as_dict(self) -> dict[str, Any]:
        """All by name, as in scores.json."""
        return asdict(self) | {"elbo": self.elbo}


def terms_of(runs: Sequence[Run]) -> dict[str, MeanTerms]:
    """Rate, distortion and KL of held-out data for each run, by the name that its rows have."""
    terms = {}
    for run, _, name in named(sharing(runs)):
        data = run.dataset()
        terms[name] = mean_terms(run.model, data.rows(data.held_out), batch_size=100)
    return terms


def rank(rows: Sequence[ScoreRow], terms: Mapping[str, MeanTerms]) -> list[RankedRun]:
    """Runs from the one that other seeds agree with most to the one they agree with least.

    Args:
        rows: Of `score`, with the column "udr" where there are several seeds.
        terms: Of each run, see `terms_of`.
    """
    first = {row.run: row for row in reversed(rows) if not row.is_baseline}
    ranked = [
        RankedRun(
            run,
            first[run].label,
            first[run].seed,
            scores.get("udr"),
            count_active(first[run].kl_per_latent),
            terms[run].rate,
            terms[run].distortion,
        )
        for run, scores in means_of_runs(rows).items()
    ]
    return sorted(ranked, key=lambda one: (one.udr is None, -(one.udr or 0.0), -one.elbo))


def worth(ranked: Sequence[RankedRun], rows: Sequence[ScoreRow]) -> str:
    """A line that says what the order is worth: for these runs where their data have factors, else in general."""
    known = [one for one in ranked if one.udr is not None]
    if not known:
        return "no order: udr compares runs that differ in the seed; fit each setting with two seeds or more"
    scores, udr = means_of_runs(rows), [one.udr for one in known]
    measured = {}
    for name in SUPERVISED if len(known) >= LEAST_RUNS else ():
        values = [scores[one.run].get(name) for one in known]
        if None not in values and min(len(set(values)), len(set(udr))) > 1:
            measured[name] = spearman(udr, values)
    if measured:
        said = ", ".join(f"{value:.2f} with {name}" for name, value in measured.items())
        return f"worth: over these {len(known)} runs the rank correlation of udr is {said}"
    return (
        "worth: udr says whether seeds agree, not on what. Of runs with as many active units the better reconstructed "
        "ones know more; a run of one or two active units may agree by knowing little"
    )
