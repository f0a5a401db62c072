"""A setting is declared once, and everybody sees it: Python, help, type checkers, the command line."""

from __future__ import annotations

import inspect
import pydoc
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import click
import pytest
from conftest import Cli, new_vae
from pyro_bvae_cli import main
from pyro_bvae_cli.options import fit_options

import pyro_bvae
from pyro_bvae.datasets import Dataset
from pyro_bvae.settings.declared import OneOf, Parsed, Range, check_values, options_of
from pyro_bvae.settings.options import DEFAULTS, OPTIONS, SETTINGS, TRAINING
from pyro_bvae.settings.signatures import documented, takes
from pyro_bvae.training import FitArguments

ROOT = Path(__file__).parents[1]
# what scripts have passed to fit since before the settings were declared
LONG_KNOWN = """
    epochs steps optimizer lr lr_warmup batch_size match_rate objective beta_schedule seed device compile precision
    eval_every checkpoint_every keep elbo out resume overwrite callbacks notes
"""


def test_the_signature_of_fit_shows_every_argument_with_type_and_default() -> None:
    shown = inspect.signature(pyro_bvae.fit)
    assert list(shown.parameters)[:2] == ["vae", "dataset"]
    for field in fields(FitArguments):
        parameter = shown.parameters[field.name]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default == field.default
        assert "Annotated" not in str(parameter.annotation)
    assert shown.parameters["lr"].annotation is float
    assert {*LONG_KNOWN.split()} <= {field.name for field in fields(FitArguments)}


def test_help_says_what_every_argument_of_fit_means() -> None:
    text = pydoc.render_doc(pyro_bvae.fit, renderer=pydoc.plaintext)
    for option in options_of(FitArguments).values():
        assert f"{option.name}: {option.text}" in text
    assert "lr: float = 0.001" in text
    assert "Returns:" in text


@pytest.mark.slow
def test_type_checkers_see_every_argument_of_fit(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import pyro_bvae\nfrom pyro_bvae import BetaVAE, datasets\n"
        "reveal_type(pyro_bvae.fit)\npyro_bvae.fit(BetaVAE((1, 8, 8)), datasets.load('digits'), lrr=1.0, lr='a')\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(script)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert all(f"{field.name}: " in said for field in fields(FitArguments))
    assert 'Unexpected keyword argument "lrr"' in said
    assert 'Argument "lr" to "fit" has incompatible type "str"; expected "float"' in said


def test_fit_takes_its_two_things_by_name_and_refuses_what_it_does_not_know(images: Dataset) -> None:
    assert pyro_bvae.fit(vae=new_vae(), dataset=images, steps=1).step == 1
    with pytest.raises(TypeError, match=r"fit\(\) got an unexpected keyword argument 'epoch'; did you mean 'epochs'\?"):
        pyro_bvae.fit(new_vae(), images, epoch=1)
    with pytest.raises(TypeError, match=r"fit\(\) missing a required argument: 'dataset'"):
        pyro_bvae.fit(new_vae())


def test_a_misspelt_keyword_of_the_model_is_answered_with_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"BetaVAE\(\) got an unexpected .* 'latent_dims'; did you mean 'latent_dim'\?"):
        pyro_bvae.BetaVAE((4,), latent_dims=2)

    class Mine(pyro_bvae.BetaVAE):
        def __init__(self, shape: tuple[int, ...], **options: Any) -> None:
            super().__init__(shape, **options)

    with pytest.raises(TypeError, match="did you mean 'hidden'"):
        Mine((4,), hiden=[4])
    assert "latent_dim" in inspect.signature(pyro_bvae.BetaVAE).parameters


OUT_OF_RANGE = {
    "--steps": ("999999999999", "is not in the range 1<=x<=999999999"),
    "--epochs": ("999999999999", "is not in the range 1<=x<=999999999"),
    "--lr": ("1e308", "1e308 is not at least 1e-12 and at most 1e+06"),
    "--scale": ("1e-320", "1e-320 is not at least 1e-12 and at most 1e+12"),
    "--beta": ("inf", "inf is not at least 0 and at most 1e+30"),
    "--beta-norm": ("nan", "nan is not at least 0"),
    "--latent-dim": ("99999999", "is not in the range 1<=x<=65536"),
    "--hidden": ("400,99999999", "99999999 is not at least 1 and at most 65,536"),
    "--decoder-hidden": ("0", "0 is not at least 1 and at most 65,536"),
    "--image-size": ("999999", "is not in the range 1<=x<=4096"),
    "--seed": (str(2**63), "is not in the range 0<=x<=9223372036854775807"),
    "--traverse-columns": ("10000", "is not in the range 1<=x<=1000"),
    "--traverse-count": ("0", "is not in the range 1<=x<=1000"),
    "--match": ("rate=nan", "nan is not at least 1e-06"),
    "--weight-decay": ("-1", "-1 is not at least 0 and at most 1e+06"),
    "--device": ("cuda:x", "a device is auto, cpu, cuda, mps, or one of several like cuda:1, got 'cuda:x'"),
    "--crop": ("-1", "-1 is not at least 0"),
}


@pytest.mark.parametrize("option", OUT_OF_RANGE)
def test_a_number_out_of_range_is_refused_at_the_door_with_the_range(option: str, cli: Cli, here: Path) -> None:
    value, message = OUT_OF_RANGE[option]
    result = cli("fit", option, value, "--out", "a")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert message in result.stderr
    assert not [*here.iterdir()]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare", "--jobs", "999999999999"), "is not in the range 1<=x<=256"),
        (("compare", "--seeds", "none"), "'none' is not a list of whole numbers like 0,1,2"),
        (("compare", "--seeds", f"0,{2**64}"), "is not at least 0 and at most 9,223,372,036,854,775,807"),
        (("traverse", ".", "--range", "nan", "2"), "nan is not at least -1e+06 and at most 1e+06"),
        (("traverse", ".", "--columns", "99999"), "is not in the range 1<=x<=1000"),
        (("sample", ".", "--count", "999999999999"), "is not in the range"),
        (("evaluate", ".", "--particles", "999999999999"), "is not in the range"),
        (("score", ".", "--repeats", "999999999999"), "is not in the range"),
        (("fit", "--seed", "9" * 9999), "is not a valid integer"),
    ],
)
def test_numbers_of_other_commands_have_ranges_too(words: tuple[str, ...], message: str, cli: Cli, here: Path) -> None:
    result = cli(*words)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert message in result.stderr
    assert len(result.stderr) < 700


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lr": "a"}, "lr must be a number, got 'a'"),
        ({"steps": "7"}, "steps must be a number, got '7'"),
        ({"elbo": "tc"}, "elbo is an object, a Pyro ELBO, got 'tc': a name goes to objective"),
    ],
)
def test_a_value_of_another_type_is_answered_with_what_is_wanted(
    given: dict[str, Any], message: str, images: Dataset
) -> None:
    with pytest.raises(TypeError, match=message):
        pyro_bvae.fit(new_vae(), images, **given)


@pytest.mark.parametrize("command", ["fit", "compare"])
def test_every_setting_is_an_option_of_the_command_line(command: str) -> None:
    options = {option.name: option for option in main.commands[command].params}
    assert {*SETTINGS} - {"seed"} <= {*options}
    for name in {*SETTINGS} & {*options}:
        assert options[name].help == OPTIONS[name].text
        if command == "fit":
            assert options[name].default == DEFAULTS[name]


@pytest.mark.parametrize("name", TRAINING)
def test_every_default_is_a_value_that_will_do(name: str) -> None:
    check_values(FitArguments(**{name: DEFAULTS[name]}))


@documented
@dataclass(frozen=True, kw_only=True)
class Odd:
    """Options of kinds that fit does not have."""

    share: Annotated[float | None, "A share.", Range(least=0, most=1)] = None
    side: Annotated[str, "A side.", OneOf("side", ("left", "right"))] = "left"
    pairs: Annotated[str, "Pairs.", Parsed(lambda text: dict([text.split("=")]), "A=B")] = "a=b"
    number: Annotated[int, "A number.", Range(above=2)] = 3
    silent: int = 7  # no option: it has no text

    def __post_init__(self) -> None:
        check_values(self)


@takes(Odd)
def odd(one: int, other: int, given: Odd) -> tuple[int, int, Odd]:
    """Give back everything.

    Returns:
        All of it.
    """
    return one, other, given


def test_odd_options_are_checked_shown_and_passed_on() -> None:
    assert odd(1, other=2, share=0.5) == (1, 2, Odd(share=0.5))
    assert list(options_of(Odd)) == ["share", "side", "pairs", "number"]
    assert "    side: A side." in odd.__doc__ and "    side: A side." in Odd.__doc__  # noqa: PT018
    for wrong, message in (
        ({"share": 1.5}, "share must be at least 0 and at most 1, got 1.5"),
        ({"share": float("nan")}, "share must be at least 0 and at most 1, got nan"),
        ({"side": "lift"}, "unknown side 'lift': did you mean 'left'"),
        ({"pairs": "a"}, "dictionary update sequence"),
        ({"number": 2}, "number must be greater than 2, got 2"),
    ):
        with pytest.raises(ValueError, match=message):
            odd(1, 2, **wrong)
    with pytest.raises(TypeError):
        Odd(number=2.5)


def test_odd_options_come_to_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyro_bvae_cli.options.OPTIONS", options_of(Odd))
    given: dict[str, Any] = {}

    @click.command()
    @fit_options()
    def command(**options: Any) -> None:
        given.update(options)

    command.main(["--share", "0.25", "--pairs", "c=d"], standalone_mode=False)
    assert given == {"share": 0.25, "side": "left", "pairs": "c=d", "number": 3}
    for wrong in (["--share", "2"], ["--side", "up"], ["--pairs", "c"], ["--number", "2"]):
        with pytest.raises(click.UsageError):
            command.main(wrong, standalone_mode=False)


def test_a_fit_without_figures_draws_none(cli: Cli, here: Path) -> None:
    result = cli("fit", "--steps", 1, "--no-figures", "--out", "run")
    assert result.exit_code == 0, result.output
    assert not Path("run/figures").exists()
    assert "sweep: pyro-bvae traverse run" in result.stdout
    compared = cli("compare", "--beta", 1, "--beta", 2, "--steps", 1, "--no-figures", "--out", "both")
    assert compared.exit_code == 0, compared.output
    assert not list(Path("both").rglob("*.png"))
