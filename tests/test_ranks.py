"""Several processes that take one fit together compute what one process does."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import ranked
import torch
from pyro_bvae_cli import together
from torch import Tensor

from pyro_bvae import fit, load_run
from pyro_bvae.files import locked
from pyro_bvae.ranks import group
from pyro_bvae.runs import RunFolder
from pyro_bvae.training import devices

TERMS = ("loss", "distortion", "rate", "kl_per_latent", "held_out_distortion", "held_out_rate", "beta")
Ranks = tuple[Path, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Ranks:
    """The folder and the results of two processes, started once for all workers of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "two"
    folder.mkdir(exist_ok=True)
    with locked(folder / "lock", "two ranks", lambda _: None):
        if (folder / "done").exists():
            return folder, [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]
        results = ranked.returned(folder, "everything", ends=(0, -9))
        (folder / "done").touch()
    return folder, results


def distance(one: list[Tensor], other: list[Tensor]) -> float:
    return float(sum((a - b).double().square().sum() for a, b in zip(one, other, strict=True)) ** 0.5)


def check_equal(one: dict[str, Any], other: dict[str, Any], tolerance: float = 1e-5) -> None:
    """Parameters, buffers and history after a few steps."""
    assert distance(one["after"], other["after"]) <= tolerance * distance(one["after"], one["before"])
    for name, buffer in one["buffers"].items():
        torch.testing.assert_close(other["buffers"][name], buffer, rtol=tolerance, atol=1e-7)
    for line, same in zip(one["history"], other["history"], strict=True):
        for term in TERMS:
            expected = None if line[term] is None else pytest.approx(line[term], rel=tolerance)  # no KL of its own
            assert same[term] == expected, term
        assert same.get("coefficients", {}) == pytest.approx(line.get("coefficients", {}), rel=tolerance)


@pytest.mark.parametrize("case", ranked.WAYS["fast"], ids=" ".join)
def test_two_ranks_update_as_one_process_does(case: tuple[str, str], two: Ranks) -> None:
    first, second = two[1]
    check_equal(first["alone"][case], first["together"][case])
    assert all(map(torch.equal, first["together"][case]["after"], second["together"][case]["after"]))
    assert first["together"][case]["history"] == second["together"][case]["history"]


@pytest.mark.slow
@pytest.mark.parametrize(("way", "tolerance"), [("graph", 1e-5), ("inductor", 1e-5), ("bf16", 1e-2)])
def test_graphs_of_two_ranks_update_as_one_process_does(way: str, tolerance: float, tmp_path: Path) -> None:
    first, _ = ranked.returned(tmp_path, "table", way)
    for case in ranked.WAYS[way]:
        check_equal(first["alone"][case], first["together"][case], tolerance)


def test_a_shared_evaluation_has_the_numbers_of_one_process(two: Ranks) -> None:
    alone, *together = two[1][0]["measured alone"], two[1][0]["measured"], two[1][1]["measured"]
    for measured in together:
        for size, expected in alone.items():
            assert measured[size]["terms"] == expected["terms"]
            assert measured[size]["evaluation"] == expected["evaluation"]
            assert torch.equal(measured[size]["codes"].loc, expected["codes"].loc)
            assert torch.equal(measured[size]["codes"].scale, expected["codes"].scale)


def test_ranks_resume_to_the_last_bit(two: Ranks) -> None:
    (whole, parts), (_, of_second) = (results["resumed"] for results in two[1])
    assert all(map(torch.equal, whole["weights"], parts["weights"]))
    assert all(map(torch.equal, whole["weights"], of_second["weights"]))
    for line, same in zip(whole["history"], parts["history"], strict=True):
        clock = {"seconds", "images_per_second"}
        assert {name: line[name] for name in line.keys() - clock} == {name: same[name] for name in same.keys() - clock}
    assert parts["config"]["ranks"] == 2
    assert load_run(two[0] / "parts").step == 6


def test_one_process_goes_on_with_a_run_of_two_ranks(two: Ranks) -> None:
    vae = ranked.small_vae(likelihood="binarized-bernoulli")
    options = {"batch_size": 8, "eval_every": 2, "checkpoint_every": 1, "keep": 2}
    run = fit(vae, ranked.some_images(40), steps=7, out=two[0] / "parts", resume=True, **options)
    assert run.notes == ["it was taken by 2 ranks, and goes on with 1: z is drawn otherwise from here on"]
    assert (run.step, run.config["ranks"]) == (7, 1)


def test_a_nan_of_one_rank_stops_all_and_changes_nothing(two: Ranks) -> None:
    for results in two[1]:
        kind, message, is_known = results["refusals"]["nan"]
        assert (kind, is_known) == ("FloatingPointError", True)
        assert message.startswith("the loss is nan at step 3")
    assert RunFolder(two[0] / "nan").load()["step"] == 2


def test_a_signal_to_one_rank_stops_all_after_the_same_step(two: Ranks) -> None:
    folder, (first, second) = two
    step, number = first["stopped"]
    assert (step, number) == second["stopped"]
    assert number == signal.SIGTERM
    assert RunFolder(folder / "stopped").load()["step"] == step >= 2


@pytest.mark.parametrize(
    ("device", "gpus", "said"),
    [
        ("cuda", 1, "2 ranks on this machine want as many GPUs, and there are 1"),
        ("auto", 1, "2 ranks on this machine want as many GPUs, and there are 1"),
        ("cuda:1", 2, "one GPU a rank; got 'cuda:1'"),
    ],
)
def test_each_rank_takes_a_gpu_of_its_own(device: str, gpus: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.ranks, "size", lambda: 2)
    monkeypatch.setattr(devices.ranks, "local_size", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ValueError, match=said):
        devices.resolve_device(device)


def test_the_command_line_and_the_library_look_for_the_same_variables() -> None:
    assert together.VARIABLES == group.VARIABLES


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("batch norm", "cannot fit encoder.0, a BatchNorm2d, whose statistics would be those of a rank's slice"),
        ("elbo", "several ranks cannot take RenyiELBO, which need not be a sum over images"),
        ("data", "ranks 0 and 1 are to take one fit: their fingerprint is"),
        ("taken", "holds a run: `resume` it"),
        ("one alone", "rank 1 on"),
    ],
)
def test_what_ranks_cannot_do_is_refused_by_all_in_the_same_words(what: str, said: str, two: Ranks) -> None:
    first, second = (results["refusals"][what] for results in two[1])
    assert said in first[1]
    assert first == second
    assert first[2]


def test_a_killed_rank_ends_the_others_within_seconds(two: Ranks) -> None:
    folder, (first, _) = two
    kind, message, _, seconds = first["lost"]
    assert kind == "LostRankError"
    assert message.startswith("rank 0 of 2 has lost another one")
    assert seconds < 30
    assert RunFolder(folder / "lost").load()["step"] in (2, 3)
