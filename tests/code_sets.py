"""Twelve code sets that scores are compared on with second implementations, in plain loops."""

from __future__ import annotations

from math import log

import numpy as np
from codes import SMALL, mixed, rotated

KINDS = ("categorical", "cyclic", "ordered", "cyclic")  # of the four factors
POINTS = 500


def folded(factors: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
    """The factors, some of them folded in the middle."""
    z = factors.astype(float)
    for column in columns:
        z[:, column] = np.abs(z[:, column] - factors[:, column].max() / 2)
    return z


def factors_drawn(number: int = POINTS) -> np.ndarray:
    """So many draws of the four factors of `SMALL`."""
    return SMALL[np.random.default_rng(0).integers(len(SMALL), size=number)]


def code_sets() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The factors of 500 points, and twelve codes of them by name."""
    v, random = factors_drawn(), np.random.default_rng(1)
    standard = (v - v.mean(0)) / v.std(0)
    noise = random.normal(size=v.shape)
    dead = 0.01 * random.normal(size=(len(v), 3))
    turned = 2 * np.pi * v[:, 3] / 6
    noisy = standard + 0.3 * noise
    sets = {
        "factors": standard,
        "noisy": noisy,
        "very noisy": standard + noise,
        "noise": noise,
        "rotated": rotated(v),
        "mixed": mixed(v),
        "folded": folded(standard + 0.05 * noise, (2, 3)),
        "curved": np.exp(noisy),
        "dead": np.hstack([noisy, dead]),
        "duplicated": np.hstack([noisy, noisy + 0.1 * random.normal(size=v.shape)]),
        "circle": np.column_stack([noisy[:, :3], np.cos(turned + 0.2), np.sin(turned + 0.2)]),
        "one latent": np.column_stack([noisy[:, 0], np.zeros(len(v)), np.full(len(v), 3.0)]),
    }  # fmt: skip
    return v, sets


def plain_information(one: np.ndarray, other: np.ndarray) -> float:
    """Mutual information in 20 bins of equal width each, nats."""
    low, high = [[int(min(19, 20 * (value - z.min()) / (np.ptp(z) or 1))) for value in z] for z in (one, other)]
    total = 0.0
    for a in set(low):
        for b in set(high):
            both = sum(x == a and y == b for x, y in zip(low, high, strict=True)) / len(one)
            if both:
                total += both * log(both * len(one) ** 2 / (low.count(a) * high.count(b)))
    return total
