"""Factors that are no full grid: every metric that draws by factor takes them, and it is said how it drew."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Cli

from pyro_bvae.datasets import Dataset, load
from pyro_bvae.metrics import FactorSampler, beta_vae_score, factor_vae_score, irs
from pyro_bvae.metrics.arrays import as_classes
from pyro_bvae.metrics.sampling import columns_of, how_drawn

GRID = np.array([*product(range(3), range(4), range(5))])
PART = GRID[(GRID.sum(1) % 3) > 0]
SETS = {
    "grid": GRID,
    "part": PART,
    "uneven": np.concatenate([GRID, GRID[:7]]),
    "a value of one datum": np.concatenate([PART, [[9, 9, 9]]]),
    "an id beside them": np.column_stack([PART, np.arange(len(PART))]),
    "a constant beside them": np.column_stack([PART, np.zeros(len(PART), int)]),
    "values with gaps": 7 * PART,
}


def exact(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> dict[str, float]:
    few = {"points": 300, "test_points": 200}
    return {
        "beta-vae": beta_vae_score(codes, factors, pairs=32, **few, seed=seed),
        "factor-vae": factor_vae_score(codes, factors, batch=32, **few, seed=seed),
        "irs": irs(codes, factors, seed=seed),
    }


@pytest.mark.parametrize("case", list(SETS))
def test_codes_that_equal_the_factors_score_highest(case: str) -> None:
    factors = SETS[case]
    codes = factors[:, :3].astype(float)
    scores = exact(codes / codes.std(0), factors)
    assert min(scores.values()) > 0.95, scores


@pytest.mark.parametrize("case", list(SETS))
def test_codes_of_noise_score_by_chance(case: str) -> None:
    factors = np.repeat(SETS[case], 20, axis=0)
    codes = np.random.default_rng(0).normal(size=(len(factors), 3))
    scores = exact(codes, factors)
    chance = 1 / len(columns_of(as_classes(factors), []))
    assert scores["factor-vae"] < chance + 0.2
    assert scores["beta-vae"] < chance + 0.2


@pytest.mark.parametrize("case", list(SETS))
def test_what_is_drawn_shares_the_factor_with_another_datum(case: str) -> None:
    factors, random = SETS[case], np.random.default_rng(0)
    sampler = FactorSampler(factors)
    columns = columns_of(sampler.classes.T, [])
    held = columns[random.integers(len(columns), size=(2000, 1))]
    first = sampler.first((2000, 3), held, random)
    second = sampler.sharing(first, held, random)
    values = factors[first, held]
    assert (values == factors[second, held]).all()
    counts = {(f, v): int((factors[:, f] == v).sum()) for f in columns for v in np.unique(factors[:, f])}
    assert min(counts[f, v] for f, row in zip(held[:, 0], values, strict=True) for v in row) > 1


def test_first_draws_are_uniform_among_those_that_share() -> None:
    factors = SETS["a value of one datum"]
    index = FactorSampler(factors).first((40_000,), np.array(0), np.random.default_rng(0))
    shares = np.bincount(index, minlength=len(factors)) / 40_000
    assert shares[-1] == 0
    np.testing.assert_allclose(shares[:-1], 1 / len(PART), atol=0.005)


def test_on_a_grid_no_draw_has_changed() -> None:
    sampler = FactorSampler(GRID)
    one, other = (np.random.default_rng(3) for _ in range(2))
    assert (sampler.first((50, 4), np.array(1), one) == sampler.uniform((50, 4), other)).all()
    assert one.random() == other.random()


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("grid", "a full grid of 3 × 4 × 5: the factors that are not shared are independent and uniform"),
        ("part", r"no full grid \(3 × 4 × 5: 40 of 60 combinations occur\): drawn among the data"),
        ("uneven", "all combinations occur, some more often"),
        ("values with gaps", "40 of 60"),
        ("a constant beside them", "3 × 4 × 5: 40 of 60"),
    ],
)
def test_it_is_said_how_data_are_drawn(case: str, said: str) -> None:
    assert re.search(said, how_drawn(SETS[case]))


def test_a_grid_may_have_every_combination_several_times() -> None:
    assert how_drawn(np.repeat(GRID, 3, axis=0)).startswith("a full grid")


def test_an_npz_says_how_many_values_a_factor_has(tmp_path: Path) -> None:
    images = np.zeros((6, 4, 4), np.uint8)
    images[0] = 9
    factors = np.stack([np.arange(6) % 2, np.arange(6) // 2], axis=1)

    def sizes(**arrays: object) -> tuple[int, ...]:
        np.savez(tmp_path / "a.npz", images=images, factors=factors, **arrays)
        return tuple(load(f"npz:{tmp_path / 'a.npz'}").factor_sizes)

    assert sizes() == (2, 3)
    assert sizes(factor_sizes=[4, 3]) == (4, 3)
    assert sizes(factor_sizes=np.array([[2], [9]], np.uint8)) == (2, 9)
    for bad, message in (
        ([2, 2], r"factor sizes \(2, 2\) are too small for the classes that occur, at least \[2, 3\]"),
        ([2], "1 factor sizes do not fit 2 factors"),
        ([2.5, 3.0], "factor_sizes must be integers"),
        ([-1, 3], "too small"),
    ):
        with pytest.raises(ValueError, match=message):
            sizes(factor_sizes=bad)


def test_sizes_are_checked_in_memory_as_well() -> None:
    with pytest.raises(ValueError, match="are too small"):
        Dataset("a", torch.rand(4, 2), factors=torch.tensor([[0], [1], [2], [2]]), factor_sizes=[2])


def test_combinations_are_counted_alike_in_a_table_and_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    said = [how_drawn(factors) for factors in SETS.values()]
    monkeypatch.setattr("pyro_bvae.metrics.sampling.MOST_COUNTED", 0)
    assert said == [how_drawn(factors) for factors in SETS.values()]


def test_scores_say_how_their_data_were_drawn(cli: Cli, here: Path) -> None:
    images = np.zeros((len(PART), 8, 8), np.uint8)
    images[np.arange(len(PART)), PART[:, 1], PART[:, 2]] = 80 * PART[:, 0] + 90
    np.savez("part.npz", images=images, factors=PART)
    assert cli("fit", "--dataset", "npz:part.npz", "--steps", 2, "--out", "run").exit_code == 0
    metrics = ["--metric", "factor-vae", "--metric", "mig", "--repeats", 1, "--no-figures"]
    printed = cli("score", "run", *metrics).stdout
    assert "factor-vae: no full grid (3 × 4 × 5: 40 of 60 combinations occur): drawn among the data" in printed
    content = json.loads(cli("score", "run", *metrics, "--json").stdout)
    assert content["draws"] == {"factor-vae": how_drawn(PART)}
    assert content["summary"][0]["scores"]["factor-vae"] is not None
    assert content["draws"] == json.loads(Path("run/scores-factor-vae-mig.json").read_text())["draws"]
