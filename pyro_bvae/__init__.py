"""The β-VAE as Pyro programs: choose p(x | z), fit, sweep a latent and look, score, compare.

>>> from pyro_bvae import BetaVAE, datasets, fit
>>> data = datasets.load("digits")
>>> run = fit(BetaVAE(data.shape, beta=6.0), data, steps=2)
>>> run.step
2
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets, likelihoods, metrics, networks, plots, programs, traversal
    from .comparison.results import results
    from .evaluation import diagnose, evaluate
    from .exports import export
    from .model import BetaVAE
    from .pages import explore
    from .pages.report import report
    from .runs import Run, load_run
    from .training import Callback, fit
    from .traversal import traverse

__all__ = [
    "BetaVAE",
    "Callback",
    "Run",
    "datasets",
    "diagnose",
    "evaluate",
    "explore",
    "export",
    "fit",
    "likelihoods",
    "load_run",
    "metrics",
    "networks",
    "plots",
    "programs",
    "report",
    "results",
    "traversal",
    "traverse",
]

HOMES = {
    "BetaVAE": "model",
    "Callback": "training",
    "Run": "runs",
    "diagnose": "evaluation",
    "evaluate": "evaluation",
    "explore": "pages",
    "export": "exports",
    "fit": "training",
    "load_run": "runs",
    "report": "pages.report",
    "results": "comparison.results",
    "traverse": "traversal",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that ``import pyro_bvae`` does not wait for torch."""
    if name in HOMES:
        return getattr(import_module(f".{HOMES[name]}", __name__), name)
    try:
        return import_module(f".{name}", __name__)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
