"""A report says what was measured, of every kind of run, in one well-formed file without a path of the machine."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from conftest import Cli, some_config, with_factors
from PIL import Image
from pyro_bvae_cli import main
from torch import nn

import pyro_bvae
from pyro_bvae import BetaVAE, datasets, fit
from pyro_bvae.comparison import row_of
from pyro_bvae.datasets import Dataset
from pyro_bvae.pages import losses, scores
from pyro_bvae.pages.architecture import count, layers
from pyro_bvae.pages.captions import Captions
from pyro_bvae.pages.formulas import formula
from pyro_bvae.pages.live import live
from pyro_bvae.pages.markup import Markup, element, joined, table
from pyro_bvae.pages.measured import measure, names_of, without_path
from pyro_bvae.pages.objective import beta, loss
from pyro_bvae.pages.programs import sites, source_of
from pyro_bvae.pages.repetition import OF_THE_MACHINE, command_of
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring import METRICS, score_columns
from pyro_bvae.settings import names
from pyro_bvae.settings.options import SETTINGS

EVIL = '<img src=x onerror="document.title=1">'
FORMAT_1 = sorted(path.parent for path in Path(__file__).parent.glob("format-1/*/config.json"))
VOID = {"br", "hr", "img", "input", "link", "meta"}


class Balance(HTMLParser):
    """Notes the elements that end without having begun, and those that are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open += [] if tag in VOID else [tag]
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name == "href" and value.startswith("#")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> ends {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text.append(data)


def said(file: Path) -> str:
    """The text of a page that is well formed, whose links lead somewhere, and which names no other file."""
    content = file.read_text(encoding="utf-8")
    page = Balance()
    page.feed(content)
    page.close()
    assert page.open == []
    assert len({*page.ids}) == len(page.ids)
    assert {link[1:] for link in page.links} <= {*page.ids}
    assert not re.search(r'(?:src|href)="(?!data:|#)', content)
    return " ".join(" ".join(page.text).split())


def views_of(file: Path) -> list[dict[str, Any]]:
    content = file.read_text(encoding="utf-8").partition('<script type="application/json" id="views">')[2]
    return json.loads(content.partition("</script>")[0])


def pictures(channels: int = 1, side: int = 16, name: str = "noise", **options: Any) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, channels, side, side), generator=generator, dtype=torch.uint8)
    return Dataset(name, images, **options)


class Doubling(nn.Module):
    """A decoder that no page can run."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 256)
        self.gain = nn.Parameter(torch.ones(2))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (self.gain[0] * self.linear(z)).unflatten(1, (1, 16, 16))


class Mixing(BetaVAE):
    """A posterior that does not factorise."""

    def encode(self, x: torch.Tensor) -> Any:
        loc, log_variance = self.encoder(x)
        return dist.MultivariateNormal(loc, scale_tril=torch.diag_embed((0.5 * log_variance).exp()))


def kinds() -> dict[str, tuple[BetaVAE, Dataset]]:
    """A small model of each kind, with its data."""
    torch.manual_seed(0)
    grey, vectors = pictures(), Dataset("vectors", torch.randn(100, 5), columns=["a", "b", "c", "d<e", ""])
    options: dict[str, Any] = {"hidden": (8,), "beta": 4.0}
    return {
        "one latent": (BetaVAE((1, 16, 16), 1, **options), grey),
        "colour": (BetaVAE((3, 17, 20), 3, network="conv", **options), pictures_of_sides((3, 17, 20))),
        "vectors": (BetaVAE((5,), 2, likelihood="gaussian-learned", **options), vectors),
        "one feature": (BetaVAE((1,), 1, likelihood="laplace", **options), Dataset("one", torch.randn(50, 1))),
        "custom decoder": (BetaVAE((1, 16, 16), 3, decoder=Doubling(), **options), grey),
        "full covariance": (Mixing((1, 16, 16), 3, **options), grey),
        "many latents": (BetaVAE((1, 16, 16), 200, **options), grey),
        "beta 0": (BetaVAE((1, 16, 16), 2, hidden=(8,), beta=0.0), grey),
        "labelled": (
            BetaVAE((1, 16, 16), 2, **options),
            pictures(labels=torch.arange(60) % 3, label_names=[EVIL, "b", "c"]),
        ),
    }


def test_a_decoder_that_takes_a_page_too_long_gives_way_to_sweeps() -> None:
    data = pictures(side=64)
    run = fit(BetaVAE(data.shape, 2, network="broadcast", hidden=(4,)), data, steps=1, batch_size=2, compile=False)
    (one,) = live([measure(run, "x")], limit=1e9)
    assert one.view["decoder"] is None
    assert one.view["sweeps"]
    assert "the decoder of 1×64×64 is decoded faster by the package than by the page" in one.note


def pictures_of_sides(shape: tuple[int, int, int]) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    return Dataset("faces", torch.rand(40, *shape, generator=generator))


@pytest.mark.parametrize("kind", kinds())
def test_a_run_of_any_kind_has_a_report(kind: str, tmp_path: Path) -> None:
    vae, data = kinds()[kind]
    run = fit(vae, data, steps=3, batch_size=20, out=tmp_path / "run")
    file = pyro_bvae.report(run)
    text = said(file)
    assert file == tmp_path / "run" / "report.html"
    assert f"{count(vae):,} " in text
    assert str(tmp_path) not in file.read_text()
    for site in ("p ( z )", "q ( z | x )"):
        assert site in text


@pytest.mark.parametrize("likelihood", names.LIKELIHOODS)
def test_every_likelihood_has_its_words(likelihood: str) -> None:
    vae = BetaVAE((1, 16, 16), 2, hidden=(4,), likelihood=likelihood)
    run = fit(vae, pictures(), steps=2, batch_size=20)
    words, text = losses.RECONSTRUCTION[likelihood], loss(measure(run, "x"))
    assert f"with {words.name}, and" in text
    assert f"{words.short} = D = " in text
    assert ("s = " in text) == hasattr(vae.likelihood, "scale")


@pytest.mark.parametrize("objective", names.OBJECTIVES)
def test_every_objective_has_its_words(objective: str) -> None:
    chosen = {"controlled": "controlled:target=5"}.get(objective, objective)
    data = with_factors(pictures())
    run = fit(BetaVAE((1, 16, 16), 3, hidden=(4,)), data, objective=chosen, steps=1, batch_size=20)
    text = joined(loss(measure(run, "x")), beta(measure(run, "x")))
    assert formula(losses.OBJECTIVES[objective][0], display=True) in text
    assert ("In the words of a lab" in text) == ("β = 1 throughout" in text) == (objective == "beta")


def test_all_formulas_are_well_formed() -> None:
    texts = [losses.KLD, *(words.formula for words in losses.RECONSTRUCTION.values())]
    for text in (*texts, *(text for text, _ in losses.OBJECTIVES.values())):
        page = Balance()
        page.feed(formula(text, display=True))
        assert page.open == []
    assert {*losses.RECONSTRUCTION} == {*names.LIKELIHOODS}
    assert {*losses.OBJECTIVES} == {*names.OBJECTIVES}
    assert {*scores.MEANINGS} == {*score_columns(METRICS)}
    with pytest.raises(ValueError, match="lacks }"):
        formula("{a")


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", EVIL, title=EVIL).count("<") == 2
    assert joined("a<b", Markup("<br>"), None, ["&"]) == "a&lt;b<br>&amp;"
    assert element("p", "a\udcff") == "<p>a\\udcff</p>"
    assert 'class="number"' in table(["n"], [["-1.5"]])


def test_names_from_data_are_text(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / EVIL.replace("/", "")
    folder.mkdir(parents=True)
    for number in range(20):
        Image.fromarray(np.full((16, 16), 12 * number, np.uint8)).save(folder / f"{number}.png")
    data = datasets.load(f"folder:{folder}")
    run = fit(BetaVAE(data.shape, 2, hidden=(4,)), data, steps=2, batch_size=8, out=tmp_path / EVIL.replace("/", ""))
    file = pyro_bvae.report(run, tmp_path / "r.html")
    assert f"folder:{EVIL}" in said(file)
    assert "<img src=x" not in file.read_text()
    assert str(tmp_path) not in file.read_text()


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_layers_add_up_to_the_network(network: str) -> None:
    vae = BetaVAE((3, 17, 20), 4, network=network)
    for part, x in ((vae.encoder, torch.zeros(1, 3, 17, 20)), (vae.decoder, torch.zeros(1, 4))):
        rows = layers(part, x)
        assert sum(row.parameters for row in rows) == count(part)
        assert rows[-1].shape == ("3×17×20" if part is vae.decoder else rows[-1].shape)


def test_parameters_outside_of_layers_have_a_row() -> None:
    (linear, rest) = layers(Doubling(), torch.zeros(1, 3))
    assert (linear.does, linear.shape, rest.parameters) == ("dense, 3 → 256", "256", 2)


def test_the_sites_are_those_of_the_programs(vae: BetaVAE, x: torch.Tensor) -> None:
    model_z, model_x, guide_z = sites(vae, x)
    assert (model_z.weight, model_x.weight, guide_z.weight) == (4.0, 1.0, 4.0)
    assert (model_x.family, model_x.is_observed, guide_z.shape) == ("Bernoulli", True, (3,))
    vae.beta = 0.0
    assert [site.weight for site in sites(vae, x)] == [0.0, 1.0, 0.0]


def test_a_source_is_shown_without_its_docstring() -> None:
    source = source_of(BetaVAE.guide)
    assert source is not None
    assert source.splitlines()[0].startswith("def guide(self")
    assert '"""' not in source
    assert source_of(eval("lambda x: x")) is None


def test_a_report_of_digits_is_small_and_has_the_numbers_of_evaluate(digits_run: Run, tmp_path: Path) -> None:
    data = digits_run.dataset()
    result = pyro_bvae.evaluate(digits_run.model, data.images[data.held_out])
    file = pyro_bvae.report(digits_run, tmp_path / "r.html")
    text = said(file)
    assert file.stat().st_size < 2.5e6
    for value in (f"{result.distortion:,.2f}", f"{result.rate:.2f}", f"{result.mse:.4g}", f"{result.ssim:.3f}"):
        assert value in text
    assert f"−{-result.elbo:.2f} nats" in text
    assert f"{result.distortion + 2 * result.rate:,.2f} nats" in text


def test_what_does_not_fit_is_left_out_and_named(digits_run: Run) -> None:
    one = measure(digits_run, "x", row=row_of(digits_run, "x"))

    def shown(limit: float) -> tuple[list[str], str]:
        (only,) = live([one], limit)
        return [part for part in ("decoder", "encoder", "sweeps") if only.view[part] is not None], only.note

    assert shown(16e6) == (["decoder", "encoder"], "")
    assert shown(1e6)[0] == ["decoder"]
    assert "The encoder is not in this page (the weights of the report would be more than 1 MB)" in shown(1e6)[1]
    assert shown(1e5)[0] == ["sweeps"]
    assert "The decoder is not in this page (the weights of the report would be more than 0.1 MB)" in shown(1e5)[1]


def test_a_run_whose_data_are_gone_has_a_report_that_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=np.random.default_rng(0).integers(0, 255, (40, 16, 16), np.uint8))
    data = datasets.load(f"npz:{tmp_path / 'mine.npz'}")
    run = fit(BetaVAE(data.shape, 2, hidden=(4,)), data, steps=2, batch_size=8, out=tmp_path / "run")
    (tmp_path / "mine.npz").unlink()
    file = pyro_bvae.report(tmp_path / "run")
    text = said(file)
    assert "The data, npz:mine.npz, are not where they were" in text
    assert f"{run.history[-1]['held_out_distortion']:.2f}" in text
    assert str(tmp_path) not in file.read_text()


@pytest.mark.parametrize("folder", FORMAT_1, ids=lambda folder: folder.name)
def test_an_older_run_has_a_report(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    assert "How to repeat it" in said(pyro_bvae.report(tmp_path / "run"))


def test_the_command_repeats_the_run(digits_run: Run) -> None:
    command = command_of(digits_run.config)
    assert command == "pyro-bvae fit --dataset digits --image-size 28 --beta 2 --epochs 2 --seed 0 --threads 1"
    parsed = main.commands["fit"].make_context("fit", command.split()[2:]).params
    said = {name: parsed[name] for name in SETTINGS if name not in OF_THE_MACHINE and parsed[name]}
    assert {name: digits_run.config[name] for name in said} == said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dataset": "folder:/home/me/photos", "image_size": 64}, "--dataset folder:photos --image-size 64"),
        ({"objective": "tc:beta=6"}, "--objective tc:beta=6"),
        ({"match_rate": 10.0}, "--match rate=10"),
        ({"ranks": 4}, "torchrun --nproc-per-node 4 -m pyro_bvae fit"),
        ({"traverse_base": "prior", "data_root": "/x", "keep": 3, "device": "cuda:1"}, ""),
    ],
)
def test_commands_have_what_is_not_the_default(settings: dict[str, Any], words: str) -> None:
    command = command_of(some_config(can_be_loaded=True, **settings))
    assert command is not None
    assert words in command
    for never in ("/home", "/x", "--keep", "--device", "--traverse", "--data-root"):
        assert never not in command


def test_no_command_repeats_what_takes_python() -> None:
    assert command_of(some_config(custom={"decoder": "mine.Decoder"}, can_be_loaded=True)) is None
    assert command_of(some_config()) is None


def test_a_command_line_may_write_it(cli: Cli, here: Path) -> None:
    words = ["--steps", 3, "--image-size", 8, "--hidden", 4, "--latent-dim", 2]
    result = cli("fit", *words, "--report", "--out", "runs/a")
    assert "report  runs/a/report.html" in result.stdout
    assert cli("fit", *words, "--beta", 4, "--out", "runs/b").exit_code == 0
    result = cli("report", "runs/a", "runs/b", "--out", "both")
    assert re.fullmatch(r"both\.html \(\d\.\d MB\)\n", result.stdout)
    text = said(here / "both.html")
    assert "The runs in one table" in text
    assert text.count("All settings of the fit") == 2


def test_a_runs_own_files_are_safe(cli: Cli, here: Path, digits_run: Run) -> None:
    shutil.copytree(digits_run.path, here / "run")
    assert cli("report", "run", "--out", "run/config.json").exit_code == 2
    with pytest.raises(ValueError, match="is a file of the run"):
        pyro_bvae.report("run", "run/config.json")
    with pytest.raises(ValueError, match="the run is in memory"):
        pyro_bvae.report(fit(BetaVAE((1, 16, 16), 2), pictures(), steps=1))
    assert cli("report", ".").exit_code == 1


def test_a_comparison_has_a_table_figures_and_its_runs(cli: Cli, here: Path) -> None:
    words = ["--steps", 3, "--image-size", 8, "--hidden", 4, "--latent-dim", 2, "--seeds", "0,1", "--report"]
    result = cli("compare", "--beta", 1, "--beta", 4, "--beta", 16, *words, "--out", "runs/betas")
    assert result.exit_code == 0, result.output
    text = said(here / "runs/betas/report.html")
    assert "6 β-VAEs of digits, compared" in text
    assert "Rate and distortion of each run" in text
    assert "The choices: means over seeds" in text
    views = views_of(here / "runs/betas/report.html")
    assert [view["title"] for view in views][:2] == ["beta1-seed0", "beta1-seed1"]
    assert sum(view["images"] is not None for view in views) == 1
    (here / "runs/betas").rename(here / "moved")
    assert cli("report", "moved").exit_code == 0


def test_scores_are_part_of_it_where_they_exist(runs: list[Run], cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(runs[0].path, tmp_path / "a")
    assert "score" in said(pyro_bvae.report(tmp_path / "a"))
    assert cli("score", tmp_path / "a", "--metric", "mig", "--metric", "dci", "--repeats", 2).exit_code == 0
    text = said(pyro_bvae.report(tmp_path / "a"))
    assert scores.MEANINGS["mig"] in text
    assert scores.PICTURES["information"] in text
    assert "Taken with" not in text
    assert cli("score", tmp_path / "a", "--metric", "mig", "--bins", "quantile", "--no-figures").exit_code == 0
    assert "Taken with" not in said(pyro_bvae.report(tmp_path / "a"))  # the usual ones come first
    file = tmp_path / "a" / "scores-mig-dci.json"
    content = json.loads(file.read_text())
    del content["settings"]  # as older versions wrote it, whose trees were others
    file.write_text(json.dumps(content))
    text = said(pyro_bvae.report(tmp_path / "a"))
    assert text.count("Taken with booster histogram.") == 3
    assert text.count("Taken with bins quantile.") == 1


def test_runs_are_called_by_the_end_of_their_path(tmp_path: Path, digits_run: Run) -> None:
    some = [Run(digits_run.model, digits_run.config, [], 0, tmp_path / place) for place in ("a/x", "b/x", "c/y")]
    assert names_of(some) == ["a/x", "b/x", "y"]
    assert without_path("npz:C/D/e.npz") == "npz:e.npz"
    assert measure(digits_run, "x").typed == "digits"


def test_figures_and_tables_are_numbered() -> None:
    captions = Captions()
    first = captions.table("One.", ["a"], [["1"]])
    second = captions.figure(b"", "Two <b>.", "x")
    assert "<b>Table 1.</b> One." in first
    assert "<b>Figure 1.</b> Two &lt;b&gt;." in second


def test_a_run_in_memory_has_one_where_it_is_told(tmp_path: Path) -> None:
    run = fit(BetaVAE((1, 16, 16), 2, hidden=(4,)), pictures(), steps=1, batch_size=20)
    text = said(pyro_bvae.report(run, tmp_path / "r.html"))
    assert "This run was made in Python" in text
