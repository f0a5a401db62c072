"""The caller's generator is the caller's."""

from __future__ import annotations

import contextlib

import torch

from pyro_bvae.compiled.randomness import generator_state, own_generator, set_generator_state

CPU = torch.device("cpu")


def test_draws_inside_depend_on_the_seed_alone() -> None:
    drawn = []
    for _ in range(2):
        torch.rand(3)
        with own_generator(7, CPU):
            drawn.append(torch.rand(4))
    torch.manual_seed(7)
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], torch.rand(4))


def test_draws_outside_go_on_as_if_nothing_had_been_drawn() -> None:
    torch.manual_seed(1)
    expected = torch.rand(6)
    torch.manual_seed(1)
    first = torch.rand(3)
    with contextlib.suppress(KeyError), own_generator(7, CPU):
        torch.rand(100)
        raise KeyError
    assert torch.equal(torch.cat([first, torch.rand(3)]), expected)


def test_a_state_is_put_back() -> None:
    state = generator_state(CPU)
    one = torch.randn(20)
    set_generator_state(state, CPU)
    assert torch.equal(torch.randn(20), one)
