"""Recipes say everything, run end to end on small data in the true layout, and give way to what is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Cli

from pyro_bvae.settings.options import DATA, SETTINGS
from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.spelling import spelled

PAGE = Path(__file__).parents[1] / "pyro_bvae" / "settings" / "README.md"
NOT_THEIRS = {
    "threads",
    "data_root",
    "seed",
    "device",
    "compile",
    "precision",
    "eval_every",
    "checkpoint_every",
    "keep",
    "figures",
}
SMALL = {"dsprites": ["--subsample", 200], "gaussian": ["--points", 3000]}


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_setting_is_written_out(name: str) -> None:
    assert set(RECIPES[name].settings) - {"precision"} == set(SETTINGS) - NOT_THEIRS  # one may name a precision, too
    assert all((RECIPES[name].source, RECIPES[name].shows, RECIPES[name].fails, RECIPES[name].takes))


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_recipe_runs_end_to_end(name: str, cli: Cli, here: Path, made_data: Path) -> None:
    settings = RECIPES[name].settings
    small = SMALL.get(settings["dataset"], [])
    film = ["--figures-every", 5] if settings["figures_every"] else []
    few = ["--traverse-count", 1]  # pictures take longer than the fit
    options = [*small, *film, *few, "--figures", "--steps", 5, "--data-root", made_data, "--out", "run"]
    result = cli("fit", "--recipe", name, *options)
    assert result.exit_code == 0, result.output
    config = json.loads(Path("run/config.json").read_text())
    assert config["recipe"] == name
    for option, value in settings.items():
        if option not in (*DATA, "epochs", "steps", "figures_every", "traverse_count") and value is not None:
            assert config[option] == value, option
    assert " ".join(spelled({"likelihood": settings["likelihood"]})) in result.output
    assert Path("run/figures/traversal.png").is_file()
    assert Path("run/figures/training.gif").is_file() == bool(film)


def test_the_table_of_the_page_is_that_of_the_recipes() -> None:
    lines = PAGE.read_text(encoding="utf-8").partition("## Recipes")[2].partition("\n## ")[0].splitlines()
    assert [line for line in lines if line.startswith("| `")] == [row_of(name) for name in RECIPES]


def row_of(name: str) -> str:
    chosen = RECIPES[name].settings
    joined = {key: ",".join(map(str, value)) for key, value in chosen.items() if isinstance(value, list)}
    size = chosen["image_size"]
    pictures = f"{size}×{size} {'grey' if chosen['grey'] else 'rgb'}, crop {joined.get('crop')}" if size else None
    drawn = [f"{key} {chosen[key]}" for key in ("dim", "rank", "points") if chosen[key]]
    data = " ".join(filter(None, (chosen["dataset"], pictures, *drawn)))
    network = f"{chosen['network']} {joined['hidden']} / {joined['decoder_hidden']} {chosen['decoder_activation']}"
    scale = None if chosen["scale"] is None else f"{chosen['scale']:.4f}"
    likelihood = " ".join(filter(None, (chosen["likelihood"], chosen["mean_link"], scale)))
    way = f" by {chosen['beta_schedule']}" if chosen["beta_schedule"] else ""
    weigher = f"{chosen['beta']:g}{way}" if chosen["objective"] == "beta" else f"`{chosen['objective']}`"
    weight = f"{weigher}, {chosen['latent_dim']}"
    warmup = f", warm-up {chosen['lr_warmup']}" if chosen["lr_warmup"] else ""
    rounded = f", {chosen['precision']}" if "precision" in chosen else ""
    optimiser = f"{chosen['optimizer']} {chosen['lr']:g}, batch {chosen['batch_size']}{warmup}{rounded}"
    length = f"{chosen['epochs']} epochs" if chosen["epochs"] else f"{chosen['steps']:,} steps"
    return f"| `{name}` | {data} | {network} | {likelihood} | {weight} | {optimiser} | {length} |"


def test_what_is_typed_wins(cli: Cli, here: Path, made_data: Path) -> None:
    typed = ["--beta", 2, "--hidden", "30", "--optimizer", "sgd", "--steps", 2]
    assert cli("fit", "--recipe", "lab", *typed, "--data-root", made_data, "--out", "run").exit_code == 0
    config = json.loads(Path("run/config.json").read_text())
    assert (config["beta"], config["hidden"], config["optimizer"]) == (2.0, [30], "sgd")
    assert (config["steps"], config["epochs"], config["batch_size"]) == (2, None, 128)


def test_what_belongs_to_another_choice_is_not_taken(cli: Cli, here: Path) -> None:
    typed = ["--likelihood", "bernoulli", "--dataset", "digits", "--network", "mlp", "--steps", 2]
    result = cli("fit", "--recipe", "report-chairs", *typed, "--figures-every", 1, "--out", "run")
    assert result.exit_code == 0, result.output
    config = json.loads(Path("run/config.json").read_text())
    assert (config["scale"], config["hidden"], config["crop"], config["latent_dim"]) == (None, [400], None, 7)


def test_compare_begins_with_a_recipe(cli: Cli, here: Path) -> None:
    result = cli("compare", "--recipe", "gaussian", "--points", 500, "--beta", 1, "--beta", 5, "--steps", 3, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["runs"]
    assert [row["beta"] for row in rows] == [1.0, 5.0]
    config = json.loads((Path(rows[0]["run"]) / "config.json").read_text())
    assert (config["latent_dim"], config["likelihood"]) == (2, "gaussian-heteroscedastic")


def test_a_recipe_cannot_be_resumed_or_mixed_with_a_config(cli: Cli, here: Path) -> None:
    assert cli("fit", "--recipe", "gaussian", "--points", 500, "--steps", 2, "--out", "run").exit_code == 0
    for other in (["--resume", "--out", "run"], ["--config", "run/config.json"]):
        result = cli("fit", "--recipe", "gaussian", *other)
        assert (result.exit_code, "--recipe begins a run" in result.stderr) == (2, True)
    resumed = cli("fit", "--resume", "--out", "run", "--steps", 4)
    assert resumed.exit_code == 0, resumed.output


def test_recipes_are_listed(cli: Cli) -> None:
    text = cli("recipes").stdout
    assert all(re.search(rf"^{name}$", text, re.MULTILINE) for name in RECIPES)
    assert set(json.loads(cli("recipes", "lab", "--json").stdout)["recipes"]) == {"lab"}
    assert "did you mean 'gaussian'" in cli("recipes", "gausian").stderr
