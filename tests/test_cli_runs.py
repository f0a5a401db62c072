"""The commands that read a run, and write what they find."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Cli
from PIL import Image

from pyro_bvae import datasets, evaluate, load_run
from pyro_bvae.codes import encode
from pyro_bvae.datasets import entropy
from pyro_bvae.runs.run import Run


def test_traverse_writes_a_picture_an_animation_and_the_numbers(cli: Cli, digits_run: Run, here: Path) -> None:
    result = cli("traverse", digits_run.path, "--range", -3, 3, "--columns", 7, "--count", 2, "--out", "t")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == ["t.png", "t.gif", "t.npz"]
    with np.load("t.npz") as arrays:
        assert set(arrays) == {
            *("codes", "images", "latents", "values", "kl", "start", "reconstructions", "x", "index")
        }
        assert arrays["codes"].shape == (2, 10, 7, 10)
        assert arrays["images"].shape == (2, 10, 7, 1, 28, 28)
        assert arrays["values"][[0, -1]].tolist() == [-3, 3]
        assert (np.diff(arrays["kl"]) <= 0).all()
    with Image.open("t.gif") as gif:
        assert gif.n_frames == 12


@pytest.mark.parametrize("base", ["image", "random-image", "prior", "random-z"])
def test_traverse_from_every_base_and_an_earlier_step(base: str, cli: Cli, digits_run: Run, here: Path) -> None:
    options = ["--base", base, "--columns", 3, "--latents", "z4,1", "--at", 13, "--sample", "--out", here / "t"]
    result = cli("traverse", digits_run.path, *options)
    assert result.exit_code == 0, result.stderr
    with np.load("t.npz") as arrays:
        assert arrays["latents"].tolist() == [4, 1]
        assert set(np.unique(arrays["images"])) == {0.0, 1.0}


def test_reconstruct_sample_and_encode_write_their_arrays(cli: Cli, digits_run: Run, here: Path) -> None:
    path, data = digits_run.path, digits_run.dataset()
    for arguments in (["reconstruct", path, "--count", 30], ["sample", path, "--count", 64], ["encode", path]):
        result = cli(*arguments, "--out", here / arguments[0])
        assert result.exit_code == 0, result.stderr
    with np.load("reconstruct.npz") as arrays:
        assert np.array_equal(arrays["originals"], data.images[data.held_out[:30]].numpy())
        assert arrays["images"].shape == (30, 1, 28, 28)
    with np.load("sample.npz") as arrays:
        assert (arrays["codes"].shape, arrays["images"].shape) == ((64, 10), (64, 1, 28, 28))
    with np.load("encode.npz") as arrays:
        assert np.array_equal(arrays["labels"], data.labels.numpy())
        assert np.array_equal(arrays["loc"], encode(digits_run.model, data.images).loc.numpy())
        assert np.array_equal(np.flatnonzero(arrays["held_out"]), data.held_out.numpy())


def test_reconstruct_and_sample_can_draw(cli: Cli, digits_run: Run, here: Path) -> None:
    for command in ("reconstruct", "sample"):
        assert cli(command, digits_run.path, "--sample", "--out", here / command).exit_code == 0
        with np.load(f"{command}.npz") as arrays:
            assert set(np.unique(arrays["images"])) == {0.0, 1.0}


def test_evaluate_reports_what_the_library_does(cli: Cli, digits_run: Run) -> None:
    result = json.loads(cli("evaluate", digits_run.path, "--json").stdout)
    data = digits_run.dataset()
    expected = evaluate(digits_run.model, data.images[data.held_out])
    assert result["diagnosis"]["name"] == "still falling"
    keys = {"elbo", "distortion", "rate", "kl_per_latent", "active_units", "mse", "beta", "beta_norm"}
    assert keys <= result.keys()
    assert all(result[key] == pytest.approx(getattr(expected, key)) for key in keys)
    assert result["elbo"] == pytest.approx(-(result["distortion"] + result["rate"]))
    assert digits_run.history[-1]["held_out_elbo"] == pytest.approx(result["elbo"])
    text = cli("evaluate", digits_run.path, "--split", "train").stdout
    assert "1,618 train data of digits" in text


def test_evaluate_takes_the_rate_apart(cli: Cli, digits_run: Run) -> None:
    options = ["evaluate", digits_run.path, "--split", "train", "--exact", "--exact-images", 300]
    found = json.loads(cli(*options, "--json").stdout)["information"]
    parts = found["mutual_information"] + found["total_correlation"] + found["dimension_wise_kl"]
    assert parts == pytest.approx(found["rate"], abs=1e-4)
    assert (found["images"], found["most"]) == (300, pytest.approx(5.7038, abs=1e-3))
    text = cli(*options).stdout
    assert "exact over 300 data" in text
    assert "I_rep ≤ rate" in text


def test_evaluate_suggests_a_capacity(cli: Cli, digits_run: Run, here: Path) -> None:
    found = json.loads(cli("evaluate", digits_run.path, "--suggest-capacity", "--json").stdout)
    suggested = found["suggested_capacity"]
    assert found["rate"] - 0.1 < suggested["capacity"] < found["rate"] + 1
    assert (suggested["steps"], suggested["is_lower_estimate"]) == (26 // 3, True)
    objective = f"capacity:gamma=1000,capacity=linear:{suggested['capacity']:g}:8"
    words = ["fit", "--objective", objective, "--beta", "1", "--config", f"{digits_run.path}/config.json"]
    assert suggested["command"] == shlex.join(["pyro-bvae", *words])
    assert cli(*words, "--steps", 2, "--out", "suggested").exit_code == 0
    text = cli("evaluate", digits_run.path, "--suggest-capacity").stdout
    assert suggested["command"] in text
    assert "may be a lower estimate: what was minimised holds the KL down; a run at β ≤ 1 is wanted" in text
    assert "suggested_capacity" not in json.loads(cli("evaluate", digits_run.path, "--json").stdout)


def test_a_collapsed_run_suggests_no_capacity(cli: Cli, here: Path) -> None:
    cli("fit", "--steps", 30, "--beta", 1000, "--out", "run")
    assert cli("evaluate", "run").stdout.splitlines()[-1].startswith("posterior collapse: no latent pays above")
    result = cli("evaluate", "run", "--suggest-capacity")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no latent of this run is active: fit one at β ≤ 1, or for longer" in result.stderr


def test_info_and_datasets_print_one_object_or_a_table(cli: Cli, digits_run: Run, made_mnist: Path) -> None:
    info = json.loads(cli("info", digits_run.path, "--json").stdout)
    assert (info["config"]["beta"], info["last"]["step"], info["checkpoints"]) == (2.0, 26, [13, 26])
    text = cli("info", digits_run.path).stdout
    assert text.startswith("reached           step 26, epoch 2")
    assert "None" not in text
    rows = json.loads(cli("datasets", "--json", "--data-root", made_mnist).stdout)["datasets"]
    assert {row["name"]: row["on_disk"] for row in rows}["mnist"]
    assert "folder:PATH" in cli("datasets").stdout


def test_generated_and_reconstructed_vectors_are_written_as_csv(cli: Cli, here: Path) -> None:
    typed = ["--recipe", "gaussian", "--points", 2000, "--steps", 5, "--figures", "--out", "run"]
    assert cli("fit", *typed).exit_code == 0
    assert cli("sample", "run", "--count", 300, "--out", "generated.csv").exit_code == 0
    assert cli("reconstruct", "run", "--sample", "--count", 150, "--out", "again.csv").exit_code == 0
    for name, size in (("generated", 300), ("again", 150)):
        assert Path(f"{name}.csv").read_text().splitlines()[0] == ",".join(f"x{i}" for i in range(10))
        assert datasets.load(f"csv:{name}.csv").images.shape == (size, 10)
        assert Path(f"{name}.png").is_file()
    assert {file.stem for file in Path("run/figures").iterdir()} >= {"covariances", "latents", "samples"}
    exact = json.loads(cli("evaluate", "run", "--json").stdout)
    assert exact["exact_log_likelihood"] > exact["elbo"]
    assert exact["least_information"] == -exact["exact_log_likelihood"] - exact["distortion"]
    assert exact["entropy"] == entropy(load_run("run").dataset().covariance)
    lines = cli("evaluate", "run").stdout.splitlines()
    (said,) = (line for line in lines if line.startswith("I_rep ≥ H − D"))
    assert said.endswith("H over these data: it says nothing")  # five steps are few


def test_images_are_not_written_as_csv(cli: Cli, digits_run: Run, here: Path) -> None:
    result = cli("sample", digits_run.path, "--count", 3, "--out", "a.csv")
    assert (result.exit_code, "a csv holds vectors, and these are images" in result.stderr) == (2, True)


def test_vectors_go_through_every_command(cli: Cli, here: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    np.save("v.npy", torch.randn(200, 5, generator=generator).numpy())
    options = ["--dataset", "npy:v.npy", "--likelihood", "gaussian", "--hidden", "8", "--latent-dim", 2, "--steps", 9]
    fitted = cli("fit", *options, "--out", "run")
    assert fitted.exit_code == 0, fitted.stderr
    assert "vectors of 5" in fitted.stdout
    for command in ("traverse", "reconstruct", "sample", "encode", "evaluate", "info"):
        result = cli(command, "run")
        assert result.exit_code == 0, result.stderr
