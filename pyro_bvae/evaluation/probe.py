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
Labelled = tuple[np.ndarray, np.ndarray]


def probe_accuracy(vae: BetaVAE, dataset: Dataset, site: str | None = None) -> float | None:
    """Held-out accuracy of a linear softmax classifier of the labels, given posterior means.

    Where the labels are attributes, each has a classifier of its own, and the accuracy is their mean. Labels in one-hot
    rows are classes. Data whose label is missing, below 0, are left out.

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

    tasks = _tasks(dataset)
    if not tasks:
        return None
    parts = (dataset.train[:MOST_TRAINING_IMAGES], dataset.held_out)
    codes, unseen = (encode(vae, dataset.rows(part), site=site).loc.numpy() for part in parts)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return mean(
        float(classifier.fit(codes[of_train], known).score(unseen[of_held_out], unknown))
        for (of_train, known), (of_held_out, unknown) in tasks
    )


def has_classes(dataset: Dataset) -> bool:
    """Whether there are labels that a classifier can be fitted to, so that the probe has an accuracy."""
    return bool(_tasks(dataset))


def _tasks(dataset: Dataset) -> list[tuple[Labelled, Labelled]]:
    """For each kind of label the training data that are used and the held-out data: those that have one, and theirs."""
    if dataset.labels is None:
        return []
    parts = (dataset.train[:MOST_TRAINING_IMAGES], dataset.held_out)
    columns = [column for column in classes_of(dataset.labels).unbind(1) if not looks_numbered(column)]
    tasks = [(_known(column[parts[0]].numpy()), _known(column[parts[1]].numpy())) for column in columns]
    return [(train, held_out) for train, held_out in tasks if len(held_out[1]) and len(np.unique(train[1])) > 1]


def _known(labels: np.ndarray) -> Labelled:
    """Which data have a label, and theirs; one below 0 is missing."""
    return labels >= 0, labels[labels >= 0]
