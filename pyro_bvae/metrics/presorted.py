"""The literature's boosted trees, on latents that are sorted once, for all classes of a factor together.

These are the trees of scikit-learn's ``GradientBoostingClassifier()``: 100 rounds, a tree of depth 3 a class and round,
fitted to the residuals r = 1[class] − p(class) of the n data in a node, split where the fall in squared residual

    (G_l − n_l G/n)² · n / (n_l n_r),   G = Σ r over the node, l and r its two sides

is largest of all thresholds of all latents. Ties between latents are broken at random, so that copies share what they
are worth. A round sums residuals over bins of about 32 data, for all classes and latents at once; where members and
others of a class in a bin are thought of as sorted apart, their sums bound what a threshold inside it may be worth. All
thresholds are then tried in the most promising bins.

Source: Friedman, Greedy function approximation, https://doi.org/10.1214/aos/1013203451, section 8.1 for importances;
https://scikit-learn.org/stable/modules/ensemble.html#gradient-boosting
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

__all__ = ["PresortedTrees"]

ROUNDS, DEPTH, LEARNING_RATE = 100, 3, 0.1
BIN = 32  # data in a bin
SEARCHED = 64  # bins of all latents in which all thresholds are tried
LEAST_STEP = 1e-7  # between values that a threshold parts, as in scikit-learn
LEAST_CURVATURE = 1e-30  # Σ p (1 − p) of a leaf that takes a step
RESIDUAL, COUNT, GAIN, MEMBERS = range(4)  # what is summed over a bin: r, 1, r of the class's members, their number


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Latents in the order of their values, K·N long, in B bins a latent; a grade is one of a latent's distinct values.

    Attributes:
        order: The data, one latent after the other.
        grades: The grade of each.
        is_inside: Whether a threshold behind it parts two grades of one bin.
        starts: Where each bin starts, ``(K·B,)``; empty ones fill up where latents have fewer.
        ends: Where it ends.
        width: Data in the largest bin of several grades.
        thresholds: For each latent the middle between each grade and the next.
    """

    order: Tensor
    grades: Tensor
    is_inside: Tensor
    starts: Tensor
    ends: Tensor
    width: int
    thresholds: list[np.ndarray]


class PresortedTrees:
    """Boosted trees that predict a class from latents.

    Args:
        z: Latents ``(N, K)``.
        column: The class of each datum ``(N,)``, of at least two classes.
        seed: Seed of the ties.

    Attributes:
        importances: Of each latent, a share of the sum of all; 0 where no tree has a split.
    """

    def __init__(self, z: np.ndarray, column: np.ndarray, seed: int) -> None:
        self.classes, numbers = np.unique(column, return_inverse=True)
        truth = torch.from_numpy(numbers[:, None] == np.arange(len(self.classes))).float()
        shares = truth.mean(0)
        self._is_binary = len(self.classes) == 2  # one tree a round, of the second class
        self._first = (shares[1:] / shares[:1]).log() if self._is_binary else shares.log()
        self._trees: list[tuple[list[tuple[Tensor, Tensor]], Tensor]] = []
        sorted_ = _sorted(z)
        self._thresholds = sorted_.thresholds
        falls = torch.zeros(z.shape[1], dtype=torch.float64, device="cpu")
        generator = torch.Generator("cpu").manual_seed(seed)
        with torch.inference_mode():
            self._fit(sorted_, truth[:, 1:] if self._is_binary else truth, self._grades(z), falls, generator)
        total = float(falls.sum())
        self.importances: np.ndarray = (falls / total if total > 0 else falls).numpy()

    def predict(self, z: np.ndarray) -> np.ndarray:
        """The most probable class of each datum."""
        grades = self._grades(z)
        logits = self._first.repeat(len(z), 1)
        with torch.inference_mode():
            for splits, steps in self._trees:
                node = torch.zeros_like(logits, dtype=torch.int64)
                for latents, cuts in splits:
                    node = _below(node, grades, latents, cuts)
                logits += steps.gather(0, node)
        numbers = (logits[:, 0] > 0).int() if self._is_binary else logits.argmax(1)
        predicted: np.ndarray = self.classes[numbers.numpy()]
        return predicted

    def score(self, z: np.ndarray, column: np.ndarray) -> float:
        """The share of data whose class is predicted."""
        return float((self.predict(z) == column).mean())

    def _grades(self, z: np.ndarray) -> Tensor:
        columns = zip(self._thresholds, z.T, strict=True)
        return torch.from_numpy(np.stack([np.searchsorted(cuts, values) for cuts, values in columns], axis=1))

    def _fit(self, sorted_: _Sorted, truth: Tensor, grades: Tensor, falls: Tensor, generator: torch.Generator) -> None:
        """Grow all rounds, and add the falls of their splits to those of the latents."""
        logits = self._first.repeat(len(truth), 1)
        damping = 1.0 if self._is_binary else 1 - 1 / len(self.classes)
        for _ in range(ROUNDS):
            residual = truth - (logits.sigmoid() if self._is_binary else logits.softmax(1))
            splits, node = _grow(sorted_, residual, truth, grades, falls, generator)
            top, bottom = (
                values.new_zeros(2**DEPTH, truth.shape[1]).scatter_add_(0, node, values)
                for values in (residual, residual.abs() * (1 - residual.abs()))
            )
            steps = torch.where(bottom > LEAST_CURVATURE, LEARNING_RATE * damping * top / bottom, 0)
            logits += steps.gather(0, node)
            self._trees.append((splits, steps))


def _sorted(z: np.ndarray) -> _Sorted:
    size, width = z.shape
    order = z.argsort(0, kind="stable")
    values = np.take_along_axis(z, order, axis=0).astype(np.float64)
    is_step = np.diff(values, axis=0) > LEAST_STEP  # (N − 1, K)
    firsts = [np.flatnonzero(np.append(True, is_step[:, k])) for k in range(width)]  # of each grade
    starts = [first[_opens_bin(first, size)] for first in firsts]
    most = max(map(len, starts))
    begin = np.stack([k * size + np.pad(start, (0, most - len(start)), constant_values=size)
                      for k, start in enumerate(starts)])  # fmt: skip
    end = np.hstack([begin[:, 1:], size * np.arange(1, width + 1)[:, None]])
    is_inside = np.pad(is_step, ((0, 1), (0, 0))).T.ravel()
    last = end[end > begin] - 1
    is_inside[last] = False
    several = np.add.reduceat(is_inside, begin[end > begin]) > 0
    return _Sorted(
        torch.from_numpy(order.T.ravel()),
        torch.from_numpy(np.pad(is_step, ((1, 0), (0, 0))).cumsum(0).T.ravel()),
        torch.from_numpy(is_inside),
        torch.from_numpy(begin.ravel()),
        torch.from_numpy(end.ravel()),
        int((end - begin)[end > begin][several].max(initial=0)),
        [(values[1:, k] + values[:-1, k])[is_step[:, k]] / 2 for k in range(width)],
    )


def _opens_bin(first: np.ndarray, size: int) -> np.ndarray:
    """Which grades open a bin: the first in each ``BIN`` data, those of as many data, and those behind such ones."""
    is_large = np.diff(first, append=size) >= BIN
    opens = is_large | np.append(True, is_large[:-1])
    opens[1:] |= first[1:] // BIN != first[:-1] // BIN
    return opens


def _grow(
    sorted_: _Sorted, residual: Tensor, truth: Tensor, grades: Tensor, falls: Tensor, generator: torch.Generator
) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """A tree a class.

    Returns:
        For each depth the latents and cuts of its nodes, ``(nodes, C)``: a grade above the cut goes right. And the leaf
        of each datum in each tree, ``(N, C)``.
    """
    node = torch.zeros_like(residual, dtype=torch.int64)
    summed = torch.stack([residual, torch.ones_like(residual), residual * truth, truth], 1)  # (N, 4, C)
    sums = _bin_sums(sorted_, summed, grades.shape[1])  # (K, B, 4, 1, C)
    splits = []
    for depth in range(DEPTH):
        if depth:
            in_left = torch.stack([node == left for left in range(0, 2**depth, 2)], 1)  # (N, nodes above, C)
            left = _bin_sums(sorted_, summed[:, :, None] * in_left[:, None], grades.shape[1])
            sums = torch.stack([left, sums - left], 4).flatten(3, 4)
        latents, cuts, fall = _best_splits(sorted_, sums, residual, node, generator)
        falls.index_add_(0, latents.flatten(), fall.flatten().double())
        splits.append((latents, cuts))
        node = _below(node, grades, latents, cuts)
    return splits, node


def _below(node: Tensor, grades: Tensor, latents: Tensor, cuts: Tensor) -> Tensor:
    """The node that each datum goes to from the one it is in, ``(N, C)``."""
    return 2 * node + (grades.gather(1, latents.gather(0, node)) > cuts.gather(0, node))


def _bin_sums(sorted_: _Sorted, rows: Tensor, latents: int) -> Tensor:
    sums = embedding_bag(sorted_.order, rows.flatten(1), sorted_.starts, mode="sum")
    return sums.view(latents, -1, *(rows.shape[1:] if rows.dim() == 4 else (rows.shape[1], 1, rows.shape[2])))


def _best_splits(
    sorted_: _Sorted, sums: Tensor, residual: Tensor, node: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Latent, cut and fall of the best split of each node of each tree, ``(nodes, C)``; of none, all go left.

    Args:
        sorted_: The latents.
        sums: Over bins, ``(K, B, 4, nodes, C)``.
        residual: ``(N, C)``.
        node: The node of each datum, ``(N, C)``.
        generator: Where ties are drawn from.
    """
    shape, bins = sums.shape[3:], sums.shape[1]
    sums = sums.flatten(3)  # (K, B, 4, P), with P the nodes of all trees
    up_to = sums[:, :, :2].cumsum(1)
    total, size = up_to[0, -1]
    before = up_to - sums[:, :, :2]
    of_ends = _fall(up_to[:, :, 0], up_to[:, :, 1], total, size)
    members = before[:, :, 0] + sums[:, :, GAIN], before[:, :, 1] + sums[:, :, MEMBERS]
    others = up_to[:, :, 0] - sums[:, :, GAIN], up_to[:, :, 1] - sums[:, :, MEMBERS]
    bound = torch.maximum(_fall(*members, total, size), _fall(*others, total, size)).flatten(0, 1)
    searched = bound.topk(min(SEARCHED, len(bound)), dim=0).indices.T  # (P, S)
    fall, place = of_ends.max(1)  # (K, P)
    ends = sorted_.ends.view(-1, bins, 1).expand(-1, -1, fall.shape[1]).gather(1, place[:, None])[:, 0]
    cuts = sorted_.grades[ends - 1]
    latents = torch.arange(len(sums), device=fall.device)[:, None].expand_as(fall)
    if sorted_.width:
        falls, place = _inside(sorted_, searched, before.flatten(0, 1), (total, size), residual, node)
        fall = torch.cat([fall, falls.T])
        cuts = torch.cat([cuts, sorted_.grades[place].T])
        latents = torch.cat([latents, (searched // bins).T])
    best = fall.max(0).values
    draw = torch.rand(len(sums), len(best), generator=generator, device=fall.device).gather(0, latents)
    chosen = torch.where(fall == best, draw, -1).argmax(0, keepdim=True)
    latent, cut = (values.gather(0, chosen)[0] for values in (latents, cuts))
    return latent.view(shape), torch.where(best > 0, cut, len(node)).view(shape), best.view(shape)


def _inside(
    sorted_: _Sorted, searched: Tensor, before: Tensor, whole: tuple[Tensor, Tensor], residual: Tensor, node: Tensor
) -> tuple[Tensor, Tensor]:
    """The best threshold inside each of the bins that are searched, ``(P, S)``: its fall, and the place before it."""
    columns = torch.arange(len(searched), device=node.device)[:, None, None]
    number, tree = columns // node.shape[1], columns % node.shape[1]
    place = sorted_.starts[searched][..., None] + torch.arange(sorted_.width, device=node.device)  # (P, S, width)
    is_in_bin = place < sorted_.ends[searched][..., None]
    place = torch.where(is_in_bin, place, 0)
    flat = sorted_.order[place] * node.shape[1] + tree
    is_in_node = is_in_bin & (node.view(-1)[flat] == number)
    first, second = (values.T.gather(1, searched)[..., None] for values in before.unbind(1))
    sums = first + (residual.reshape(-1)[flat] * is_in_node).cumsum(-1)
    counts = second + is_in_node.cumsum(-1)
    falls = _fall(sums, counts, *(values[:, None, None] for values in whole))
    best, at = torch.where(is_in_bin & sorted_.is_inside[place], falls, 0).max(-1)
    return best, place.gather(-1, at[..., None])[..., 0]


def _fall(sums: Tensor, counts: Tensor, total: Tensor, size: Tensor) -> Tensor:
    """The fall in squared residual where a part of a node, of those sums and counts, is parted from the rest."""
    both = counts * (size - counts)
    return ((sums - counts * (total / size)).square() * size / both).masked_fill_(both <= 0, 0)
