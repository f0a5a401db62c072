"""What came out: curves, numbers with their meaning, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import plots
from ..callbacks import Figures, drawings
from ..datasets import entropy
from ..evaluation import least_information
from ..generation import sample, with_conditions
from ..plots import optional
from ..settings.shown import in_words
from ..terms import ACTIVE_ABOVE
from .captions import Captions
from .markup import Markup, element, joined, with_minus
from .measured import Measured
from .references import References, references

__all__ = ["curves", "diagnosis", "numbers", "pictures", "said"]

SAMPLES = 50  # of images
CAPTIONS = {
    "reconstructions": "Held-out data (x) above their reconstructions (x̂), the mean of p(x|z) at the mean of q(z|x).",
    "samples": "Draws from the model: z from the prior, then the mean of p(x|z). No datum is behind them.",
    "covariances": "The covariance of the features: of held-out data, of data that the model generated, and of data "
    "that went once through encoder and decoder.",
    "latents": "The codes of held-out data: the two latents whose posterior means vary most.",
}
UNDER_CLASSES = (
    "Held-out data (x), a row each, under each class of {}: the other latents are those of the datum, but for those "
    "that depend on the class."
)
OF_VECTORS = {
    "reconstructions": "Held-out vectors and their reconstructions, in pairs of features.",
    "samples": "Vectors that the model generated beside held-out ones, in pairs of features.",
}


def curves(one: Measured, captions: Captions) -> Markup:
    """How training went, and what is wrong with it if anything is."""
    if not one.run.history:
        return element("p", "The run has no history.", class_="aside")
    figure = plots.curves(one.run.history, one.run.config.get("latents") or ())
    caption = (
        "Loss, distortion, rate and the KL of each latent against the step. Training: means over the steps since the "
        "point before; held out: of all held-out data, at β 1."
    )
    return joined(
        captions.figure(figure, caption, "Training curves"), diagnosis(one) if one.diagnosis is None else None
    )


def diagnosis(one: Measured) -> Markup:
    """What `diagnose` says of the run."""
    if one.diagnosis is None:
        checks = "rate, code, collapse, scale, rising or falling loss, the effect of β, and the size of the code"
        return element("p", f"The diagnosis of the run, which looks at {checks}, has no remark.", class_="diagnosis")
    what = one.diagnosis
    return element("p", element("b", f"Diagnosis: {what.name}."), f" {_capital(what.finding)}; {what.remedy}.",
                   class_="diagnosis remark")  # fmt: skip


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def numbers(one: Measured, captions: Captions) -> Markup:
    """The numbers of `evaluate`, each with what it means."""
    rows = [(name, value, meaning) for name, value, meaning in _numbers(one) if value is not None]
    if not rows:
        return element("p", "The run has no held-out numbers.", class_="aside")
    what = f"{one.row.images:,} held-out {one.datum}s" if one.row else f"held-out {one.datum}s, from the history"
    caption = f"Means over {what}, at β 1 whatever β was trained with; information in nats (1 nat is 1.44 bits)."
    return captions.table(caption, ["measure", "value", "what it means"], rows)


def _numbers(one: Measured) -> list[tuple[str, str | None, str]]:
    if one.terms is None:
        return []
    (distortion, rate), row = one.terms, one.row
    is_bound = row is None or row.nats != "no probability"
    means_elbo = (
        f"−(D + R), a lower bound on log p(x) of a held-out {one.datum}: higher is better."
        if is_bound
        else "−(D + R). Under this likelihood D is the cross-entropy of grey pixels and no log-probability, so that it "
        "compares with runs of the same likelihood alone."
    )
    known = None if one.data is None else references(one.data)
    least = "" if is_bound or known is None else f"; of these pixels it is {said(known.cross_entropy, '.2f')} at least"
    lines: list[tuple[str, str | None, str]] = [
        ("ELBO", said(-(distortion + rate), ".2f", " nats"), means_elbo),
        ("distortion D", said(distortion, ".2f", " nats"), f"The reconstruction term: lower is better{least}."),
        ("rate R", said(rate, ".2f", " nats"),
         f"The mean KL of q(z|x) from the prior: on average a code says no more than this about its {one.datum}."),
    ]  # fmt: skip
    if row is not None:
        lines += _errors(vars(row), known)
    if one.active is not None and one.kl is not None:
        meaning = f"Those with a KL above {ACTIVE_ABOVE} nats. How much each changes is in the table of latents."
        lines.append(("active latents", f"{one.active} of {len(one.kl)}", meaning))
    return [*lines, *_known(one)]


def _errors(row: Mapping[str, Any], known: References | None) -> list[tuple[str, str | None, str]]:
    """Errors, bits and calibration, those that there are."""
    particles = row["particles"]
    without = f"; the training data's mean in place of each has {known.mse:.4g}" if known else ""
    guessed = f"; the commonest class alone is {known.commonest:.3f}" if known and known.commonest is not None else ""
    return [
        ("importance-weighted bound", said(row["iw_bound"], ".2f", " nats"),
         f"A bound on log p(x) that is nearer to it than the ELBO, from {particles} draws of z."),
        ("bits per dimension", said(row["bits_per_dim"], ".3f"),
         "The bits that a lossless code of the 256 grey levels would take for each value: lower is better."),
        ("MSE", said(row["mse"], ".4g"),
         f"Mean squared error of a value of p(x|z)'s mean, in the data's units squared{without}."),
        ("PSNR", said(row["psnr"], ".2f", " dB"), "The same on a logarithmic scale, −10 log₁₀ MSE: higher is better."),
        ("SSIM", said(row["ssim"], ".3f"), "Structural similarity of reconstruction and original: 1 is equal."),
        ("coverage, 50%", said(row["coverage_50"], ".3f"),
         "The share of values in the central half of p(x|z): 0.5 is calibrated, more is too wide."),
        ("coverage, 90%", said(row["coverage_90"], ".3f"), "The same for the central 90%: 0.9 is calibrated."),
        ("probe accuracy", said(row["probe_accuracy"], ".3f"),
         "The share of held-out labels that logistic regression reads off the means of q(z|x), fitted to those of the "
         f"training data{guessed}."),
    ]  # fmt: skip


def _known(one: Measured) -> list[tuple[str, str | None, str]]:
    """What the distribution of the data says, where it is known."""
    if one.log_likelihood is None or one.data is None or one.data.covariance is None or one.row is None:
        return []
    least = least_information(one.row, one.log_likelihood)  # type: ignore[arg-type]
    return [
        ("log p(x)", said(one.log_likelihood, ".2f", " nats"), "Of the Gaussian that the data were drawn from."),
        ("entropy H", said(entropy(one.data.covariance), ".2f", " nats"), "Of that Gaussian."),
        ("H − D", said(least, ".2f", " nats"), "What a code says about its vector at least, where it is above 0."),
    ]


def said(value: float | None, form: str, unit: str = "") -> str | None:
    """A number with its unit; None where there is none."""
    return None if value is None else with_minus(in_words(value, form)) + unit


def pictures(one: Measured, captions: Captions) -> Markup:
    """Reconstructions and samples, and what else a fit draws."""
    held_out = one.rows
    if held_out is None:
        if not one.is_images:
            return element(
                "p", "Reconstructions and samples are left out: they are drawn beside the data.", class_="aside"
            )
        drawn = plots.samples(sample(one.run.model, SAMPLES)[1])
        left_out = element("p", "Reconstructions are left out: there are no data to reconstruct.", class_="aside")
        return joined(captions.figure(drawn, CAPTIONS["samples"], "Samples"), left_out)
    parts = []
    texts = CAPTIONS | ({} if one.is_images else OF_VECTORS)
    draw = drawings(one.run, held_out, lambda: Figures().sweep(one.run.model, held_out))
    if one.is_images:
        given = with_conditions(one.run.model, {}, held_out, SAMPLES)
        draw["samples"] = lambda: plots.samples(sample(one.run.model, SAMPLES, given=given)[1])
    texts |= {name: UNDER_CLASSES.format(name.removeprefix("classes-")) for name in draw if name.startswith("classes-")}
    for name, text in texts.items():
        if name in draw:
            with optional(name):
                parts.append(captions.figure(draw[name](), text, name.capitalize()))
    return joined(parts)
