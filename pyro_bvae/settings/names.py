"""The names of networks, likelihoods, objectives and so on; free of torch, so that help and completion are instant.

Each tuple repeats the keys of one dict elsewhere; a test holds them equal.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

from .words import brief

__all__ = [
    "ACTIVATIONS",
    "AS_ASKED",
    "AS_BEGUN",
    "BASELINES",
    "BASES",
    "BINNINGS",
    "BOOSTERS",
    "CODES",
    "DATASETS",
    "DEVICES",
    "EXPORTS",
    "FIGURE_FORMATS",
    "FRAMES",
    "LEAST_BATCH",
    "LIKELIHOODS",
    "MEAN_LINKS",
    "METRICS",
    "NETWORKS",
    "OBJECTIVES",
    "OPTIMIZERS",
    "POSTERIORS",
    "PRECISIONS",
    "PRIORS",
    "PROGRAMS",
    "SCHEDULES",
    "THREADS_OF_THE_USER",
    "TRACKERS",
    "check",
    "threads_are_named",
]

ACTIVATIONS = ("relu", "tanh")
BASELINES = ("ground-truth", "pixels", "pca", "ica", "untrained")
BASES = ("image", "random-image", "prior", "random-z")
BINNINGS = ("width", "quantile")
BOOSTERS = ("presorted", "exact", "histogram")
CODES = ("mean", "sample")
DATASETS = (
    "digits",
    "mnist",
    "fashion-mnist",
    "kmnist",
    "dsprites[:PATH]",
    "shapes3d[:PATH]",
    "mpi3d:{toy|realistic|real|complex|PATH}",
    "cars3d[:PATH]",
    "smallnorb[:PATH]",
    "chairs[:PATH]",
    "celeba[:PATH]",
    "gaussian",
    "folder:PATH",
    "npz:PATH",
    "npy:PATH",
    "txt:PATH",
    "csv:PATH",
)
DEVICES = ("auto", "cpu", "cuda", "mps")
EXPORTS = ("zip", "onnx", "pt2", "safetensors")
FIGURE_FORMATS = ("png", "pdf", "svg")
FRAMES = ("first", "all")
LEAST_BATCH = {"info": 2}  # the fewest data a batch of the objectives that cannot take one datum
LIKELIHOODS = (
    "bernoulli",
    "binarized-bernoulli",
    "continuous-bernoulli",
    "gaussian",
    "gaussian-learned",
    "gaussian-optimal",
    "gaussian-heteroscedastic",
    "laplace",
    "laplace-learned",
    "beta",
    "discretized-logistic",
    "categorical",
)
MEAN_LINKS = ("sigmoid", "identity")
METRICS = (
    "beta-vae-paper",
    "beta-vae",
    "factor-vae",
    "mig",
    "mig-sup",
    "mig-chen",
    "modularity",
    "sap",
    "dci",
    "explicitness",
    "infomec",
    "dci-es",
    "one-to-one",
    "irs",
    "udr",
    "total-correlation",
    "mutual-information-score",
    "wasserstein-correlation",
    "active-units",
    "probe",
    "mig-active",
    "mig-sup-active",
    "modularity-active",
    "sap-active",
    "dci-active",
    "irs-active",
    "total-correlation-active",
)
NETWORKS = ("mlp", "conv", "locatello", "resnet", "broadcast")
OBJECTIVES = ("beta", "capacity", "tc", "factor", "dip-i", "dip-ii", "info", "controlled", "ada", "qlae")
OPTIMIZERS = ("rmsprop", "adam", "adagrad", "sgd")
POSTERIORS = ("diagonal", "full", "iaf:N", "planar:N", "spline:N")
PRECISIONS = ("fp32", "bf16")
PRIORS = ("normal", "laplace", "mixture:K", "vamp:K")
PROGRAMS = ("semi-supervised", "joint", "hierarchical", "conditional")
THREADS_OF_THE_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # the environment's, which are never overruled
AS_ASKED = "as asked"  # why a step is compiled or not, where it was not the fit that decided
AS_BEGUN = "as the run was begun, to the same last digits"  # and where it was the fit that is resumed
TRACKERS = ("tensorboard", "wandb", "trackio", "mlflow")
SCHEDULES = ("constant", "linear", "cyclic", "cosine")


def threads_are_named() -> bool:
    """Whether the user's environment names a number of threads, as the 1 that torchrun sets by itself is not."""
    named = {name for name in THREADS_OF_THE_USER if name in os.environ}
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("OMP_NUM_THREADS") == "1":
        named -= {"OMP_NUM_THREADS"}
    return bool(named)


def check(kind: str, name: str, known: Iterable[str]) -> str:
    """The name itself, if it is known.

    Args:
        kind: What it names, for the message.
        name: The name.
        known: All names there are.

    Raises:
        ValueError: The name is not known; the message suggests the nearest that is.

    >>> check("network", "conv", NETWORKS)
    'conv'
    """
    known = list(known)
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
    raise ValueError(f"unknown {kind} {brief(name)}: {hint}")
