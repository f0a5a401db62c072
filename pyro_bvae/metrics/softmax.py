"""A linear softmax classifier, fitted by a fixed number of Adagrad steps on small batches, as in the β-VAE paper."""

from __future__ import annotations

import numpy as np

__all__ = ["Softmax"]

FIRST_SQUARES = 1e-10  # that Adagrad's sum of squared gradients starts from, so that it never divides by 0


class Softmax:
    """p(c | x) ∝ exp(w_c·x + b_c), fitted by Adagrad to the mean cross-entropy of batches.

    Args:
        classes: Number of classes, C.
        steps: Gradient steps.
        batch_size: Points a step, drawn with replacement.
        lr: Learning rate.
        seed: Seed of the batches.
    """

    def __init__(
        self, classes: int, *, steps: int = 10_000, batch_size: int = 10, lr: float = 1e-2, seed: int = 0
    ) -> None:
        self.classes, self.steps, self.batch_size, self.lr, self.seed = classes, steps, batch_size, lr, seed
        self.weights = np.zeros((0, classes))

    def fit(self, x: np.ndarray, y: np.ndarray) -> Softmax:
        """Fit to points ``(N, K)`` with classes ``(N,)``."""
        x, targets = _with_one(x), np.eye(self.classes)[y]
        batches = np.random.default_rng(self.seed).integers(len(x), size=(self.steps, self.batch_size))
        self.weights = np.zeros((x.shape[1], self.classes))
        squares = np.full_like(self.weights, FIRST_SQUARES)
        for batch in batches:
            logits = x[batch] @ self.weights
            shares = np.exp(logits - logits.max(1, keepdims=True))
            shares /= shares.sum(1, keepdims=True)
            gradient = x[batch].T @ (shares - targets[batch]) / self.batch_size
            squares += gradient**2
            self.weights -= self.lr * gradient / np.sqrt(squares)
        return self

    def score(self, x: np.ndarray, y: np.ndarray) -> float:
        """The share of points whose most probable class is their own."""
        return float(((_with_one(x) @ self.weights).argmax(1) == y).mean())


def _with_one(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1, dtype=np.float64)
