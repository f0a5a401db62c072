"""Data sets: images in [0, 1] or vectors, with labels or ground-truth factors where they exist.

`load` loads a data set by its name: one of `SOURCES`, or ``kind:path`` for files of your own. Data in memory become a
data set like this:

>>> data = Dataset("mine", torch.rand(100, 1, 28, 28))
>>> len(data.train), len(data.held_out)
(90, 10)
"""

from __future__ import annotations

import torch  # noqa: F401  (the example above)

from .dataset import Dataset, pixels
from .gaussian import entropy, log_likelihood
from .inventory import available
from .leftovers import remove_leftovers
from .loading import cache_folder, canonical, load, own_path
from .mapped import Progress
from .pairs import Pairs
from .rows import Rows, of_type, rows_of
from .sources import SOURCES, Source

__all__ = [
    "SOURCES",
    "Dataset",
    "Pairs",
    "Progress",
    "Rows",
    "Source",
    "available",
    "cache_folder",
    "canonical",
    "entropy",
    "load",
    "log_likelihood",
    "of_type",
    "own_path",
    "pixels",
    "remove_leftovers",
    "rows_of",
]
