"""Matplotlib figures of runs, comparisons and factors, from tensors and arrays.

Pixels from 0 to 1 are drawn without scaling, in grey or RGB. Vectors, which are no pictures, are drawn as curves and
scatters. Figures are made without pyplot, so that no global state changes and no window opens: save them with
`save_figure` or ``figure.savefig``, or end a notebook cell with them.
"""

from __future__ import annotations

from .classes import classes
from .columns import column_curve
from .comparisons import Point, gallery, rate_distortion, side_by_side
from .correlations import rank_correlations
from .factors import heat_map, responses
from .learning import LearningCurve, learning_curves
from .maps import MapCell, column_map
from .pictures import optional, png_of
from .posteriors import posteriors
from .runs import animation, curves, film, reconstructions, samples, traversal
from .saving import save_as, save_figure, save_figures
from .searches import importances, pareto
from .vectors import covariances, latents, pairs

__all__ = [
    "LearningCurve",
    "MapCell",
    "Point",
    "animation",
    "classes",
    "column_curve",
    "column_map",
    "covariances",
    "curves",
    "film",
    "gallery",
    "heat_map",
    "importances",
    "latents",
    "learning_curves",
    "optional",
    "pairs",
    "pareto",
    "png_of",
    "posteriors",
    "rank_correlations",
    "rate_distortion",
    "reconstructions",
    "responses",
    "samples",
    "save_as",
    "save_figure",
    "save_figures",
    "side_by_side",
    "traversal",
]
