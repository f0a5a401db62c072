"""What a simple classifier can read off the codes."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .codes import encode
from .datasets import Dataset
from .model import BetaVAE

__all__ = ["probe_accuracy"]

MOST_TRAINING = 10_000


def probe_accuracy(vae: BetaVAE, dataset: Dataset) -> float | None:
    """Held-out accuracy of a linear softmax classifier of the labels on posterior means.

    Args:
        vae: The programs.
        dataset: The data; at most the first 10,000 training images are used to fit the classifier.

    Returns:
        A share between 0 and 1; None for data without labels.
    """
    if dataset.labels is None or len(dataset.labels.unique()) < 2:
        return None
    train, held_out = dataset.train[:MOST_TRAINING], dataset.held_out
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    classifier.fit(encode(vae, dataset.images[train]).loc.numpy(), dataset.labels[train].numpy())
    codes = encode(vae, dataset.images[held_out]).loc.numpy()
    return float(classifier.score(codes, dataset.labels[held_out].numpy()))
