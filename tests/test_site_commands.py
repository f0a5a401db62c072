"""The commands on runs of several latent sites: which site is looked at, and what the others are held at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from pyro_bvae import Run, load_run
from pyro_bvae.callbacks.figures import draw_figures


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with short runs of two programs."""
    from click.testing import CliRunner
    from pyro_bvae_cli import main

    folder = tmp_path_factory.mktemp("sites")
    for name in ("semi-supervised", "conditional"):
        words = ["fit", "--dataset", "digits", "--program", name, "--hidden", "8", "--steps", "3", "--latent-dim", "2"]
        words += ["--no-figures", "--out", str(folder / name)]
        result = CliRunner().invoke(main, [*words, *(["--labelled", "100"] if name == "semi-supervised" else [])])
        assert result.exit_code == 0, result.output
    return folder


def loaded(file: str) -> dict[str, np.ndarray]:
    with np.load(file) as arrays:
        return dict(arrays)


def test_codes_are_written_by_site(fitted: Path, cli: Cli, here: Path) -> None:
    assert cli("encode", fitted / "semi-supervised", "--split", "held-out", "--out", "codes").exit_code == 0
    codes = loaded("codes.npz")
    assert (codes["z"].shape[1], codes["y"].shape[1]) == (2, 10)
    np.testing.assert_array_equal(codes["loc"], codes["z"])
    np.testing.assert_allclose(codes["y"].sum(1), 1, rtol=1e-5)
    words = ("encode", fitted / "semi-supervised", "--site", "y", "--split", "held-out")
    assert cli(*words, "--out", "y").exit_code == 0
    np.testing.assert_array_equal(loaded("y.npz")["loc"], codes["y"])


def test_samples_and_reconstructions_are_made_under_a_class(fitted: Path, cli: Cli, here: Path) -> None:
    assert cli("sample", fitted / "semi-supervised", "--set", "y=3", "--count", "4", "--out", "threes").exit_code == 0
    drawn = loaded("threes.npz")
    assert drawn["y"].tolist() == [3, 3, 3, 3]
    assert drawn["codes"].shape == (4, 2)
    for number in (3, 4):
        words = (
            "reconstruct",
            fitted / "semi-supervised",
            "--set",
            f"y={number}",
            "--count",
            "2",
            "--out",
            str(number),
        )
        assert cli(*words).exit_code == 0
    three, four = (loaded(f"{number}.npz") for number in (3, 4))
    np.testing.assert_array_equal(three["codes"], four["codes"])
    assert abs(three["images"] - four["images"]).max() > 0


def test_classes_and_latents_are_swept(fitted: Path, cli: Cli, here: Path) -> None:
    assert cli("traverse", fitted / "semi-supervised", "--set", "y=7", "--out", "z").exit_code == 0
    assert loaded("z.npz")["images"].shape == (1, 2, 11, 1, 28, 28)
    for more in ((), ("--styles",)):
        words = ("traverse", fitted / "semi-supervised", "--site", "y", "--out", "y", *more)
        assert cli(*words).exit_code == 0
        swept = loaded("y.npz")
        assert swept["images"].shape == (10, 10, 1, 28, 28)
        assert swept["classes"].tolist() == [str(number) for number in range(10)]
    own = cli("traverse", fitted / "semi-supervised", "--site", "y")
    assert "traversal-site-y.png" in own.stdout


def test_a_condition_is_that_of_the_data_unless_it_is_set(fitted: Path, cli: Cli, here: Path) -> None:
    result = cli("sample", fitted / "conditional", "--count", "4", "--out", "some")
    assert (result.exit_code, result.stderr.strip()) == (
        0,
        "note    labels as in the held-out data; --set says otherwise",
    )
    result = cli("sample", fitted / "conditional", "--count", "4", "--set", "labels=3", "--out", "threes")
    assert (result.exit_code, result.stderr) == (0, "")
    result = cli("traverse", fitted / "conditional", "--site", "labels", "--count", "3", "--out", "classes")
    assert result.exit_code == 0, result.output
    assert loaded("classes.npz")["images"].shape == (3, 10, 1, 28, 28)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "--set", "y=12"], "the site 'y' has the classes 0 to 9, got 12"),
        (["sample", "--set", "y=cat"], "'cat' is no value of 'y': it is no number, and no class of 0, 1, 2"),
        (["sample", "--set", "y"], "'y' is not of the form NAME=VALUE"),
        (["sample", "--set", "y=1", "--set", "y=2"], "--set y is given twice"),
        (["sample", "--set", "w=1"], "'w' is neither a site of the model (y, z) nor an argument"),
        (["encode", "--site", "w"], "--site names a latent site of the guide, y or z: got 'w'"),
        (["traverse", "--site", "w"], "--site names a latent site of the guide, y or z: got 'w'"),
        (["traverse", "--styles"], "--styles is for a site of classes"),
        (["traverse", "--site", "y", "--latents", "1"], "--latents chooses among the latents of a site"),
    ],
)
def test_mistakes_end_in_one_line(words: list[str], message: str, fitted: Path, cli: Cli, here: Path) -> None:
    result = cli(words[0], fitted / "semi-supervised", *words[1:])
    assert result.exit_code != 0
    assert message in result.stderr


def test_a_program_with_one_latent_takes_no_site(fitted: Path, cli: Cli, here: Path, digits_run: Run) -> None:
    assert cli("encode", digits_run.path, "--split", "held-out", "--out", "z").exit_code == 0
    assert {*loaded("z.npz")} == {"loc", "scale", "index", "held_out", "labels"}


def test_the_figures_of_a_fit_show_classes(fitted: Path, here: Path) -> None:
    for name, site in (("semi-supervised", "y"), ("conditional", "labels")):
        files = draw_figures(load_run(fitted / name), here / name)
        drawn = {file.stem for file in files}
        assert drawn == {"traversal", "curves", f"classes-{site}", "reconstructions", "samples"}


def test_the_site_that_is_scored_is_said(fitted: Path, cli: Cli, here: Path) -> None:
    run = fitted / "semi-supervised"
    of_z = cli("score", run, "--repeats", "1", "--out", "z")
    assert "codes of the site z" in of_z.stdout
    words = ("score", run, "--site", "y", "--repeats", "1", "--metric", "total-correlation", "--out", "y", "--json")
    of_y = json.loads(cli(*words).stdout)
    assert [row["site"] for row in of_y["scores"]] == ["y"]
    assert json.loads(Path("z.json").read_text())["summary"][0]["site"] == "z"
