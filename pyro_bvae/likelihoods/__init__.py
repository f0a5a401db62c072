"""Likelihoods p(x | z): the distribution of a datum, given the decoder's output.

A likelihood is an `nn.Module` whose ``forward(parameters)`` returns a Pyro distribution over one datum, with values in
the data's own units and all constants in its log-probability. A decoder's output is unconstrained, and the likelihood
applies the link: for the mean of an image, whose pixels lie in [0, 1], the sigmoid, and for a vector the identity.

To add a family, write one class and one entry of `LIKELIHOODS`. Any module of this form can also be passed to
`BetaVAE` without being registered. A distribution that torch does not have inherits from `PixelDistribution`, so that
images have bits per dimension.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from ..settings.names import check
from .binary import Bernoulli, BinarizedBernoulli, ContinuousBernoulliLikelihood
from .discrete import Categorical, DiscretizedLogistic
from .grey_levels import PixelDistribution
from .likelihood import LINKS, Likelihood, parts
from .standardised import Standardised, family_of
from .stretched_beta import Beta
from .symmetric import Gaussian, GaussianHeteroscedastic, GaussianLearned, GaussianOptimal, Laplace, LaplaceLearned

__all__ = [
    "LIKELIHOODS",
    "LINKS",
    "Bernoulli",
    "Beta",
    "BinarizedBernoulli",
    "Categorical",
    "ContinuousBernoulliLikelihood",
    "DiscretizedLogistic",
    "Gaussian",
    "GaussianHeteroscedastic",
    "GaussianLearned",
    "GaussianOptimal",
    "Laplace",
    "LaplaceLearned",
    "Likelihood",
    "PixelDistribution",
    "Standardised",
    "build",
    "family_of",
    "parts",
]

LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "binarized-bernoulli": BinarizedBernoulli,
    "continuous-bernoulli": ContinuousBernoulliLikelihood,
    "gaussian": Gaussian,
    "gaussian-learned": GaussianLearned,
    "gaussian-optimal": GaussianOptimal,
    "gaussian-heteroscedastic": GaussianHeteroscedastic,
    "laplace": Laplace,
    "laplace-learned": LaplaceLearned,
    "beta": Beta,
    "discretized-logistic": DiscretizedLogistic,
    "categorical": Categorical,
}


def build(name: str, shape: Sequence[int], *, scale: float | None = None, mean_link: str | None = None) -> Likelihood:
    """The likelihood of that name for data of that shape, with the family's own defaults where an option is None.

    Args:
        name: A key of `LIKELIHOODS`.
        shape: Shape of one datum, ``(C, H, W)`` or ``(D,)``.
        scale: Fixed or first scale, in the data's units.
        mean_link: "sigmoid" or "identity".

    Raises:
        ValueError: The name is unknown, or the family does not have an option that is given.
    """
    family = LIKELIHOODS[check("likelihood", name, LIKELIHOODS)]
    options = {"scale": scale, "mean_link": mean_link}
    given = {option: value for option, value in options.items() if value is not None}
    for option in given.keys() - inspect.signature(family).parameters.keys():
        raise ValueError(f"the {name} likelihood has no {option}: leave `{option}` out, or choose a gaussian")
    return family(shape, **given)
