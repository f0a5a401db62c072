"""What is minimised, as formulas: the reconstruction term of each family and the regulariser of each objective.

A lab says BCE + β · KLD, this package distortion and rate. Both are sums over the values of a datum and over the
latents, and means over data.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KLD", "OBJECTIVES", "RECONSTRUCTION", "Reconstruction"]


@dataclass(frozen=True)
class Reconstruction:
    """The reconstruction term under one family.

    Attributes:
        short: What stands for it in the loss: BCE, SE, NLL.
        name: What it is called.
        formula: The term, where M is the number of values of a datum; for `formulas.formula`.
        where: What the letters are.
    """

    short: str
    name: str
    formula: str
    where: str


KLD = "KLD = − ½ Σ_k ( 1 + log σ_k^2 − μ_k^2 − σ_k^2 )"  # of a diagonal Gaussian and a standard normal prior

OF_MEAN = "x̂ is the mean of p(x|z), what the decoder makes of z"
BCE = "− Σ_i ( x_i log x̂_i + (1 − x_i) log (1 − x̂_i) )"
SQUARES = "Σ_i ( (x_i − x̂_i)^2 / (2 s^2) + log s + ½ log 2 π )"
ABSOLUTE = "Σ_i ( | x_i − x̂_i | / s + log 2 s )"

RECONSTRUCTION = {
    "bernoulli": Reconstruction("BCE", "the binary cross-entropy", f"BCE = {BCE}", OF_MEAN),
    "binarized-bernoulli": Reconstruction(
        "BCE",
        "the binary cross-entropy",
        f"BCE = {BCE}",
        f"{OF_MEAN}; x is 0 or 1, drawn with the grey level as its probability",
    ),
    "continuous-bernoulli": Reconstruction(
        "NLL",
        "the negative log-likelihood of the continuous Bernoulli: the binary cross-entropy, made a density",
        f"NLL = {BCE} − Σ_i log C(λ_i)".replace("x̂", "λ"),
        "λ is the sigmoid of the decoder's output, and C(λ) makes the density of a pixel integrate to one",
    ),
    "gaussian": Reconstruction(
        "SE", "the squared error, up to a constant", f"SE = {SQUARES}", f"{OF_MEAN}, and s a fixed standard deviation"
    ),
    "gaussian-learned": Reconstruction(
        "NLL",
        "the negative log-likelihood of a Gaussian: the squared error, with a scale",
        f"NLL = {SQUARES}",
        f"{OF_MEAN}, and s one standard deviation, which is learned",
    ),
    "gaussian-optimal": Reconstruction(
        "NLL",
        "the negative log-likelihood of a Gaussian: the squared error, with a scale",
        f"NLL = {SQUARES}",
        f"{OF_MEAN}, and s² the mean squared error of the batch (σ-VAE), afterwards a moving average of it",
    ),
    "gaussian-heteroscedastic": Reconstruction(
        "NLL",
        "the negative log-likelihood of a Gaussian: the squared error, with scales",
        f"NLL = {SQUARES}".replace(" s", " s_i").replace("s_i^2", "{s_i}^2"),
        f"{OF_MEAN}, which gives a standard deviation s for each value too",
    ),
    "laplace": Reconstruction(
        "AE", "the absolute error, up to a constant", f"AE = {ABSOLUTE}", f"{OF_MEAN}, and s a fixed scale"
    ),
    "laplace-learned": Reconstruction(
        "NLL",
        "the negative log-likelihood of a Laplace: the absolute error, with a scale",
        f"NLL = {ABSOLUTE}",
        f"{OF_MEAN}, and s one scale, which is learned",
    ),
    "beta": Reconstruction(
        "NLL",
        "the negative log-likelihood of a beta density",
        "NLL = − Σ_i log Beta( y_i ; a_i , b_i )",
        "y = (255x + ½)/256 keeps pixels from 0 and 1, and the decoder gives both concentrations a and b of each",
    ),
    "discretized-logistic": Reconstruction(
        "NLL",
        "the negative log-probability of the grey levels",
        "NLL = − Σ_i log P(x_i)",
        "P(x) is the mass of a logistic distribution in the bin of the grey level, one of 256, and the decoder gives "
        "the location and scale of each value",
    ),
    "categorical": Reconstruction(
        "CE",
        "the cross-entropy of 256 grey levels",
        "CE = − Σ_i log P(x_i)",
        "P is the softmax of the 256 numbers that the decoder gives for each value",
    ),
}

OBJECTIVES = {
    "beta": ("L = D + β R", "the β-VAE (Higgins et al., 2017)"),
    "capacity": ("L = D + γ | R − C |", "a capacity C that the rate is pulled towards (Burgess et al., 2018)"),
    "tc": (
        "L = D + α I(x; z) + β TC + γ Σ_k KL_k",
        "the β-TCVAE (Chen et al., 2018): the rate in three parts, information, total correlation and the KL of each "
        "latent's aggregate posterior",
    ),
    "factor": ("L = D + R + γ TC", "the FactorVAE (Kim and Mnih, 2018): a penalty on the total correlation"),
    "dip-i": (
        "L = D + R + λ_{od} Σ_{i≠j} C_{ij}^2 + λ_d Σ_i (C_{ii} − 1)^2",
        "the DIP-VAE I (Kumar et al., 2018): C is the covariance of the posterior means",
    ),
    "dip-ii": (
        "L = D + R + λ_{od} Σ_{i≠j} C_{ij}^2 + λ_d Σ_i (C_{ii} − 1)^2",
        "the DIP-VAE II (Kumar et al., 2018): C is the covariance of the codes",
    ),
    "info": (
        "L = D + (1 − α) R + (α + λ − 1) MMD^2",
        "the InfoVAE (Zhao et al., 2017): a distance of the aggregate posterior from the prior",
    ),
    "controlled": ("L = D + β R", "after the ControlVAE (Shao et al., 2020): a controller moves β to hold the rate"),
    "ada": (
        "L = D + β R",
        "the Ada-GVAE (Locatello et al., 2020): data come in pairs that share all but a few factors, with one "
        "posterior of each latent in which they are alike",
    ),
    "qlae": (
        "L = D + β R + γ (M/K) Σ_k ( c_k − v_k )^2",
        "quantised latents, after the QLAE (Hsu et al., 2023): the mean c of a latent becomes v, the nearest of a few "
        "values",
    ),
}
