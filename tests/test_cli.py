"""Every command, through the command line."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REAL_DATA, Cli
from PIL import Image
from pyro_bvae_cli import main

from pyro_bvae import BetaVAE, datasets, evaluate, load_run
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset, entropy
from pyro_bvae.runs import Run

COMMANDS = list(main.commands)


def test_fit_says_what_it_does_and_leaves_a_run_with_figures(cli: Cli, here: Path) -> None:
    result = cli("fit", "--beta", 6, "--steps", 20, "--latent-dim", 4)
    assert result.exit_code == 0, result.stderr
    assert "digits: 1,618 training and 179 held-out images of 1×28×28" in result.stdout.splitlines()[0]
    assert "β 6 (β_norm = βK/M = 0.0306)" in result.stdout
    assert "held out, nats an image at β 1: ELBO" in result.stdout
    run = load_run("runs/digits-beta6-seed0")
    assert (run.step, run.config["beta"], run.config["latent_dim"]) == (20, 6.0, 4)
    figures = {path.name for path in (run.path / "figures").iterdir()}
    assert figures == {"traversal.png", "reconstructions.png", "samples.png", "curves.png"}


def test_fit_is_the_same_as_fitting_from_python(cli: Cli, here: Path, digits: Dataset) -> None:
    cli("fit", "--steps", 15, "--seed", 3, "--out", "a")
    torch.manual_seed(3)
    from pyro_bvae import fit

    run = fit(BetaVAE(digits.shape), digits, steps=15, seed=3)
    assert load_run("a").history[-1]["loss"] == run.history[-1]["loss"]


def test_the_same_command_gives_the_same_numbers(cli: Cli, here: Path) -> None:
    results = [json.loads(cli("fit", "--steps", 9, "--out", name, "--json").stdout) for name in "ab"]
    for result in results:
        for name in ("run", "seconds", "images_per_second"):
            del result[name]
    assert results[0] == results[1]


def test_beta_norm_sets_beta(cli: Cli, here: Path) -> None:
    result = json.loads(cli("fit", "--steps", 1, "--beta-norm", 0.05, "--json", "--out", "a").stdout)
    assert result["beta"] == pytest.approx(0.05 * 784 / 10)
    assert result["beta_norm"] == pytest.approx(0.05)


def test_every_option_reaches_the_run(cli: Cli, here: Path) -> None:
    given = {
        "image_size": 16, "network": "conv", "hidden": [32, 16], "latent_dim": 3, "likelihood": "gaussian",
        "scale": 0.5, "mean_link": "identity", "beta": 0.5, "optimizer": "adam", "lr": 0.002, "lr_warmup": 4,
        "batch_size": 64, "steps": 6, "seed": 2, "device": "cpu", "eval_every": 3, "checkpoint_every": 2, "keep": "all",
    }  # fmt: skip
    typed = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    typed[typed.index([32, 16])] = "32,16"
    result = cli("fit", *typed, "--out", "a")
    assert result.exit_code == 0, result.stderr
    run = load_run("a")
    assert {name: run.config[name] for name in given} == given
    assert [record["step"] for record in run.history] == [3, 6]
    assert len(list(Path("a/checkpoints").iterdir())) == 3


def test_config_repeats_a_run(cli: Cli, here: Path) -> None:
    cli("fit", "--steps", 7, "--likelihood", "gaussian-learned", "--hidden", "none", "--beta", 2, "--out", "a")
    result = cli("fit", "--config", "a/config.json", "--out", "b")
    assert result.exit_code == 0, result.stderr
    one, other = load_run("a"), load_run("b")
    assert one.history[-1]["loss"] == other.history[-1]["loss"]
    changed = cli("fit", "--config", "a/config.json", "--epochs", 1, "--beta", 3, "--out", "c")
    assert changed.exit_code == 0, changed.stderr
    assert (load_run("c").config["beta"], load_run("c").step) == (3.0, 13)


def test_a_config_gives_way_to_what_is_typed(cli: Cli, here: Path) -> None:
    cli("fit", "--steps", 2, "--likelihood", "gaussian", "--scale", 0.5, "--hidden", "16,8", "--out", "a")
    result = cli("fit", "--config", "a/config.json", "--likelihood", "bernoulli", "--network", "conv", "--out", "b")
    assert result.exit_code == 0, result.stderr
    config = load_run("b").config
    assert (config["likelihood"], config["scale"], config["hidden"]) == ("bernoulli", None, [256, 256])


def test_resume_goes_on_and_a_finished_run_exits_zero(cli: Cli, here: Path) -> None:
    cli("fit", "--beta", 3, "--steps", 14, "--out", "whole")
    cli("fit", "--beta", 3, "--steps", 9, "--out", "parts")
    resumed = cli("fit", "--resume", "--out", "parts", "--steps", 14)
    assert resumed.exit_code == 0, resumed.stderr
    assert load_run("parts").history[-1]["loss"] == load_run("whole").history[-1]["loss"]
    assert load_run("parts").config["steps"] == 14
    for again in (cli("fit", "--resume", "--out", "parts"), cli("fit", "--resume", "--out", "parts", "--epochs", 1)):
        assert again.exit_code == 0, again.stderr
    assert load_run("parts").step == 14


def test_resume_refuses_other_options_as_usage_errors(cli: Cli, here: Path) -> None:
    cli("fit", "--beta", 3, "--steps", 2, "--out", "a")
    for typed in (["--beta", 4], ["--network", "conv"], ["--lr", 1], ["--image-size", 8], ["--batch-size", 5]):
        result = cli("fit", "--resume", "--out", "a", *typed)
        assert result.exit_code == 2
        assert "cannot resume with other settings" in result.stderr
    same = cli("fit", "--resume", "--out", "a", "--beta", 3)
    assert same.exit_code == 0, same.stderr


def test_traverse_writes_a_picture_an_animation_and_the_numbers(cli: Cli, digits_run: Run, here: Path) -> None:
    result = cli("traverse", digits_run.path, "--range", -3, 3, "--columns", 7, "--count", 2, "--out", "t")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == ["t.png", "t.gif", "t.npz"]
    with np.load("t.npz") as arrays:
        assert set(arrays) == {"codes", "images", "latents", "values", "kl"}
        assert arrays["codes"].shape == (2, 10, 7, 10)
        assert arrays["images"].shape == (2, 10, 7, 1, 28, 28)
        assert arrays["values"][[0, -1]].tolist() == [-3, 3]
        assert (np.diff(arrays["kl"]) <= 0).all()
    with Image.open("t.gif") as gif:
        assert gif.n_frames == 12


@pytest.mark.parametrize("base", ["image", "random-image", "prior", "random-z"])
def test_traverse_from_every_base_and_an_earlier_step(base: str, cli: Cli, digits_run: Run, here: Path) -> None:
    options = ["--base", base, "--columns", 3, "--latents", "4,1", "--at", 13, "--sample", "--out", here / "t"]
    result = cli("traverse", digits_run.path, *options)
    assert result.exit_code == 0, result.stderr
    with np.load("t.npz") as arrays:
        assert arrays["latents"].tolist() == [4, 1]
        assert set(np.unique(arrays["images"])) == {0.0, 1.0}


def test_reconstruct_sample_and_encode_write_their_arrays(cli: Cli, digits_run: Run, here: Path) -> None:
    path, data = digits_run.path, digits_run.dataset()
    for arguments in (["reconstruct", path, "--count", 30], ["sample", path, "--count", 64], ["encode", path]):
        result = cli(*arguments, "--out", here / f"{arguments[0]}{'.npz' * (arguments[0] == 'encode')}")
        assert result.exit_code == 0, result.stderr
    with np.load("reconstruct.npz") as arrays:
        assert np.array_equal(arrays["originals"], data.images[data.held_out[:30]].numpy())
        assert arrays["images"].shape == (30, 1, 28, 28)
    with np.load("sample.npz") as arrays:
        assert (arrays["codes"].shape, arrays["images"].shape) == ((64, 10), (64, 1, 28, 28))
    with np.load("encode.npz") as arrays:
        assert np.array_equal(arrays["labels"], data.labels.numpy())
        assert np.array_equal(arrays["loc"], encode(digits_run.model, data.images).loc.numpy())


def test_reconstruct_and_sample_can_draw(cli: Cli, digits_run: Run, here: Path) -> None:
    for command in ("reconstruct", "sample"):
        assert cli(command, digits_run.path, "--sample", "--out", here / command).exit_code == 0
        with np.load(f"{command}.npz") as arrays:
            assert set(np.unique(arrays["images"])) == {0.0, 1.0}


def test_evaluate_reports_what_the_library_does(cli: Cli, digits_run: Run) -> None:
    result = json.loads(cli("evaluate", digits_run.path, "--json").stdout)
    data = digits_run.dataset()
    expected = evaluate(digits_run.model, data.images[data.held_out])
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
    result = cli("evaluate", "run", "--suggest-capacity")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no latent of this run is active: fit one at β ≤ 1, or for longer" in result.stderr


def test_info_and_datasets_print_one_object_or_a_table(cli: Cli, digits_run: Run, made_mnist: Path) -> None:
    info = json.loads(cli("info", digits_run.path, "--json").stdout)
    assert (info["config"]["beta"], info["last"]["step"], info["checkpoints"]) == (2.0, 26, [13, 26])
    assert "step 26, epoch 2" in cli("info", digits_run.path).stdout
    rows = json.loads(cli("datasets", "--json", "--data-root", made_mnist).stdout)["datasets"]
    assert {row["name"]: row["on_disk"] for row in rows}["mnist"]
    assert "folder:PATH" in cli("datasets").stdout


def test_generated_and_reconstructed_vectors_are_written_as_csv(cli: Cli, here: Path) -> None:
    typed = ["--recipe", "gaussian", "--points", 2000, "--steps", 5, "--out", "run"]
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


def test_mnist_goes_through_fit(cli: Cli, made_mnist: Path, here: Path) -> None:
    result = cli("fit", "--dataset", "mnist", "--data-root", made_mnist, "--epochs", 1, "--batch-size", 1000)
    assert result.exit_code == 0, result.stderr
    assert "mnist: 300 training and 40 held-out images" in result.stdout
    assert "300 images (cut from 1000" in result.stdout
    assert load_run("runs/mnist-beta1-seed0").dataset().shape == (1, 28, 28)


@pytest.mark.skipif(not (REAL_DATA / "MNIST").is_dir(), reason="the real MNIST is not on this machine")
def test_two_epochs_of_real_mnist_learn_digits(cli: Cli, here: Path) -> None:
    result = cli("fit", "--dataset", "mnist", "--data-root", REAL_DATA, "--epochs", 2, "--json")
    assert json.loads(result.stdout)["held_out_elbo"] > -130


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_holds_an_example_that_parses(command: str, cli: Cli, digits_run: Run, here: Path) -> None:
    text = cli(command, "--help").stdout
    examples = [line.split()[2:] for line in text.splitlines() if line.strip().startswith("pyro-bvae ")]
    assert examples
    for example in examples:
        for word in example:
            if word.startswith("runs/"):
                Path(word).mkdir(parents=True, exist_ok=True)
        main.commands[command].make_context(command, list(example))


def test_the_top_help_lists_the_commands_in_the_order_of_the_work(cli: Cli) -> None:
    text = cli("--help").stdout
    positions = [text.index(f"\n  {command}") for command in COMMANDS]
    assert positions == sorted(positions)
    assert COMMANDS[:2] == ["fit", "traverse"]
    assert cli("--version").stdout.startswith("pyro-bvae, version 0")


def test_shell_completion_knows_options_and_names() -> None:
    def complete(words: str) -> str:
        environment = {"_PYRO_BVAE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        command = [sys.executable, "-c", "from pyro_bvae_cli import main; main(prog_name='pyro-bvae')"]
        return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True).stdout

    assert "traverse" in complete("pyro-bvae tr")
    assert "--latent-dim" in complete("pyro-bvae fit --lat")
    assert "gaussian-learned" in complete("pyro-bvae fit --likelihood gau")
    assert "fashion-mnist" in complete("pyro-bvae fit --dataset fash")


def test_ctrl_c_says_how_to_go_on(here: Path) -> None:
    command = [sys.executable, "-m", "pyro_bvae_cli", "fit", "--epochs", "100000", "--out", "my run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert wait_for(Path("my run/checkpoint.pt"))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "all saved; go on with: pyro-bvae fit --resume --out 'my run'" in stderr
    assert "Traceback" not in stderr
    assert load_run("my run").step > 0


def wait_for(path: Path) -> bool:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return path.exists()


def test_in_a_terminal_fit_shows_a_bar(here: Path) -> None:
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    command = [sys.executable, "-m", "pyro_bvae_cli", "fit", "--epochs", "3", "--out", "a"]
    process = subprocess.Popen(command, stderr=terminal, stdout=subprocess.DEVNULL)
    os.close(terminal)
    shown = ""
    with contextlib.suppress(OSError):  # what reading a terminal ends with on Linux
        while part := os.read(controller, 1000):
            shown += part.decode(errors="replace")
    os.close(controller)
    assert process.wait() == 0
    assert "39/39" in shown
    assert "distortion" in shown


def test_a_closed_pipe_is_no_error(digits_run: Run) -> None:
    command = f"{sys.executable} -m pyro_bvae_cli info {digits_run.path} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("format")
    assert "Traceback" not in done.stderr


def test_a_terminal_without_greek_is_no_error(digits_run: Run) -> None:
    command = [sys.executable, "-m", "pyro_bvae_cli", "evaluate", str(digits_run.path)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
