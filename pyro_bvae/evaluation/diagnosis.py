"""What went wrong in a fit, if anything did, and what to do about it.

Each of nine checks looks at the run's history and returns a `Diagnosis` or None. `diagnose` returns the first one that
is not None, in the order

    negative rate, silent code, missed rate, posterior collapse, narrow scale, rising loss, idle β, still falling,
    full code.

None of them changes with the units of the data, which add a constant to the distortion. The check for a silent code
also encodes some held-out data; those for collapse and for a full code ask up to which β one more latent would lower
the loss: `paying_beta`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, prod

import torch

from ..codes import encode
from ..datasets.dataset import random_subset
from ..likelihoods import GaussianLearned, GaussianOptimal, LaplaceLearned, Standardised, family_of
from ..metrics.arrays import as_codes
from ..objectives.controlled import GREATEST_BETA, LEAST_BETA
from ..runs.config import weighs_rate
from ..runs.run import Run
from ..settings.parsing import specified
from ..terms import ACTIVE_ABOVE
from .paying_beta import largest_paying_beta

__all__ = ["Diagnosis", "diagnose", "still_falling"]

SILENT_DATA = 20  # held out, whose posteriors are compared
MISSED_ABOVE_SHARE = 0.1  # of the target: the largest relative error of a rate that was asked for
NARROW_BELOW = 1 / 255  # a learned scale narrower than a grey level
RISEN_ABOVE_NATS = 0.1  # a value: what a Gaussian loses whose scale is a quarter too small
RECENT_LINES = 5  # of the history at most, and a quarter of it, whose best is where the run ended: single lines jump
JUMPS_BELOW = 10  # times as high as a rise: a last line that is still higher is where the run ended
EXPLODED_ABOVE = 10  # times the rate of the best line
EARLY_SHARE = 0.05  # of the steps, before which it is no advice to stop
FALLING_NATS, FALLING_NATS_A_VALUE = 0.1, 0.005  # by which the loss of a run that can go on falls in its last quarter
NEGATIVE_BELOW = -0.1  # nats, of a rate: an estimate of a rate of 0 is as near to it
IDLE_ABOVE_NATS = log(100)  # KL of a latent whose posterior is a hundredth as wide as its prior
FULL_ABOVE = 100.0  # λ/β above which one more latent would have less than a hundredth of its prior's variance
FAMILIES_WITH_A_SCALE = ("gaussian-learned", "gaussian-optimal", "gaussian-heteroscedastic", "laplace-learned", "beta")


@dataclass(frozen=True)
class Diagnosis:
    """One problem of a run.

    Attributes:
        name: The name of the problem.
        finding: What was observed, with its numbers.
        remedy: What to do about it. Arguments of `fit` and of the model stand between backticks.

    >>> str(Diagnosis("posterior collapse", "no latent is active", "lower `beta`"))
    'posterior collapse: no latent is active; lower `beta`'
    """

    name: str
    finding: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.finding}; {self.remedy}"


def diagnose(run: Run) -> Diagnosis | None:
    """The most serious problem of a run, or None.

    The problems, most serious first: a negative rate; a silent code; a rate out of reach, or not reached; posterior
    collapse; an exploding rate, diverging training, a diverging scale or overfitting; a β that has no effect. And two
    remarks: the loss is still falling; all latents are used.

    A silent code, collapse and the full code need the data; where they cannot be loaded, less is said.
    A check is skipped where it has no answer: for parts of your own, for posteriors or priors that do not factorise,
    and for a run without history.

    Args:
        run: A run as `fit` or `load_run` returns it.
    """
    if not run.history:
        return None
    checks = (
        _negative_rate, _silent_code, _missed_rate, _collapse, _narrow_scale, _rising, _idle_beta, still_falling,
        _full_code,
    )  # fmt: skip
    return next((diagnosis for check in checks if (diagnosis := check(run))), None)


def _beta(run: Run) -> float:
    """The β at the end of the run, or the one that its schedule leads to."""
    has_schedule = run.config.get("beta_schedule") is not None
    return float(run.config["beta"] if has_schedule else run.history[-1]["beta"])


def _kl(run: Run) -> list[float]:
    """Held-out KL of each latent, nats; the rate alone where prior or posterior does not factorise."""
    last = run.history[-1]
    return last["held_out_kl_per_latent"] or [last["held_out_rate"]]


def _losses(run: Run, terms: str = "held_out_") -> list[float]:
    """D + βR at the last β, of each line; D alone where the objective is not the β-VAE's.

    The ELBO, at β 1, is no measure of this: it may fall while the loss of another β does.
    """
    beta = _beta(run) if weighs_rate(run.config) else 0.0
    return [record[f"{terms}distortion"] + beta * record[f"{terms}rate"] for record in run.history]


def _negative_rate(run: Run) -> Diagnosis | None:
    """The rate is below 0, in training and on held-out data, which no KL divergence is."""
    last = run.history[-1]
    rate = max(last["rate"], last["held_out_rate"])
    if rate >= NEGATIVE_BELOW:
        return None
    finding = f"the rate is {last['held_out_rate']:.3g} nats, and a KL divergence is never below 0"
    return Diagnosis("negative rate", finding, "look at the densities of prior and posterior: one is not normalised")


def _silent_code(run: Run) -> Diagnosis | None:
    """Latents are active, and data that differ have one posterior: an encoder whose units are all dead ends there."""
    if max(_kl(run)) <= ACTIVE_ABOVE or "latents" in run.config:
        return None
    try:
        data = run.dataset()
        some = data.held_out[random_subset(len(data.held_out), SILENT_DATA)]
        if (data.images[some] == data.images[some[:1]]).all():
            return None
        each = [encode(run.model, data.rows(one)) for one in some.split(1)]  # alone, so by the same draws
        codes = as_codes(torch.cat([torch.cat([q.loc, q.scale], dim=1) for q in each]))
    except (OSError, ValueError):
        return None
    if (codes != codes[0]).any():
        return None
    finding = f"all data have one posterior, {run.history[-1]['held_out_rate']:.3g} nats from the prior"
    return Diagnosis("silent code", f"{finding}: the encoder is dead", "lower `lr`, or warm it up with `lr_warmup`")


def _missed_rate(run: Run) -> Diagnosis | None:
    """A controller has moved β to an end of its range, or the training rate is more than a tenth off its target."""
    last, asked = run.history[-1], run.config.get("match_rate")
    beta = last["beta"]
    if (run.config.get("objective") or "").startswith("controlled"):
        asked, beta = specified(run.config["objective"]).options["target"], last["coefficients"]["beta"]
    if asked is None:
        return None
    rate = last["held_out_rate"]
    if not LEAST_BETA < beta < GREATEST_BETA:
        return Diagnosis(
            "rate out of reach",
            f"β has gone to its bound of {beta:g}, and the rate is {rate:.3g} nats, not {asked:g}",
            "ask for less, train for longer or raise `latent_dim`" if beta <= LEAST_BETA else "ask for more",
        )
    if abs(last["rate"] / asked - 1) <= MISSED_ABOVE_SHARE:
        return None
    finding = f"in training it is {last['rate']:.3g} nats, not {asked:g}, with β at {beta:.3g}"
    return Diagnosis("rate not reached", finding, "train for longer, or begin with a β nearer to that")


def _collapse(run: Run) -> Diagnosis | None:
    """No latent has a KL above 0.01 nats; with the reason, where the largest paying β is known."""
    if max(_kl(run)) > ACTIVE_ABOVE:
        return None
    beta, most = _beta(run), largest_paying_beta(run)
    finding, remedy = "no latent is active, the decoder ignores the code", "lower `beta`, or train for longer"
    if not weighs_rate(run.config):
        remedy = "let the objective ask less of the code, or train for longer"
    if most == 0:
        finding, remedy = "the data do not vary, and there is nothing to code", "look at them"
    elif most is not None and beta < most:
        finding = f"no latent is active, though one would pay up to β {most:.3g}"
        remedy = "train for longer, or let β rise slowly: `beta_schedule='linear:STEPS'`"
    elif most is not None and run.config["likelihood"] == "gaussian":
        noise = family_of(run.model.likelihood).scale.item() ** 2
        data = "standardised data" if isinstance(run.model.likelihood, Standardised) else "data"
        eigenvalue = f"the largest eigenvalue of the {data}, {most * noise:.3g}"
        finding = f"{eigenvalue}, is below β σ² = {beta * noise:.3g}: no latent pays"
        remedy = "lower `scale` or `beta`"
    elif most is not None:
        finding, remedy = f"no latent pays above β {most:.3g}, and β is {beta:g}", "lower `beta`"
    return Diagnosis("posterior collapse", finding, remedy)


def _narrow_scale(run: Run) -> Diagnosis | None:
    """The one learned scale of all values is below a grey level, near its floor of half a grey level.

    The scale alone has then made the density as large as it can be, and better pictures gain nothing more.
    """
    likelihood = family_of(run.model.likelihood)
    if not isinstance(likelihood, GaussianLearned | GaussianOptimal | LaplaceLearned):
        return None
    scale = likelihood.scale.item()
    if scale >= NARROW_BELOW:
        return None
    finding = f"the learned scale {scale:.2g} is at its floor, below {NARROW_BELOW:.2g}"
    remedy = "give the data larger units"
    if len(run.model.shape) == 3:
        remedy = "take `likelihood='discretized-logistic'`, or gaussian with a fixed `scale`"
    elif isinstance(run.model.likelihood, Standardised):
        remedy = "the code holds next to all of the data: take gaussian with a fixed `scale`, or fewer latents"
    return Diagnosis("diverging scale", finding, remedy)


def _rising(run: Run) -> Diagnosis | None:
    """The held-out loss D + βR, at the last β, has risen above its minimum by more than 0.1 nats a value plus β nats.

    A Gaussian of scale s loses ½ (u − 1 − log u) nats a value, u = (error/s)², which is 0.1 for s = ¾ of the error.

    Where the rate makes most of the rise, it has exploded; where the loss of training has risen as well, training has
    diverged; otherwise the model fits training data alone, by its scale if it has one. Where the objective is not the
    β-VAE's, only the distortion is looked at, and only for families with a scale.
    """
    has_scale = run.config["likelihood"] in FAMILIES_WITH_A_SCALE
    if not (weighs_rate(run.config) and _beta(run)) and not has_scale:
        return None
    losses, beta = _losses(run), _beta(run) if weighs_rate(run.config) else 0.0
    threshold = RISEN_ABOVE_NATS * prod(run.model.shape) + beta
    best, end = losses.index(min(losses)), _end(losses, JUMPS_BELOW * threshold)
    rise, before, after = losses[end] - losses[best], run.history[best], run.history[end]
    if rise <= threshold:
        return None
    since = f"since step {before['step']:,}"
    rates = before["held_out_rate"], after["held_out_rate"]
    calmer = "lower `lr`, or warm it up with `lr_warmup`"
    if beta * (rates[1] - rates[0]) > rise / 2 and rates[1] > EXPLODED_ABOVE * max(1.0, rates[0]):
        finding = f"the held-out rate has gone from {rates[0]:.3g} to {rates[1]:.3g} nats {since}"
        return Diagnosis("exploding rate", finding, calmer)
    training = _losses(run, terms="")
    if training[end] - training[best] > rise / 2:
        finding = f"the loss has risen by {_amount(training[end] - training[best])} nats in training too {since}"
        return Diagnosis("diverging training", finding, calmer)
    remedy = f"stop there (`steps={before['step']}`)"
    if before["step"] < EARLY_SHARE * run.history[-1]["step"] or best == 0:
        remedy = "take more data, a smaller network or a smaller `lr`"
    finding = f"the held-out loss has risen by {_amount(rise)} nats {since}"
    if not has_scale:
        return Diagnosis("overfitting", finding, remedy)
    return Diagnosis("diverging scale", finding, f"{remedy}, or take gaussian with a fixed `scale`")


def _amount(nats: float) -> str:
    return f"{nats:,.0f}" if nats >= 100 else f"{nats:.2g}"


def _end(losses: Sequence[float], jump: float) -> int:
    """The line that says where a run ended: the best of its last quarter, the last one if that is higher by a jump."""
    recent = min(RECENT_LINES, max(1, len(losses) // 4))
    best = min(range(len(losses) - recent, len(losses)), key=losses.__getitem__)
    return len(losses) - 1 if losses[-1] > losses[best] + jump else best


def still_falling(run: Run) -> Diagnosis | None:
    """A remark: the best held-out loss D + βR, at the last β, is still going down, and the run is not at its end.

    In the last quarter of the steps it has fallen by more than 0.1 nats and 0.005 nats a value. Numbers of such runs
    say how fast they learn, and rank no settings.
    """
    if not run.history:
        return None
    losses, last = _losses(run), run.history[-1]["step"]
    earlier = [loss for loss, record in zip(losses, run.history, strict=True) if record["step"] <= 0.75 * last]
    fall = min(earlier, default=-inf) - min(losses)
    if fall <= FALLING_NATS + FALLING_NATS_A_VALUE * prod(run.model.shape):
        return None
    finding = f"the held-out loss fell by {_amount(fall)} nats in the last quarter of {last:,} steps"
    return Diagnosis("still falling", finding, "train for longer")


def _idle_beta(run: Run) -> Diagnosis | None:
    """Each active latent has a KL above log 100 nats: its posterior is at most a hundredth as wide as its prior.

    If the aggregate posterior is the prior, a posterior of width s has a KL of −log s. The best linear code of a
    Gaussian is shrunk by the factor 1 − s², so that setting β to 0 would change hardly anything. The check is skipped
    where β is 0, is moved to match a rate, or is not part of the objective.
    """
    beta, active = _beta(run), [kl for kl in _kl(run) if kl > ACTIVE_ABOVE]
    is_intended = beta == 0 or run.config.get("match_rate") is not None or not weighs_rate(run.config)
    if is_intended or run.history[-1]["held_out_kl_per_latent"] is None or min(active, default=0.0) < IDLE_ABOVE_NATS:
        return None
    finding = f"each active latent has {min(active):.2g} nats or more, so β {beta:g} holds none to the prior"
    has_scale = run.config["likelihood"] in ("gaussian", "laplace")
    return Diagnosis("idle β", finding, "raise `beta` or `scale`" if has_scale else "raise `beta`")


def _full_code(run: Run) -> Diagnosis | None:
    """Every latent is active, and one more would carry more than ½ log 100 = 2.3 nats: λ > 100 β."""
    beta = _beta(run)
    if run.history[-1]["held_out_kl_per_latent"] is None or min(_kl(run)) <= ACTIVE_ABOVE or beta == 0:
        return None
    gain = (largest_paying_beta(run) or 0.0) / beta
    if gain <= FULL_ABOVE:
        return None
    size, nats = run.model.latent_dim, log(gain) / 2
    finding = f"{size} of {size} latents are active, and one more would carry about {nats:.1f} nats"
    return Diagnosis("full code", finding, "raise `latent_dim`, or `beta` if some are to be left out")
