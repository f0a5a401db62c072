"""How well a linear classifier predicts the labels from the codes."""

from __future__ import annotations

from statistics import mean

import numpy as np

from ..codes import encode
from ..datasets import Dataset
from ..datasets.labels import classes_of, looks_numbered
from ..model import BetaVAE

__all__ = ["has_classes", "probe_accuracy"]

MOST_TRAINING_IMAGES = 10_000


def probe_accuracy(vae: BetaVAE, dataset: Dataset, site: str | None = None) -> float | None:
    """Held-out accuracy of a linear softmax classifier of the labels, given posterior means.

    Where the labels are attributes, each has a classifier of its own, and the accuracy is their mean. Labels in one-hot
    rows are classes.

    Args:
        vae: The programs.
        dataset: The data; at most the first 10,000 training images are used to fit the classifier.
        site: The latent site whose codes are read, see `codes.code_site`.

    Returns:
        A share between 0 and 1; None for data without labels that vary, or whose labels are rather their numbers.
    """
    from sklearn.linear_model import LogisticRegression  # here, so that importing the package does not wait for it
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = _classes(dataset)
    if not labels:
        return None
    parts = (dataset.train[:MOST_TRAINING_IMAGES], dataset.held_out)
    codes, unseen = (encode(vae, dataset.rows(part), site=site).loc.numpy() for part in parts)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return mean(float(classifier.fit(codes, known).score(unseen, unknown)) for known, unknown in labels)


def has_classes(dataset: Dataset) -> bool:
    """Whether there are labels that a classifier can be fitted to, so that the probe has an accuracy."""
    return bool(_classes(dataset))


def _classes(dataset: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    """The labels, of each kind those of the training images that are used and those held out."""
    if dataset.labels is None:
        return []
    train, held_out = dataset.train[:MOST_TRAINING_IMAGES], dataset.held_out
    columns = [column for column in classes_of(dataset.labels).unbind(1) if not looks_numbered(column)]
    labels = [(column[train].numpy(), column[held_out].numpy()) for column in columns]
    return [(known, unknown) for known, unknown in labels if known.min() < known.max()]
