"""Each step sees the same data whether they are resident or streamed."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from conftest import new_vae, same_parameters, without_timings

from pyro_bvae import fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.training import minibatches
from pyro_bvae.training.minibatches import Minibatches, fits

CPU = torch.device("cpu")


@pytest.mark.parametrize("steps", [range(12), [0, 1, 7, 3, 3, 11, 0]])
def test_streamed_batches_equal_resident_ones(steps: list[int], images: Dataset) -> None:
    resident, streamed = (Minibatches(images, 16, 3, CPU, resident=there) for there in (True, False))
    for step in steps:
        assert torch.equal(resident.batch(step)[0], streamed.batch(step)[0])


def test_a_fit_does_not_depend_on_where_the_data_are(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    here = fit(new_vae(), images, epochs=3, batch_size=16)
    monkeypatch.setattr(minibatches, "fits", lambda *_: False)
    streamed = fit(new_vae(), images, epochs=3, batch_size=16)
    assert same_parameters(here.model, streamed.model)
    assert without_timings(here.history) == without_timings(streamed.history)


def test_an_epoch_holds_each_training_datum_once(images: Dataset) -> None:
    batches = Minibatches(images, 16, 0, CPU)
    for epoch in range(2):
        seen = torch.cat([batches.index(epoch * batches.per_epoch + step) for step in range(batches.per_epoch)])
        assert torch.equal(seen.sort().values, images.train)


def test_what_is_mapped_is_streamed_when_it_is_more_than_half_of_the_free_memory(
    images: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped = dataclasses.replace(images, digest="0")
    for free, there in ((2 * images.size_in_bytes, True), (2 * images.size_in_bytes - 1, False)):
        monkeypatch.setattr(minibatches, "_free_memory", lambda free=free: free)
        assert fits(mapped, CPU) == there
        assert fits(images, CPU)  # it is in memory already


def test_free_memory_is_a_plausible_number() -> None:
    assert 2**26 < minibatches._free_memory() < 2**46
