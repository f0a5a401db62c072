"""A schedule is a function of the step."""

from __future__ import annotations

from math import pi

import pytest

from pyro_bvae.objectives import Capacity
from pyro_bvae.schedules import Constant, Cosine, Cyclic, LinearWarmup


def test_a_warm_up_is_a_line_and_then_its_end() -> None:
    schedule = LinearWarmup(6.0, steps=3, start=3.0)
    assert [schedule(step) for step in range(5)] == pytest.approx([3, 4, 5, 6, 6])


def test_a_warm_up_of_no_steps_is_a_constant() -> None:
    assert [LinearWarmup(6.0, steps=0)(step) for step in range(3)] == [Constant(6.0)(step) for step in range(3)]


def test_a_cosine_starts_and_ends_level_and_is_half_way_in_the_middle() -> None:
    schedule = Cosine(6.0, steps=1000, start=2.0)
    assert [schedule(step) for step in (0, 500, 1000, 2000)] == pytest.approx([2, 4, 6, 6])
    assert schedule(1) - schedule(0) < 1e-4
    assert schedule(1000) - schedule(999) < 1e-4
    assert schedule(501) - schedule(500) == pytest.approx(4 * pi / 2 / 1000, rel=1e-3)
    assert Cosine(6.0, steps=0)(0) == 6.0


def test_a_cycle_rises_stays_and_begins_again() -> None:
    schedule = Cyclic(3.0, steps=6, start=1.0, rise=2 / 3)
    assert [schedule(step) for step in range(7)] == pytest.approx([1, 1.5, 2, 2.5, 3, 3, 1])
    assert [schedule(step + 60) for step in range(6)] == [schedule(step) for step in range(6)]


@pytest.mark.parametrize(("steps", "rise"), [(0, 0.5), (5, 0.0), (5, 1.5)])
def test_a_cycle_that_cannot_be_is_refused(steps: int, rise: float) -> None:
    with pytest.raises(ValueError, match="a cycle takes at least 1 step"):
        Cyclic(1.0, steps, rise=rise)


def test_a_schedule_moves_a_capacity() -> None:
    objective, schedule = Capacity(1000.0), LinearWarmup(25.0, steps=100)
    objective.set(capacity=schedule(20))
    assert objective.capacity.item() == 5.0
