"""Programs of one's own as files: encoder and decoder give what the programs give, whatever their sites."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import some_config
from several import PROGRAMS as ODD
from several import SHAPE
from sited import PROGRAMS as SITED
from test_exports import READERS, SIZES, TOLERANCE
from test_programs import MADE
from torch import Tensor

from pyro_bvae import BetaVAE, export
from pyro_bvae.codes import latents, posterior
from pyro_bvae.datasets import Dataset
from pyro_bvae.exports.inputs import conditions_of
from pyro_bvae.exports.parts import parameters_of
from pyro_bvae.generation import images_under
from pyro_bvae.runs.run import Run
from pyro_bvae.terms import evaluation_mode


class OwnGuide(BetaVAE):
    def guide(self, x: Tensor) -> Tensor:
        return super().guide(1 - x)


class OfItsLength(BetaVAE):
    def guide(self, x: Tensor) -> Tensor:
        return super().guide(x + torch.zeros(len(x), 1, 1, 1))


PROGRAMS: dict[str, Callable[[], BetaVAE]] = {
    **MADE,
    **{f"odd {name}": kind for name, kind in ODD.items()},
    **{f"sited {name}": kind for name, kind in SITED.items()},
    "a guide alone": lambda: OwnGuide(SHAPE, 2, hidden=(5,)),
}
BESIDE: dict[str, dict[str, Tensor]] = {  # what the data of these have beside images
    "conditional": {"c": torch.randn(9, 2), "labels": torch.arange(9) % 3 - 1},
    "semi-supervised": {"labels": torch.arange(9) % 3 - 1},
    "odd semi-supervised": {"y": torch.arange(9) % 3 - 1},
    "odd conditional": {"c": torch.randn(9, 2)},
    "sited classes": {"labels": torch.arange(9) % 3 - 1},
    "sited condition": {"c": torch.randn(9)},
}
INPUTS = {
    "conditional": (["x", "labels", "c"], ["z", "labels", "c"]),
    "semi-supervised": (["x"], ["y", "z"]),
    "joint": (["x"], ["z", "y"]),
    "hierarchical": (["x"], ["z1"]),  # z2 is above it
    "odd odd": (["x"], ["w", "m", "coin", "coins"]),
    "odd conditional": (["x", "c"], ["z", "c"]),
    "sited classes": (["x"], ["y", "z"]),
    "a guide alone": (["x"], ["z"]),
}


def run_of(name: str) -> Run:
    torch.manual_seed(0)
    vae = PROGRAMS[name]()
    run = Run(vae, some_config(shape=list(vae.shape)), [], 12)
    run._dataset = Dataset("mine", torch.rand(9, *vae.shape), extra=BESIDE.get(name, {}))
    return run


def check(run: Run, ending: str, folder: Path) -> tuple[list[str], ...]:
    """Both files give what the programs give, for batches of two sizes; returns the names of their inputs."""
    vae, kept = run.model, conditions_of(run)
    readers = [READERS[ending](file) for file in export(run, folder / f"model.{ending}")]
    (encoder, of_encoder), (decoder, of_decoder) = readers
    for size in SIZES:
        given = {name: torch.cat([value, value.flip(0)] * 4)[:size] for name, value in kept.items()}
        x = torch.rand(size, *vae.shape)
        with evaluation_mode(vae, seed=0):
            of_sites = {site: parameters_of(posterior(vae, x, site, **given)) for site in latents(vae, **_one(given))}
        wanted = {f"{site}.{name}": value for site, some in of_sites.items() for name, value in some.items()}
        if len(of_sites) == 1:
            wanted = {name.partition(".")[2]: value for name, value in wanted.items()}
        assert {*of_encoder["outputs"]} == {*wanted}
        for name, value in zip(of_encoder["outputs"], encoder(x, *given.values()), strict=True):
            torch.testing.assert_close(value, wanted[name], **TOLERANCE)
        shapes = {name: shape[1:] for name, shape in of_decoder["inputs"].items() if name not in given}
        held = {name: _value(vae, name, (size, *shape), given) for name, shape in shapes.items()}
        outputs = dict(zip(of_decoder["outputs"], decoder(*held.values(), *given.values()), strict=True))
        images = images_under(vae, size, {**held, **given})
        torch.testing.assert_close(outputs["mean"], images, **TOLERANCE)
    return [*of_encoder["inputs"]], [*of_decoder["inputs"]]


def _one(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value[:1] for name, value in given.items()}


def _value(vae: BetaVAE, site: str, shape: Any, given: dict[str, Tensor]) -> Tensor:
    """A value of a site in the form in which it draws."""
    if site in (known := latents(vae, **_one(given))):
        return known[site].expand(shape[:1]).sample().reshape(shape)
    return torch.randn(shape)


def few(*names: str) -> list[Any]:
    """All programs, of which those that are not named are slow."""
    return [pytest.param(name, marks=() if name in names else pytest.mark.slow) for name in PROGRAMS]


@pytest.mark.parametrize("name", few("semi-supervised", "hierarchical", "conditional", "odd odd", "a guide alone"))
def test_files_of_programs_give_what_the_programs_give(name: str, tmp_path: Path) -> None:
    names = check(run_of(name), "pt2", tmp_path)
    assert names == INPUTS.get(name, names)


@pytest.mark.parametrize("name", few("semi-supervised"))
def test_onnx_files_of_programs_give_what_the_programs_give(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    check(run_of(name), "onnx", tmp_path)


def test_nothing_is_drawn_in_a_file(tmp_path: Path) -> None:
    for file in export(run_of("semi-supervised"), tmp_path / "model.pt2"):
        operations = {str(node.target) for node in torch.export.load(file).graph.nodes}
        assert not [name for name in operations if "rand" in name or "multinomial" in name or "normal" in name]


def test_weights_of_the_other_part_are_left_out(tmp_path: Path) -> None:
    encoder, decoder = (torch.export.load(file).state_dict for file in export(run_of("joint"), tmp_path / "model.pt2"))
    assert not [name for name in encoder if ".decoder." in name]
    assert not [name for name in decoder if ".encoder." in name]


def test_a_program_that_asks_for_a_length_is_refused(tmp_path: Path) -> None:
    run = Run(OfItsLength(SHAPE, 2, hidden=(5,)), some_config(shape=[*SHAPE]), [], 12)
    with pytest.raises(ValueError, match=r"the encoder, read off the guide of OfItsLength, .* in place of len\(x\)"):
        export(run, tmp_path / "model.pt2")


def test_conditions_want_the_data_of_the_run(tmp_path: Path) -> None:
    run = run_of("odd conditional")
    run._dataset = None
    with pytest.raises(ValueError, match="what c of the programs are is in the run's data: ") as refused:
        export(run, tmp_path / "model.pt2")
    assert "\n" not in str(refused.value)
    assert [*tmp_path.iterdir()] == []
