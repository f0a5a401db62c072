"""The data of each step: which ones they are, and how they come to the device.

The order of epoch e is a permutation drawn from (seed, e) alone, so that step s sees the same data whether or not the
run was stopped before it. Data that fit lie on the device as they are stored, images as uint8, and are gathered there;
larger ones stay in their memory-mapped file, and a thread gathers the next few batches while the device works, in
pinned memory where the device is a GPU. A run's numbers do not depend on which it is. Where several ranks take a step
together, each has the data of its own slice of the batch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from .. import ranks
from ..datasets import Dataset, Pairs, of_type, pixels

__all__ = ["Minibatches", "fits"]

AHEAD = 4  # batches gathered before they are asked for
SHARE = 0.5  # of the free memory that data may take


class Minibatches:
    """Training data in batches, shuffled anew each epoch; the last batch of an epoch may be short.

    Args:
        dataset: The data, of which the training part is used.
        batch_size: Data a batch, B; cut to the training set where that is smaller.
        seed: Seed of the order.
        device: Where batches are wanted.
        least: The fewest data that the last batch of an epoch may have; fewer join the batch before.
        dtype: Of the floats that batches are; see `pixels`.
        resident: Whether the data move to the device as a whole; by default if they fit.
        names: What of all that stands beside the images is wanted too; it always lies on the device.
        pairs: Makes each batch one of pairs: the second half are partners of the first half. An odd one stays alone.

    Attributes:
        size: Number of training data.
        batch_size: Data a batch.
        per_epoch: Batches that hold each training datum once.
        images: All data, on the device if they are resident there.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        device: torch.device,
        resident: bool | None = None,
        least: int = 1,
        dtype: torch.dtype | None = None,
        names: Sequence[str] = (),
        pairs: Pairs | None = None,
    ) -> None:
        self.dtype, self.pairs = dtype, pairs
        self.size = len(dataset.train)
        self.batch_size = min(batch_size, self.size)
        whole, rest = divmod(self.size, self.batch_size)
        self.per_epoch = whole + (rest >= least)
        self.seed = seed
        self.device = device
        self.resident = fits(dataset, device) if resident is None else resident
        home = device if self.resident else torch.device("cpu")
        self.images = dataset.images.to(home)
        beside = dataset.beside
        self.extra = {name: of_type(beside[name].to(device), dtype) for name in names}
        self._train = dataset.train.to(home)
        self._order: tuple[int, Tensor] | None = None
        self._coming: dict[int, Future[Tensor]] = {}
        self._pool = None if self.resident else ThreadPoolExecutor(1, thread_name_prefix="minibatches")

    def count(self, step: int) -> int:
        """How many data the batch of a step has, B, those of all ranks."""
        start = step % self.per_epoch * self.batch_size
        is_last = step % self.per_epoch == self.per_epoch - 1
        return (self.size if is_last else start + self.batch_size) - start

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The data of a step that this rank takes, as floats on the device, and what stands beside them."""
        return self.data_of(self.source(step))

    def source(self, step: int) -> tuple[Tensor, ...]:
        """What `data_of` makes the data of a step from: their indices where the device holds all data.

        Otherwise the data themselves as they are stored, and their indices where something stands beside them.
        """
        if self._pool is None:
            return (self._own_index(step),)
        return (self._next(step), *([self._own_index(step).to(self.device)] if self.extra else []))

    def data_of(self, source: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The data of what `source` gives, ``(rows, *shape)``, as floats on the device, and what is beside them."""
        images, *beside = self.stored_of(source)
        return (pixels(images, self.dtype), *beside)

    def stored_of(self, source: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The same as they are stored, images as uint8."""
        first, last = source[0], source[-1]
        images = first if self._pool is not None else self.images.index_select(0, first)  # a tenth of the time of [...]
        return (images, *(values.index_select(0, last) for values in self.extra.values()))

    def _next(self, step: int) -> Tensor:
        """The data of a step as they are stored, from the thread that reads ahead."""
        assert self._pool is not None
        self._coming = {ahead: future for ahead, future in self._coming.items() if ahead >= step}
        for ahead in range(step, step + AHEAD):
            if ahead not in self._coming:
                self._coming[ahead] = self._pool.submit(self._gather, self._own_index(ahead))
        return self._coming.pop(step).result().to(self.device, non_blocking=True)

    def index(self, step: int) -> Tensor:
        """Where in ``images`` the data of a step are, those of all ranks, ``(B,)``."""
        epoch, position = divmod(step, self.per_epoch)
        if self._order is None or self._order[0] != epoch:
            random = np.random.default_rng([self.seed, epoch])
            order = random.permutation(self.size)
            if self.pairs is not None:
                anchors, partners = self._halves()
                order[partners] = self.pairs(order[anchors], random)
            self._order = epoch, self._train[torch.from_numpy(order).to(self._train.device)]
        start = position * self.batch_size
        is_last = position == self.per_epoch - 1
        return self._order[1][start:] if is_last else self._order[1][start : start + self.batch_size]

    def _halves(self) -> tuple[np.ndarray, np.ndarray]:
        """The places in the order of an epoch of the first halves of all batches, and of their second halves."""
        sizes = np.array([self.count(step) for step in range(self.per_epoch)])
        start, half = np.arange(self.per_epoch) * self.batch_size, sizes // 2
        anchors = np.concatenate([np.arange(one, one + size) for one, size in zip(start, half, strict=True)])
        return anchors, anchors + np.repeat(half, half)

    def _own_index(self, step: int) -> Tensor:
        index = self.index(step)
        return index if ranks.size() == 1 else index[ranks.Share(len(index), ranks.rank(), ranks.size()).rows]

    def _gather(self, index: Tensor) -> Tensor:
        batch = self.images.index_select(0, index)
        return batch.pin_memory() if self.device.type == "cuda" else batch


def fits(dataset: Dataset, device: torch.device) -> bool:
    """Whether the data may lie on the device as a whole: there already, or not more than half of its free memory."""
    if device.type == "cuda":
        return dataset.size_in_bytes <= SHARE * torch.cuda.mem_get_info(device)[0]
    needed = dataset.size_in_bytes * ranks.local_size()  # each rank of this machine has its own
    return dataset.digest is None or needed <= SHARE * _free_memory()


def _free_memory() -> int:
    """Bytes that this machine can give: what Linux calls available, or all there is elsewhere."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
