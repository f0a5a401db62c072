"""Codes and factors as people have them: every score of them is a number, or is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
from codes import grid, mixed
from scored import SCORES

V = grid(3, 4, 5)
Z = mixed(V)
ODD_CODES = {
    "no latent varies": np.ones((60, 3)),
    "one latent": Z[:, :1],
    "one latent varies": np.hstack([Z[:, :1], np.zeros((60, 2))]),
    "latents twice": np.hstack([Z, Z]),
    "dead latents": np.hstack([V, 1e-6 * Z]),
    "a vast range": Z * 10.0 ** np.arange(-12, 12, 6),
    "far from 0": Z + 1e6,
    "single precision": Z.astype(np.float32),
    "booleans": Z > 0,
}


def taken(name: str, z: np.ndarray, v: np.ndarray) -> float | str:
    """The score, or the reason why there is none."""
    try:
        return SCORES[name](z, v)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("code", ODD_CODES)
@pytest.mark.parametrize("name", SCORES)
def test_odd_codes_have_a_score_or_a_reason(name: str, code: str) -> None:
    score = taken(name, ODD_CODES[code], V)
    if isinstance(score, str):
        assert code == "one latent"
        assert "this score is defined from 2 latents on" in score
    else:
        assert -1 <= score <= 1 or (np.isnan(score) and name in ("one-to-one", "info-c"))


@pytest.mark.parametrize("name", sorted({*SCORES} - {"one-to-one", "dci-es-explicitness"}))
def test_codes_that_do_not_vary_score_no_more_than_chance(name: str) -> None:
    score = SCORES[name](ODD_CODES["no latent varies"], V)
    assert np.isnan(score) or score <= (0.55 if name in ("explicitness", "beta-vae-paper") else 0.4)


@pytest.mark.parametrize("name", ["mig", "mig-quantile", "mig-chen", "sap"])
def test_latents_that_are_there_twice_have_no_gap(name: str) -> None:
    assert SCORES[name](ODD_CODES["latents twice"], V) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", SCORES)
def test_half_precision_is_scored_as_the_same_numbers_in_double(name: str) -> None:
    half = Z.astype(np.float16)
    np.testing.assert_equal(SCORES[name](half, V), SCORES[name](half.astype(np.float64), V))


@pytest.mark.parametrize("name", SCORES)
def test_factors_that_are_whole_numbers_may_be_floats(name: str) -> None:
    np.testing.assert_equal(SCORES[name](Z, V.astype(np.float64)), SCORES[name](Z, V))


@pytest.mark.parametrize("name", SCORES)
def test_two_points_have_a_score_or_a_reason(name: str) -> None:
    score = taken(name, np.eye(2), np.array([[0, 0], [1, 1]]))
    if isinstance(score, str):
        assert "\n" not in score
        assert any(words in score for words in ("give more points", "factors that vary", "must leave both parts"))
    else:
        assert -1 <= score <= 1 or np.isnan(score)


@pytest.mark.parametrize("name", sorted({*SCORES} - {"beta-vae-paper"}))  # whose data set checks its factors itself
@pytest.mark.parametrize(
    "factors", [V.astype(str), V + 0.5, np.where(V == 1, np.nan, V), V.astype(object), V.astype(complex)]
)
def test_factors_that_are_no_classes_are_refused(name: str, factors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="factors must be integer classes"):
        SCORES[name](Z, factors)


@pytest.mark.parametrize("name", SCORES)
def test_codes_that_are_no_finite_real_numbers_are_refused(name: str) -> None:
    for codes in (Z.astype(str), Z.astype(complex), Z.astype(object)):
        with pytest.raises(ValueError, match="codes must be real numbers"):
            SCORES[name](codes, V)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="codes must be finite, got 3 values"):
            SCORES[name](np.where(np.arange(60)[:, None] == 7, value, Z[:, :3]), V)
