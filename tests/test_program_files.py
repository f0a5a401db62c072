"""Programs of a user's file: what a run keeps of them, and that it never runs them by itself."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from conftest import Cli, without_timings
from pyro_bvae_cli import main

from pyro_bvae import datasets, export, load_run
from pyro_bvae.comparison.choices import choices_of
from pyro_bvae.comparison.fits import fit_and_measure
from pyro_bvae.programs import chosen
from pyro_bvae.runs import build_model
from pyro_bvae.settings.options import DEFAULTS
from pyro_bvae.settings.program_text import program_text

MINE = """
from pyro_bvae import BetaVAE
from layers import Doubled

RAN = []

class Wide(BetaVAE):
    '''The decoder of twice the latents.'''
    def __init__(self, shape, latent_dim=10, *, start=1.0, kind="plain", **options):
        super().__init__(shape, latent_dim, decoder=Doubled(shape, latent_dim, start), **options)
        self.kind = kind

class Plain(BetaVAE):
    pass

Other = Wide

def not_a_class():
    pass
"""
LAYERS = """
import torch
from torch import nn

class Doubled(nn.Module):
    def __init__(self, shape, latent_dim, start):
        super().__init__()
        self.start = nn.Parameter(torch.tensor(start))
        self.layers = nn.Sequential(nn.Linear(latent_dim, shape[0] * shape[1] * shape[2]), nn.Unflatten(1, shape))

    def forward(self, z):
        return self.start * self.layers(z)
"""
FIT = ("--hidden", 8, "--latent-dim", 2, "--subsample", 60)


@pytest.fixture
def file(here: Path) -> Path:
    """A file of two classes in a folder of its own, with what it imports beside it."""
    folder = here / "code"
    folder.mkdir()
    (folder / "layers.py").write_text(LAYERS)
    (folder / "mine.py").write_text(MINE)
    return folder / "mine.py"


@pytest.fixture
def run(file: Path, cli: Cli) -> Path:
    result = cli("fit", "--program", f"{file}:Wide:start=2", *FIT, "--steps", 3, "--keep", "all", "--out", "runs/one")
    assert result.exit_code == 0, result.output
    return Path("runs/one")


def test_a_run_keeps_the_file_and_its_hash(run: Path, file: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    assert config["program"] == "mine.py:Wide:start=2"
    assert config["program_sha256"] == sha256(file.read_bytes()).hexdigest()
    assert (run / "program.py").read_bytes() == file.read_bytes()


LOADING = [
    ["evaluate"], ["traverse"], ["sample"], ["reconstruct"], ["encode"], ["score", "--metric", "active-units"],
    ["report"], ["export", "--to", "safetensors"],
]  # fmt: skip


@pytest.mark.parametrize("command", LOADING, ids=lambda command: command[0])
def test_no_command_runs_the_code_of_a_run_by_itself(command: list[str], run: Path, file: Path, cli: Cli) -> None:
    name, *options = command
    (run / "program.py").write_text("raise SystemExit('it was run')")
    shutil.copy(run / "program.py", "mine.py")  # what the config names, seen from here
    refused = cli(name, run, *options)
    assert refused.exit_code == 1
    assert "no run executes code by itself: name the file, --program mine.py:Wide" in refused.output
    taken = cli(name, run, *options, "--program", file)
    assert taken.exit_code == 0, taken.output


def test_every_command_that_loads_a_run_has_the_option() -> None:
    names = {name for name in main.commands if any(option.name == "at" for option in main.commands[name].params)}
    names |= {"score", "report", "compare", "fit"}
    for name in names:
        assert {"program", "changed_program"} <= {option.name for option in main.commands[name].params}, name


def test_another_file_is_refused_unless_that_is_said(run: Path, file: Path, cli: Cli) -> None:
    file.write_text(f"{MINE}\n# a remark\n")
    refused = cli("evaluate", run, "--program", f"{file}:Wide")
    new, old = sha256(file.read_bytes()).hexdigest(), sha256(MINE.encode()).hexdigest()
    assert refused.exit_code == 1
    assert f"its SHA-256 begins with {new[:8]}, and in the run with {old[:8]}" in refused.output
    assert "runs/one/program.py:Wide" in refused.output
    assert "accept the change with --changed-program" in refused.output
    assert cli("evaluate", run, "--program", f"{file}:Wide", "--changed-program").exit_code == 0


def test_a_run_goes_on_as_if_it_had_never_stopped(run: Path, file: Path, cli: Cli) -> None:
    refused = cli("fit", "--resume", "--out", run, "--steps", 6)
    assert refused.exit_code == 1
    assert "--program mine.py:Wide" in refused.output
    program = ("--program", f"{file}:Wide:start=2")
    assert cli("fit", "--resume", "--out", run, "--steps", 6, *program[:1], file).exit_code == 0
    assert cli("fit", *program, *FIT, "--steps", 6, "--keep", "all", "--out", "runs/whole").exit_code == 0
    one, other = (load_run(path, program=str(file)) for path in (run, "runs/whole"))
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
    assert without_timings(one.history)[-1] == without_timings(other.history)[-1]


def test_a_run_that_goes_on_with_a_changed_file_keeps_that(run: Path, file: Path, cli: Cli) -> None:
    file.write_text(f"{MINE}\n# a remark\n")
    words = ("fit", "--resume", "--out", run, "--steps", 6, "--program", file)
    assert cli(*words).exit_code == 1
    result = cli(*words, "--changed-program")
    assert result.exit_code == 0, result.output
    assert (run / "program.py").read_bytes() == file.read_bytes()
    assert load_run(run, program=str(file)).step == 6


def test_a_renamed_file_and_an_alias_are_the_same_programs(run: Path, file: Path) -> None:
    again = shutil.copy(file, file.with_name("renamed.py"))
    assert load_run(run, program=str(again)).model.program.text == "mine.py:Wide:start=2"
    assert load_run(run, program=[str(file) + ":Plain", str(file) + ":Wide"]).step == 3
    with pytest.raises(ValueError, match=r"it is not mine.py:Plain: name the file, `program=mine.py:Wide`"):
        load_run(run, program=f"{file}:Plain")


def test_a_run_in_one_file_carries_the_programs(run: Path, file: Path, cli: Cli) -> None:
    (bundle,) = export(run, "one.zip")
    with zipfile.ZipFile(bundle) as archive:
        assert archive.read("program.py") == file.read_bytes()
    with pytest.raises(ValueError, match=r"the run has a copy: program.py in one.zip"):
        load_run(bundle)
    opened = load_run(bundle, program=str(file))
    assert export(opened, "again.zip")[0].read_bytes() == bundle.read_bytes()
    assert cli("fit", "--config", bundle, "--steps", 2, "--out", "runs/two").exit_code == 1
    assert cli("fit", "--config", bundle, "--steps", 2, "--out", "runs/two", "--program", file).exit_code == 0


def test_a_config_is_repeated_with_its_programs(run: Path, file: Path, cli: Cli) -> None:
    words = ("fit", "--config", run / "config.json", "--out", "runs/again", "--program", file)
    result = cli(*words)
    assert result.exit_code == 0, result.output
    one, again = (load_run(path, program=str(file)) for path in (run, "runs/again"))
    assert without_timings(one.history) == without_timings(again.history)


@pytest.mark.parametrize("jobs", [1, 2])
def test_fits_of_a_comparison_take_the_programs(jobs: int, file: Path, cli: Cli) -> None:
    words = ("compare", "--program", f"{file}:Wide", "--program", f"{file}:Plain", *FIT, "--steps", 2, "--jobs", jobs)
    result = cli(*words, "--out", "runs/both", "--figures", "--report")
    assert result.exit_code == 0, result.output
    configs = [json.loads(path.read_text()) for path in Path("runs/both").glob("*/config.json")]
    assert {config["program"] for config in configs} == {"mine.py:Wide", "mine.py:Plain"}
    assert {config["program_sha256"] for config in configs} == {sha256(file.read_bytes()).hexdigest()}
    assert (Path("runs/both") / "report.html").is_file()
    runs = [path.parent for path in Path("runs/both").glob("*/config.json")]
    refused = cli("compare", *runs, "--out", "runs/finished")
    assert "--program mine.py:" in refused.output
    assert cli("compare", *runs, "--out", "runs/finished", "--program", file).exit_code == 0
    table = (Path("runs/finished") / "comparison.csv").read_text()
    assert "mine.py:Wide" in table.partition("\n")[2]


def test_a_worker_needs_the_file_no_more(file: Path) -> None:
    grid = {name: [value] for name, value in DEFAULTS.items() if name != "seed"} | {"program": [f"{file}:Plain"]}
    grid |= {"hidden": [[8]], "subsample": [60], "steps": [2], "epochs": [None], "figures": [False]}
    (choice,) = choices_of(grid, [0], Path("runs"))
    file.write_text("raise SystemExit('it was edited meanwhile')")
    row = fit_and_measure(pickle.loads(pickle.dumps(choice)), 0, (), ())
    assert row.step == 2
    assert (Path(row.run) / "program.py").read_text() == MINE


def test_a_comparison_whose_file_changed_does_not_mix_programs(file: Path, cli: Cli) -> None:
    words = ("compare", "--program", f"{file}:Plain", *FIT, "--out", "runs/both")
    assert cli(*words, "--steps", 2).exit_code == 0
    file.write_text(f"{MINE}\n# a remark\n")
    mixed = cli(*words, "--steps", 2)
    assert mixed.exit_code == 1
    assert "program_sha256 is" in mixed.output
    assert cli(*words, "--steps", 2, "--changed-program").exit_code == 0


WRONG = {
    "no file": ("nowhere.py:Wide", "there is no file nowhere.py"),
    "no class": ("code/mine.py:Wdie", "mine.py has no class Wdie: it has Wide, Plain, Other"),
    "no subclass": ("code/mine.py:not_a_class", "not_a_class in mine.py is no subclass of BetaVAE"),
    "no class named": (
        "code/mine.py",
        "--program names a file and a class in it, like mine.py:Mine; of mine.py, it has",
    ),
    "no option": ("code/mine.py:Wide:strat=1", "unknown option of the program Wide 'strat': did you mean 'start'?"),
    "no value": ("code/mine.py:Wide:start", "'start' in the program 'code/mine.py:Wide:start' is not of the form"),
    "twice": ("code/mine.py:Wide:start=1,start=2", "start is given twice"),
    "no name": ("jiont", "unknown program 'jiont'"),
    "it fails": ("broken.py:Mine", "broken.py fails in line 2: ZeroDivisionError: division by zero"),
    "no python": ("syntax.py:Mine", "syntax.py fails in line 1: SyntaxError: "),
    "it cannot be built": ("code/mine.py:Wide:kind=1,start=word", "cannot be built"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_one_line(text: str, message: str, file: Path, cli: Cli) -> None:
    Path("broken.py").write_text("from pyro_bvae import BetaVAE\n1 / 0\n")
    Path("syntax.py").write_text("class Mine(\n")
    result = cli("fit", "--program", text, "--steps", 1)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_setting_that_a_class_does_not_heed_is_refused(file: Path, cli: Cli) -> None:
    file.write_text("from pyro_bvae import BetaVAE\nclass Mine(BetaVAE):\n    def __init__(self, shape):\n"
                    "        super().__init__(shape, 3)\n")  # fmt: skip
    result = cli("fit", "--program", file, "--latent-dim", 5, "--steps", 1)
    assert "the program mine.py sets --latent-dim to 3 by itself: leave it out" in result.output
    assert cli("fit", "--program", file, "--beta", 3, "--steps", 1, "--out", "runs/one").exit_code == 0
    assert load_run("runs/one", program=str(file)).model.beta_value == 3


def test_a_file_may_build_on_programs_that_have_names(here: Path, cli: Cli) -> None:
    Path("mine.py").write_text("""
from pyro_bvae.programs import SemiSupervised

class Mine(SemiSupervised):
    def __init__(self, shape, latent_dim=2, *, note="", **options):
        super().__init__(shape, latent_dim, **options)
        self.note = note
""")
    words = ("fit", "--program", "mine.py:Mine:alpha=1,note=word", *FIT, "--labelled", 10, "--steps", 2, "--out", "one")
    result = cli(*words)
    assert result.exit_code == 0, result.output
    run = load_run("one", program="mine.py")
    vae = run.model
    assert (vae.alpha, vae.note, vae.classes) == (1.0, "word", 10)
    assert vae.share == pytest.approx(10 / run.config["train_images"], rel=1e-4)
    assert vae.program.text == "mine.py:Mine:alpha=1,note=word"


def test_two_files_may_import_modules_of_the_same_name(file: Path) -> None:
    other = file.parent.parent / "other"
    shutil.copytree(file.parent, other)
    (other / "layers.py").write_text(LAYERS.replace("self.start * self", "2 * self.start * self"))
    one, two = (chosen(f"{path}:Wide").kind((1, 4, 4), 2) for path in (file, other / "mine.py"))
    two.load_state_dict(one.state_dict())
    z = torch.randn(3, 2)
    assert torch.equal(2 * one.decoder(z), two.decoder(z))


def test_a_file_runs_once_however_often_it_is_asked_for(file: Path) -> None:
    once = "assert not Path('runs.txt').exists()\nPath('runs.txt').write_text('x')"
    file.write_text(f"from pathlib import Path\n{MINE}\n{once}\n")
    assert chosen(f"{file}:Wide").kind is chosen(f"{file}:Other").kind
    assert Path("runs.txt").read_text() == "x"


def test_a_config_with_a_file_is_not_built_without_it(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    with pytest.raises(ValueError, match="names a file of programs"):
        build_model(config, tuple(config["shape"]))


def test_classes_are_built_in_python_as_on_the_command_line(file: Path) -> None:
    data = datasets.load("digits")
    settings = {**DEFAULTS, "program": f"{file}:Wide:start=3", "hidden": [8], "latent_dim": 2, "beta": 2.0}
    vae = build_model(settings, data.shape, data)
    assert (vae.latent_dim, vae.beta_value, vae.decoder.start.item()) == (2, 2.0, 3.0)
    assert vae.custom == {"decoder": "layers.Doubled", "model": "mine.Wide"}


@pytest.mark.parametrize("text", ["mine.py:Wide:start=2", "mine.py:Wide", "a.py:B:c=word,d=0.5"])
def test_the_text_of_programs_reads_back_as_it_was(text: str) -> None:
    assert program_text(text).stored == text
    assert program_text(f"/some/where/{text}").stored == text
