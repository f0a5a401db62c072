"""Boosted trees that predict a class from a code, and the importance of each latent in them: three ways to grow them.

    presorted   every threshold, on latents sorted once, of all classes together: see `presorted`
    exact       every threshold, by scikit-learn's ``GradientBoostingClassifier()``, the literature's own
    histogram   255 bins a latent, splits chosen by Newton's gain

The importance of a latent is the fall in squared residual at all splits on it, Σ (G_l²/n_l + G_r²/n_r − G²/n) with G
the sum of residuals 1[class] − p(class) of the n data in a node, as a share of that of all latents.

Source: Friedman, Greedy function approximation, https://doi.org/10.1214/aos/1013203451, section 8.1
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

from .presorted import DEPTH, LEARNING_RATE, ROUNDS, PresortedTrees

__all__ = ["BOOSTERS"]

Boosted = tuple[ClassifierMixin | PresortedTrees, np.ndarray]
LEAST_SHARE = 1e-9  # that keeps a ratio of Newton steps, or of their denominators, finite


def _exact(z: np.ndarray, column: np.ndarray, seed: int) -> Boosted:
    """100 rounds of trees of depth 3, every threshold tried."""
    trees = GradientBoostingClassifier(random_state=seed).fit(z, column)
    return trees, trees.feature_importances_


def _presorted(z: np.ndarray, column: np.ndarray, seed: int) -> Boosted:
    """The exact trees, on latents sorted once."""
    trees = PresortedTrees(z, column, seed)
    return trees, trees.importances


def _histogram(z: np.ndarray, column: np.ndarray, seed: int) -> Boosted:
    """100 rounds of trees of depth 3 on at most 255 bins a latent, splits chosen by Newton's gain."""
    trees = HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE, max_iter=ROUNDS, max_depth=DEPTH, max_leaf_nodes=2**DEPTH, min_samples_leaf=1,
        early_stopping=False, random_state=seed,
    ).fit(z, column)  # fmt: skip
    importances = np.zeros(z.shape[1])
    for tree in (tree for trees_of_round in trees._predictors for tree in trees_of_round):
        splits = tree.nodes[tree.nodes["is_leaf"] == 0]  # scikit-learn has no public access to the nodes
        if len(splits):
            np.add.at(importances, splits["feature_idx"], _falls(tree.nodes))
    total = importances.sum()
    return trees, importances / total if total > 0 else importances


def _falls(nodes: np.ndarray) -> np.ndarray:
    """The fall in squared residual at each split of one tree, worked out from what scikit-learn stores in its nodes.

    G is the sum of residuals in a node and H that of p(1 − p). A node stores its Newton step v = G/H, its number of
    data n and, if it is split, the gain G_l²/H_l + G_r²/H_r − G²/H. The gain is H_l H_r/H · (v_l − v_r)², and H_l/H is
    (v − v_r)/(v_l − v_r), from which H_l, H_r, G_l and G_r follow. The root stores no step: its H_l and H_r come from
    those of its children that are split.
    """
    step = nodes["value"] / np.where(nodes["is_leaf"] == 1, LEARNING_RATE, 1)
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    left, right = nodes["left"][inner].astype(int), nodes["right"][inner].astype(int)
    counts = nodes["count"].astype(float)
    apart = step[left] - step[right]
    apart = np.where(np.abs(apart) > LEAST_SHARE, apart, np.inf)
    mass = nodes["gain"][inner] / apart**2  # H_l H_r/H
    share = np.clip((step[inner] - step[right]) / apart, LEAST_SHARE, 1 - LEAST_SHARE)  # H_l/H
    below, above = mass / (1 - share), mass / share  # H_l, H_r
    whole = {node: both for node, both in zip(inner.tolist(), below + above, strict=True) if both > 0}
    below[0], above[0] = _masses(whole.get(left[0]), whole.get(right[0]), mass[0], counts[left[0]] / counts[0])
    one, other = step[left] * below, step[right] * above  # G_l, G_r
    falls = one**2 / counts[left] + other**2 / counts[right] - (one + other) ** 2 / counts[inner]
    return np.clip(falls, 0, nodes["gain"][inner] / 4)  # as H is at most n/4; more is rounding, where p is 0 or 1


def _masses(below: float | None, above: float | None, mass: float, share: float) -> tuple[float, float]:
    """H_l and H_r of the root.

    Args:
        below: H_l, where the left child is split.
        above: H_r, where the right child is split.
        mass: H_l H_r/H.
        share: The left child's share of the data, in place of H_l/H where no child is split.
    """
    if below is None and above is None:
        return mass / (1 - share), mass / share
    if below is None:
        assert above is not None
        return mass * above / max(above - mass, LEAST_SHARE * above), above
    return below, mass * below / max(below - mass, LEAST_SHARE * below) if above is None else above


BOOSTERS: dict[str, Callable[[np.ndarray, np.ndarray, int], Boosted]] = {
    "presorted": _presorted,
    "exact": _exact,
    "histogram": _histogram,
}
