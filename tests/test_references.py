"""What a report holds its numbers against is what numpy and scikit-learn say of the same data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import mean_squared_error

from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.pages.references import references


@pytest.mark.parametrize(
    ("shape", "are_bytes"), [((1, 5, 4), True), ((1, 5, 4), False), ((3, 2, 2), True), ((6,), False)]
)
def test_references_are_those_of_other_packages(shape: tuple[int, ...], are_bytes: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (3000, *shape), generator=generator, dtype=torch.uint8)
    values[:, 0] = 255
    images = values if are_bytes else values / 255
    labels = torch.randint(0, 3, (3000,), generator=generator) % 2
    data = Dataset("noise", images, labels=labels, train=torch.arange(1700), held_out=torch.arange(1700, 3000))
    known = references(data)
    x = pixels(images).double().flatten(1).numpy()
    guess = DummyRegressor().fit(np.zeros(1700), x[:1700]).predict(np.zeros(1300))
    assert known.mse == pytest.approx(mean_squared_error(x[1700:], guess), rel=1e-6)
    guessed = DummyClassifier().fit(np.zeros(1700), labels[:1700]).score(np.zeros(1300), labels[1700:])
    assert known.commonest == pytest.approx(guessed)
    least = entropy(np.stack([x[1700:], 1 - x[1700:]])).sum(-1).mean()
    assert known.cross_entropy == (pytest.approx(least) if len(shape) == 3 else None)
