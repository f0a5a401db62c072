"""``pyro-bvae fit``: what it says, what it leaves, and how it is repeated and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import REAL_DATA, Cli

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset


def test_fit_says_what_it_does_and_leaves_a_run_with_figures(cli: Cli, here: Path) -> None:
    result = cli("fit", "--beta", 6, "--steps", 20, "--latent-dim", 4, "--figures")
    assert result.exit_code == 0, result.stderr
    assert "digits: 1,618 training and 179 held-out images of 1×28×28" in result.stdout.splitlines()[0]
    assert "β 6 (β_norm = βK/M = 0.0306)" in result.stdout
    assert "held out, nats an image at β 1: ELBO" in result.stdout
    assert result.stdout.splitlines()[-2].startswith("look at runs/digits-beta6-seed0/figures/traversal.png, or sweep")
    run = load_run("runs/digits-beta6-seed0")
    assert (run.step, run.config["beta"], run.config["latent_dim"]) == (20, 6.0, 4)
    figures = {path.name for path in (run.path / "figures").iterdir()}
    assert figures == {"traversal.png", "reconstructions.png", "samples.png", "curves.png"}


def test_fit_is_the_same_as_fitting_from_python(cli: Cli, here: Path, digits: Dataset) -> None:
    cli("fit", "--steps", 15, "--seed", 3, "--out", "a")
    torch.manual_seed(3)
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


def test_a_config_of_another_length_decides_anew_whether_to_compile(cli: Cli, here: Path) -> None:
    for name, options, said in (("a", [], "3 steps are too few for it to pay"), ("b", ["--no-compile"], "as asked")):
        cli("fit", "--steps", 2, *options, "--out", name)
        cli("fit", "--config", f"{name}/config.json", "--out", f"{name}-again")
        cli("fit", "--config", f"{name}-again/config.json", "--steps", 3, "--out", f"{name}-longer")
        assert load_run(f"{name}-longer").config["compile_because"] == said


def test_the_end_says_where_beta_was_moved_to(cli: Cli, here: Path) -> None:
    said = cli("fit", "--steps", 30, "--match", "rate=25", "--out", "a").stdout
    assert f"β moved to {load_run('a').history[-1]['beta']:.3g} for a rate of 25" in said
    assert said.splitlines()[-1].startswith("rate not reached: in training it is ")


def test_resume_goes_on_and_a_finished_run_exits_zero(cli: Cli, here: Path) -> None:
    cli("fit", "--beta", 3, "--steps", 14, "--out", "whole")
    cli("fit", "--beta", 3, "--steps", 9, "--out", "parts")
    resumed = cli("fit", "--resume", "--out", "parts", "--steps", 14)
    assert resumed.exit_code == 0, resumed.stderr
    assert load_run("parts").history[-1]["loss"] == load_run("whole").history[-1]["loss"]
    assert load_run("parts").config["steps"] == 14
    assert "at      step 9, where the run goes on\n" in resumed.stdout
    for again in (cli("fit", "--resume", "--out", "parts"), cli("fit", "--resume", "--out", "parts", "--epochs", 1)):
        assert again.exit_code == 0, again.stderr
        assert "at      step 14: that is all; a larger --epochs or --steps goes on" in again.stdout
    assert load_run("parts").step == 14


def test_resume_refuses_other_options_as_usage_errors(cli: Cli, here: Path) -> None:
    cli("fit", "--beta", 3, "--steps", 2, "--out", "a")
    for typed in (["--beta", 4], ["--network", "conv"], ["--lr", 1], ["--image-size", 8], ["--batch-size", 5]):
        result = cli("fit", "--resume", "--out", "a", *typed)
        assert result.exit_code == 2
        assert "cannot resume with other settings" in result.stderr
    same = cli("fit", "--resume", "--out", "a", "--beta", 3)
    assert same.exit_code == 0, same.stderr


def test_mnist_goes_through_fit(cli: Cli, made_mnist: Path, here: Path) -> None:
    result = cli("fit", "--dataset", "mnist", "--data-root", made_mnist, "--epochs", 1, "--batch-size", 1000)
    assert result.exit_code == 0, result.stderr
    assert "mnist: 300 training and 40 held-out images" in result.stdout
    assert "300 images (cut from 1000" in result.stdout
    assert load_run("runs/mnist-beta1-seed0").dataset().shape == (1, 28, 28)


@pytest.mark.slow
@pytest.mark.skipif(not (REAL_DATA / "MNIST").is_dir(), reason="the real MNIST is not on this machine")
def test_two_epochs_of_real_mnist_learn_digits(cli: Cli, here: Path) -> None:
    result = cli("fit", "--dataset", "mnist", "--data-root", REAL_DATA, "--epochs", 2, "--json")
    assert json.loads(result.stdout)["held_out_elbo"] > -130


def test_a_folder_without_a_run_is_refused_before_data_are_read(cli: Cli, here: Path) -> None:
    Path("empty").mkdir()
    for folder in ("empty", "none"):
        result = cli("fit", "--resume", "--out", folder)
        assert result.stderr == f"Error: {folder} is not a run: it has no config.json\n"
        assert result.stdout == ""
