"""Several processes that take one fit together compute what one process does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ranked
import torch
from torch import Tensor

TERMS = ("loss", "distortion", "rate", "kl_per_latent", "held_out_distortion", "held_out_rate", "beta")


def distance(one: list[Tensor], other: list[Tensor]) -> float:
    return float(sum((a - b).double().square().sum() for a, b in zip(one, other, strict=True)) ** 0.5)


def test_two_ranks_update_as_one_process_does(tmp_path: Path) -> None:
    """Every objective eagerly, and two of them as graphs."""
    check_table(ranked.returned(tmp_path, "table", "fast"))


@pytest.mark.slow
@pytest.mark.parametrize(("way", "tolerance"), [("graph", 1e-5), ("bf16", 1e-2), ("inductor", 1e-5)])
def test_graphs_of_two_ranks_update_as_one_process_does(way: str, tolerance: float, tmp_path: Path) -> None:
    check_table(ranked.returned(tmp_path, "table", way), tolerance)


def check_table(fits: list[dict[str, Any]], tolerance: float = 1e-5) -> None:
    for case in fits[0]["alone"]:
        one, first, second = fits[0]["alone"][case], fits[0]["together"][case], fits[1]["together"][case]
        check_equal(case, one, first, tolerance)
        assert all(map(torch.equal, first["after"], second["after"])), case
        assert first["history"] == second["history"], case


def check_equal(case: Any, one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    """Parameters, buffers and history after a few steps."""
    assert distance(one["after"], other["after"]) <= tolerance * distance(one["after"], one["before"]), case
    for name, buffer in one["buffers"].items():
        torch.testing.assert_close(other["buffers"][name], buffer, rtol=tolerance, atol=1e-7, msg=str(case))
    for line, same in zip(one["history"], other["history"], strict=True):
        for term in TERMS:
            assert same[term] == pytest.approx(line[term], rel=tolerance), (case, term)
        assert same.get("coefficients", {}) == pytest.approx(line.get("coefficients", {}), rel=tolerance), case
