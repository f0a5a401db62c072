"""Encoder and decoder as files give what torch gives, for every likelihood and network, and say what they are."""

from __future__ import annotations

import json
import re
import shutil
import sys
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pyro.distributions as dist
import pytest
import torch
from conftest import Cli, some_config
from test_model import FullCovariance
from torch import Tensor, nn

from pyro_bvae import BetaVAE, export, likelihoods
from pyro_bvae.likelihoods import LIKELIHOODS, Standardised
from pyro_bvae.likelihoods.likelihood import Likelihood
from pyro_bvae.networks import NETWORKS
from pyro_bvae.runs.run import Run

SIZES = (1, 7)
TEXTS = ("format", "part", "dataset", "network", "likelihood", "link", "prior", "dtype")
PARAMETERS = {"bernoulli": "logits", "binarized-bernoulli": "logits", "continuous-bernoulli": "logits", "beta": "a b",
              "categorical": "logits"}  # fmt: skip
GREY, COLOUR, VECTOR = (1, 16, 16), (3, 16, 18), (5,)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def run_of(shape: tuple[int, ...] = GREY, latent_dim: int = 3, **options: Any) -> Run:
    """A run of a model with random weights, whose scales are far from where they start."""
    torch.manual_seed(0)
    vae = BetaVAE(shape, latent_dim, **{"hidden": (8,), **options})
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.mul_(1.5)
    if hasattr(vae.likelihood, "variance"):
        vae.likelihood.variance.fill_(0.04)
    return Run(vae, some_config(shape=list(shape), dataset="npz:/home/me/mine.npz", columns=None), [], 12)


def expected(vae: BetaVAE, part: str, given: Tensor) -> dict[str, Tensor]:
    """What torch gives, read off the distributions one by one."""
    vae.eval()
    with torch.no_grad():
        if part == "encoder":
            q = vae.encode(given).base_dist
            return {"loc": q.loc, "scale": q.scale}
        p = vae.decode(given)
        names = PARAMETERS.get(vae.settings["likelihood"], "loc scale").split()
        if isinstance(vae.likelihood, Standardised):
            return {"loc": p.mean, "scale": p.variance.sqrt(), "mean": p.mean}
        return {**{name: getattr(p.base_dist, name) for name in names}, "mean": p.mean}


def inputs(vae: BetaVAE, part: str, size: int) -> Tensor:
    shape = vae.shape if part == "encoder" else (vae.latent_dim,)
    drawn = torch.rand(size, *shape) if len(shape) == 3 else 2 * torch.randn(size, *shape)
    return drawn.to(vae.beta.dtype)


Program = Callable[..., list[Tensor]]


def by_onnxruntime(file: Path) -> tuple[Program, dict[str, Any]]:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    onnx.checker.check_model(onnx.load(file), full_check=True)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()
    texts = session.get_modelmeta().custom_metadata_map
    facts = {name: text if name in TEXTS else json.loads(text) for name, text in texts.items()}
    assert {value.name: value.shape for value in taken} == facts["inputs"]
    assert [given.name for given in session.get_outputs()] == [*facts["outputs"]]
    assert [given.shape for given in session.get_outputs()] == [*facts["outputs"].values()]

    def program(*values: Tensor) -> list[Tensor]:
        given = {one.name: value.numpy() for one, value in zip(taken, values, strict=True)}
        return [torch.from_numpy(array) for array in session.run(None, given)]

    return program, facts


def by_torch(file: Path) -> tuple[Program, dict[str, Any]]:
    files = {"metadata.json": ""}
    with warnings.catch_warnings(action="ignore"):
        program = torch.export.load(file, extra_files=files).module()
    return lambda *values: list(program(*values)), json.loads(files["metadata.json"])


READERS = {"onnx": by_onnxruntime, "pt2": by_torch}


def check_equal(run: Run, ending: str, folder: Path) -> dict[str, Any]:
    """Both files give what torch gives, for batches of two sizes; returns what the decoder says of itself."""
    if ending == "onnx":
        pytest.importorskip("onnxscript")
    files = export(run, folder / f"model.{ending}")
    assert [file.name for file in files] == [f"model-encoder.{ending}", f"model-decoder.{ending}"]
    for part, file in zip(("encoder", "decoder"), files, strict=True):
        program, facts = READERS[ending](file)
        assert facts["part"] == part
        for size in SIZES:
            x = inputs(run.model, part, size)
            wanted = expected(run.model, part, x)
            assert [*facts["outputs"]] == [*wanted]
            for name, value in zip(facts["outputs"], program(x), strict=True):
                assert tuple(value.shape) == (size, *facts["outputs"][name][1:])
                assert value.dtype == wanted[name].dtype
                torch.testing.assert_close(value, wanted[name], **TOLERANCE)
    return facts


def standardised() -> Run:
    run = run_of(VECTOR, likelihood="gaussian-heteroscedastic")
    run.model.likelihood = Standardised(run.model.likelihood, torch.tensor([1.0, -20.0, 300.0, 0.0, 5.0]), 7.0)
    return run


FEW: dict[str, Callable[[], Run]] = {
    "colour, conv": lambda: run_of(COLOUR, network="conv", likelihood="gaussian-optimal", hidden=(8, 8)),
    "standardised vectors": standardised,
}
MANY: dict[str, Callable[[], Run]] = {
    f"{likelihood} {network}": lambda likelihood=likelihood, network=network: run_of(  # type: ignore[misc]
        likelihood=likelihood, network=network, **({"hidden": (8,)} if network == "mlp" else {"hidden": (8, 8)})
    )
    for likelihood, network in product(LIKELIHOODS, NETWORKS)
} | {
    "colour categorical": lambda: run_of(COLOUR, likelihood="categorical", network="conv"),
    "colour heteroscedastic": lambda: run_of(COLOUR, likelihood="gaussian-heteroscedastic"),
    "tanh": lambda: run_of(decoder_activation="tanh"),
    "linear": lambda: run_of(VECTOR, likelihood="gaussian", hidden=()),
    "one latent, mlp": lambda: run_of(latent_dim=1),
    "colour at 128, resnet": lambda: run_of((3, 128, 128), network="resnet", likelihood="gaussian"),
    "one latent, conv": lambda: run_of(network="conv", latent_dim=1),
}  # fmt: skip


@pytest.mark.parametrize(("name", "ending"), list(product(FEW, READERS)))
def test_files_give_what_torch_gives(name: str, ending: str, tmp_path: Path) -> None:
    check_equal(FEW[name](), ending, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ending"), list(product(MANY, READERS)))
def test_files_of_every_likelihood_and_network_give_what_torch_gives(name: str, ending: str, tmp_path: Path) -> None:
    check_equal(MANY[name](), ending, tmp_path)


def test_a_model_in_double_precision_stays_so(tmp_path: Path) -> None:
    run = run_of(VECTOR, likelihood="gaussian")
    run.model.double()
    assert check_equal(run, "pt2", tmp_path)["dtype"] == "float64"


def test_a_model_in_training_is_exported_as_it_evaluates_and_stays_in_training(tmp_path: Path) -> None:
    run = run_of(likelihood="gaussian-optimal", encoder=WithDropout())
    run.model.train()
    check_equal(run, "pt2", tmp_path)
    run.model.train()
    export(run, tmp_path / "again.pt2")
    assert all(module.training for module in run.model.modules())


class WithDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.SiLU())
        self.loc, self.log_variance = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.layers(x)
        return self.loc(h), self.log_variance(h)


class OneOfTwo(WithDropout):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.layers(x)
        return (self.loc(h) if h.mean() > 0 else -self.loc(h)), self.log_variance(h)


class OfOneSize(WithDropout):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.layers(x).reshape(2, 8)
        return self.loc(h), self.log_variance(h)


class OfFew(WithDropout):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(2 * x if len(x) > 4 else x)


class Eigenvalues(WithDropout):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.layers(x)
        return self.loc(torch.linalg.eigvalsh(h.unsqueeze(1) * h.unsqueeze(2))), self.log_variance(h)


class ByNumpy(WithDropout):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().forward(torch.from_numpy(x.numpy() * 2))


class Mixture(Likelihood):
    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        components = dist.Normal(torch.stack([parameters, -parameters], -1), 1.0)
        return dist.MixtureSameFamily(dist.Categorical(torch.ones(2)), components).to_event(3)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "branch": (lambda: {"encoder": OneOfTwo()}, r"the encoder, a OneOfTwo, cannot .*\(data-dependent control flow\)"),
    "one size": (lambda: {"encoder": OfOneSize()}, "the encoder, a OfOneSize, cannot be exported: .*x.shape.0."),
    "few": (lambda: {"encoder": OfFew()}, "the encoder, a OfFew, cannot be exported: it takes batches of some sizes"),
    "numpy": (lambda: {"encoder": ByNumpy()}, "the encoder, a ByNumpy, cannot be exported: "),
    "mixture": (lambda: {"likelihood": Mixture(GREY)}, "it is a MixtureSameFamily, which has no parameters of its own"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_says_why_in_a_line(name: str, tmp_path: Path, capfd: Any) -> None:
    options, reason = REFUSED[name]
    with pytest.raises(ValueError, match=reason) as refused:
        export(run_of(**options()), tmp_path / "model.pt2")
    assert "\n" not in str(refused.value)
    assert [*tmp_path.iterdir()] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_an_operation_that_onnx_does_not_have_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    run = run_of(encoder=Eigenvalues())
    with pytest.raises(ValueError, match=r"the encoder .* ONNX: ONNX has no operation like aten._linalg_eigh: .*pt2$"):
        export(run, tmp_path / "model.onnx")
    export(run, tmp_path / "model.pt2")


def test_a_posterior_of_ones_own_is_exported_with_its_parameters(tmp_path: Path) -> None:
    vae = FullCovariance(GREY, 3, hidden=(8,))
    export(Run(vae, some_config(shape=[*GREY]), [], 0), tmp_path / "model.pt2")
    program, facts = by_torch(tmp_path / "model-encoder.pt2")
    x = torch.rand(7, *GREY)
    q = vae.encode(x)
    assert [*facts["outputs"]] == ["loc", "scale_tril"]
    for value, wanted in zip(program(x), (q.loc, q.scale_tril), strict=True):
        torch.testing.assert_close(value, wanted, **TOLERANCE)


@pytest.mark.parametrize("ending", [pytest.param("onnx", marks=pytest.mark.slow), "pt2"])
def test_a_file_says_what_its_model_is(ending: str, tmp_path: Path) -> None:
    facts = check_equal(run_of(likelihood="laplace", mean_link="sigmoid"), ending, tmp_path)
    wanted = {"format": "pyro-bvae export 1", "dataset": "npz:mine.npz", "step": 12, "beta": 1.0, "shape": [1, 16, 16]}
    wanted |= {"latent_dim": 3, "network": "mlp", "likelihood": "laplace", "link": "sigmoid", "dtype": "float32"}
    wanted |= {"prior": "standard normal", "pixel_range": [0.0, 1.0], "standardised": False, "binarised": False}
    wanted |= {"part": "decoder", "inputs": {"z": ["batch", 3]}}
    assert {name: facts[name] for name in wanted} == wanted
    assert {name: value for name, value in facts.items() if name not in wanted and value is not None} == {
        "outputs": {name: ["batch", 1, 16, 16] for name in ("loc", "scale", "mean")}
    }


@pytest.mark.parametrize("ending", [pytest.param("onnx", marks=pytest.mark.slow), "pt2", "safetensors"])
def test_the_same_model_gives_the_same_bytes_without_places(ending: str, tmp_path: Path, capfd: Any) -> None:
    if ending != "pt2":
        pytest.importorskip("safetensors" if ending == "safetensors" else "onnxscript")
    one, again = (export(run_of(), tmp_path / name / f"model.{ending}") for name in ("one", "again"))
    for file, other in zip(one, again, strict=True):
        content = file.read_bytes()
        assert content == other.read_bytes()
        for told in (b"/home/me", str(tmp_path).encode(), b".py", b"site-packages", b"Traceback"):
            assert told not in content, told
        assert len(content) < 60_000  # the other part is not in it
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["mlp", "standardised vectors", "double"])
def test_safetensors_hold_what_it_takes_to_build_the_model_again(name: str, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    run = standardised() if name == "standardised vectors" else run_of(likelihood="gaussian-learned", scale=0.3)
    if name == "double":
        run.model.double()
    (file,) = export(run, tmp_path / "model.safetensors")
    with safetensors.safe_open(file, "pt") as opened:
        facts = json.loads(opened.metadata()["pyro_bvae"])
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    vae = BetaVAE(**facts["model"])  # as the page has it
    if facts["standardised"]:
        vae.likelihood = likelihoods.Standardised(vae.likelihood, 0.0, 1.0)
    vae.to(getattr(torch, facts["dtype"])).load_state_dict(weights)
    z = inputs(vae, "decoder", 7)
    assert torch.equal(vae.eval().decode(z).mean, run.model.eval().decode(z).mean)
    x = inputs(vae, "encoder", 7)
    assert torch.equal(vae.encode(x).mean, run.model.encode(x).mean)


def test_weights_that_are_shared_are_written_for_each_of_their_names(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    run = run_of()
    run.model.encoder.log_variance.weight = run.model.encoder.loc.weight
    for ending in ("safetensors", "pt2", "zip"):
        assert export(run, tmp_path / f"model.{ending}")


def test_a_missing_package_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for ending, package in (("onnx", "onnxscript"), ("safetensors", "safetensors")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            patch.setitem(sys.modules, f"{package}.torch", None)
            with pytest.raises(OSError, match=rf"needs {package}: pip install 'pyro-bvae\[export\]'"):
                export(run_of(), tmp_path / f"model.{ending}")


def test_a_wrong_ending_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'onx': did you mean 'onnx'"):
        export(run_of(), tmp_path / "model.onx")
    with pytest.raises(ValueError, match="`at` is for a run on disk"):
        export(run_of(), tmp_path / "model.pt2", at=3)


def test_the_command_writes_beside_the_run_or_where_one_says(
    digits_run: Run, here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(str(digits_run.path), "runs/digits")
    result = cli("export", "runs/digits", "--to", "pt2")
    assert result.exit_code == 0, result.output
    assert re.sub(r" \(.*\)", "", result.stdout).split() == ["runs/digits-encoder.pt2", "runs/digits-decoder.pt2"]
    with monkeypatch.context() as patch:
        patch.chdir("runs/digits")
        assert cli("export", ".", "--to", "zip").exit_code == 0
    assert Path("runs/digits.zip").is_file()
    assert cli("export", "runs/digits", "--to", "mine.zip").exit_code == 0
    assert cli("export", "mine.zip", "--to", "zip").exit_code == 0  # onto itself
    result = cli("export", "mine.zip", "--to", "deep/mine.pt2", "--at", 7)
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "leave --at out" in result.stderr
    for wrong in ("mine.onx", "runs", "model"):
        result = cli("export", "mine.zip", "--to", wrong)
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.output
