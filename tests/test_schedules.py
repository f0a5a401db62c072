"""A schedule is a function of the step."""

from __future__ import annotations

import pytest

from pyro_bvae.schedules import Constant, LinearWarmup


def test_a_warm_up_is_a_line_and_then_its_end() -> None:
    schedule = LinearWarmup(6.0, steps=3, start=3.0)
    assert [schedule(step) for step in range(5)] == pytest.approx([3, 4, 5, 6, 6])


def test_a_warm_up_of_no_steps_is_a_constant() -> None:
    assert [LinearWarmup(6.0, steps=0)(step) for step in range(3)] == [Constant(6.0)(step) for step in range(3)]
