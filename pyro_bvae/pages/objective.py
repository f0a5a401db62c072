"""The loss as formulas, in the words of a lab and in those of this package, and how β enters it."""

from __future__ import annotations

from math import prod

from torch import Tensor

from ..likelihoods import Standardised, family_of
from ..posteriors import Diagonal
from ..priors import StandardNormal
from ..runs.config import weighs_rate
from ..settings.parsing import specified
from ..settings.words import number, plain
from .formulas import formula
from .losses import KLD, OBJECTIVES, RECONSTRUCTION, Reconstruction
from .markup import Content, Markup, element, joined, sentence, with_minus
from .measured import Measured

__all__ = ["beta", "loss"]


def loss(one: Measured) -> Markup:
    """The loss, with its numbers on held-out data where it is BCE + β · KLD in one family or another."""
    known = RECONSTRUCTION.get(one.config["likelihood"]) if weighs_rate(one.config) else None
    of_a_lab = _of_a_lab(one, known) if known is not None else None
    return joined(of_a_lab, _of_this_package(one), _held_out(one, known) if known is not None else None)


def _of_a_lab(one: Measured, known: Reconstruction) -> Markup:
    """Reconstruction and KLD."""
    vae = one.run.model
    has_normal = type(vae.prior) is StandardNormal and type(vae.posterior) is Diagonal and "model" not in vae.custom
    scale = getattr(family_of(vae.likelihood), "scale", None)
    is_one = isinstance(scale, Tensor) and scale.numel() == 1
    where = sentence(
        f"Here {known.where}.",
        "i counts the values of a datum and k the latents.",
        "μ and σ are the mean and the deviation of q(z|x), from the encoder." if has_normal else None,
        f"At the end of the training s = {scale.item():.4g}." if isinstance(scale, Tensor) and is_one else None,
        "x and x̂ are standardised." if isinstance(vae.likelihood, Standardised) else None,
    )
    return joined(
        element("p", f"In the words of a lab, the loss of {_a(one)} is"),
        formula(f"L = {known.short} + β · KLD", display=True),
        element("p", f"with {known.name}, and the Kullback–Leibler divergence of the code from the prior:"),
        formula(known.formula, display=True),
        formula(KLD, display=True) if has_normal else None,
        element("p", where),
    )


def _of_this_package(one: Measured) -> Markup:
    """Distortion and rate."""
    vae, config = one.run.model, one.config
    text, what = "L = D + β R", ""
    after: Content = None
    if config.get("objective") is None:
        text, after = "", f"What was minimised is {plain(config['elbo'])}, given from Python."
    elif (objective := specified(config["objective"])).text != "beta":
        text, what = OBJECTIVES[objective.name]
        coefficients = objective.text.partition(":")[2].replace(",", ", ").replace("=", " = ")
        after = f"This is {what}{f', with {coefficients}' if coefficients else ''}."
    sums = (
        f"Both are sums over the {prod(vae.shape):,} values of {_a(one)} and the {vae.latent_dim} latents, and means "
        f"over {one.datum}s, in nats. Nothing is averaged over pixels or latents."
    )
    return joined(
        element("p", "In the words of this package, the loss has a distortion D and a rate R:"),
        formula(text, display=True) if text else None,
        formula("D = − E_{q(z|x)} log p(x|z)", display=True),
        formula("R = KL( q(z|x) ‖ p(z) )", display=True),
        element("p", sums),
        element("p", after) if after else None,
    )


def _held_out(one: Measured, known: Reconstruction) -> Markup | None:
    """The loss in numbers."""
    if one.terms is None:
        return None
    distortion, rate = one.terms
    weight = number(round(one.beta, 4))
    text = (
        f"On the held-out {one.datum}s, with one draw of z each: {known.short} = D = {distortion:,.2f} and KLD = R = "
        f"{rate:,.2f} nats, so that {known.short} + β · KLD = {distortion:,.2f} + {weight} · {rate:,.2f} = "
        f"{distortion + one.beta * rate:,.2f} nats."
    )
    return element("p", with_minus(text))


def _a(one: Measured) -> str:
    return f"{'an' if one.is_images else 'a'} {one.datum}"


def beta(one: Measured) -> Markup:
    """How β enters, and what β_norm it is."""
    vae, config = one.run.model, one.config
    size, values = vae.latent_dim, prod(vae.shape)
    norm = one.beta * size / values
    lines = [
        "In both programs the log-probability of z is multiplied by β (poutine.scale), so that the loss holds "
        "β times the KL and the reconstruction as it is."
    ]
    takes_beta = config.get("objective") is not None and specified(config["objective"]).takes_beta
    if not takes_beta:
        lines = ["The objective has coefficients of its own, and the β of the programs is not one of them."]
    elif config.get("match_rate") is not None:
        lines.append(
            f"β was not fixed: from {number(config['beta'])} on it was moved until the rate in training came to "
            f"{number(config['match_rate'])} nats, and ended at {one.beta:.4g}."
        )
    elif config.get("beta_schedule") is not None:
        lines.append(f"β followed the schedule {config['beta_schedule']}, and ended at {one.beta:.4g}.")
    else:
        lines.append(f"Here β = {number(config['beta'])} throughout; at β = 1 the loss is the negative ELBO.")
    if takes_beta:
        lines.append(
            f"Code that averages over pixels and latents means another number by β: it is β_norm = β K/M = "
            f"{one.beta:.4g} · {size}/{values:,} = {norm:.4g} there, for K latents and M values."
        )
    return element("p", sentence(*lines))
