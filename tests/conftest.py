"""What every test starts from: a seed, an empty parameter store, Pyro's validation on."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: small models, and a busy machine makes two threads spin
os.environ.pop("COLUMNS", None)  # set in the processes of xdist, for whom a table would be cut

import dataclasses
import io
import shutil
import signal
import struct
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from pyro_bvae_cli import main

from pyro_bvae import BetaVAE, Callback, datasets, explore, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.objectives import Sites
from pyro_bvae.pages import Explorer
from pyro_bvae.runs.folder import FORMAT
from pyro_bvae.runs.run import Run
from pyro_bvae.settings.options import DEFAULTS
from pyro_bvae.training import Training, loop
from pyro_bvae.training.steps import DirectSteps, ReplayedSteps

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM_OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
REAL_DATA = Path(os.environ.get("PYRO_BVAE_DATA_ROOT") or Path(__file__).parents[2] / "shared" / "data")
Cli = Callable[..., Result]


def pytest_configure() -> None:
    """Let Ctrl-C be heard, which a shell has processes in the background ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a name that holds an address: each process of xdist would collect tests of other names."""
    if " at 0x" in item.nodeid:
        raise pytest.UsageError(f"{item.nodeid} is named by the address of an object; give its parameters ids")


@pytest.fixture(autouse=True)
def clean_slate() -> Iterator[None]:
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    with pyro.validation_enabled():
        yield


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return datasets.load("digits")


@pytest.fixture
def images() -> Dataset:
    """A few noisy images of 16×16, for what need not learn anything."""
    generator = torch.Generator().manual_seed(0)
    return Dataset("noise", torch.randint(0, 256, (60, 1, 16, 16), generator=generator, dtype=torch.uint8))


def with_factors(images: Dataset) -> Dataset:
    """The 60 images with three factors, an image for each combination of their values."""
    return dataclasses.replace(images, factors=torch.cartesian_prod(*[torch.arange(size) for size in (5, 4, 3)]))


@pytest.fixture
def gridded(images: Dataset) -> Dataset:
    return with_factors(images)


@pytest.fixture
def instant_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded graph stands in for its kernels, which take ten seconds to make; test_compiled holds them equal."""
    monkeypatch.setattr(loop, "inductor", lambda graph, _: graph)
    monkeypatch.setattr(loop, "note_seconds", lambda *_: None)


@pytest.fixture
def vectors() -> Dataset:
    return Dataset("vectors", torch.randn(100, 5, generator=torch.Generator().manual_seed(0)))


@pytest.fixture
def x() -> torch.Tensor:
    """A batch of seven grey images."""
    return torch.rand(7, 1, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def vae() -> BetaVAE:
    return BetaVAE((1, 16, 16), latent_dim=3, hidden=(20,), beta=4.0)


@pytest.fixture
def cli() -> Cli:
    """Run the command line; the result has stdout, stderr and exit_code.

    Drawing takes most of the time of a short fit: where a test looks at no picture, none is drawn. One that looks says
    --figures, or asks for pictures in another way.
    """

    def run(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        draws = words[:1] in (["fit"], ["compare"]) and not any("figures" in word for word in words)
        return CliRunner().invoke(main, [*words, *(["--no-figures"] if draws else [])])

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def digits_run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short run on the digits, on disk with two numbered checkpoints; tests must not change it."""
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("runs") / "digits"
    return fit(BetaVAE(digits.shape, beta=2.0), digits, epochs=2, keep=2, out=out)


@pytest.fixture(scope="session")
def made_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a small MNIST in torchvision's true layout."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, size in (("train", 300), ("t10k", 40)):
        write_idx(raw / f"{part}-images-idx3-ubyte", random.integers(0, 256, (size, 28, 28)))
        write_idx(raw / f"{part}-labels-idx1-ubyte", random.integers(0, 10, size))
    return root


@pytest.fixture(scope="session")
def made_data(made_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with small files in the true layouts of MNIST, FashionMNIST, 3D Chairs and CelebA."""
    root = tmp_path_factory.mktemp("all-data")
    for name in ("MNIST", "FashionMNIST"):
        shutil.copytree(made_mnist / "MNIST", root / name)
    write_chairs(root / "chairs" / "rendered_chairs.tar", models=3)
    write_faces(root / "celeba")
    return root


@pytest.fixture(scope="session")
def rectangles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An npz with every rectangle of two shapes at 4×5 places, and a constant factor."""
    path = tmp_path_factory.mktemp("data") / "rectangles.npz"
    factors = np.stack(np.meshgrid(range(2), range(4), range(5), range(2), indexing="ij"), axis=-1).reshape(-1, 4)
    images = np.zeros((len(factors), 16, 16), np.uint8)
    for image, (tall, x, y, size) in zip(images, factors, strict=True):
        image[2 * y : 2 * y + 2 + 3 * tall + size, 3 * x : 3 * x + 5 - 3 * tall + size] = 255
    colour = np.zeros((len(factors), 1), int)
    named = ["colour", "shape", "x", "y", "size"]
    np.savez(path, images=images, factors=np.hstack([colour, factors]), factor_names=named)
    return path


@pytest.fixture(scope="session")
def runs(rectangles: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds of one choice, one of another, on disk."""
    data, out = datasets.load(f"npz:{rectangles}"), tmp_path_factory.mktemp("runs")
    found = []
    for name, beta, seed in (("a", 1.0, 0), ("a", 1.0, 1), ("b", 4.0, 0)):
        torch.manual_seed(seed)
        vae = BetaVAE(data.shape, 3, hidden=(20,), beta=beta)
        found.append(fit(vae, data, steps=10, seed=seed, out=out / f"{name}-seed{seed}"))
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, driven by playwright; a test that wants it is skipped where one of them is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install -y --no-install-recommends chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """An empty page of the browser, see `opened_page`."""
    with opened_page(browser) as page:
        yield page


@contextmanager
def opened_page(browser: Any, **options: Any) -> Iterator[Any]:
    """An empty page in a context of its own, with those options, whose scripts and console must report no error.

    That the server refused something, with status 400, is an answer.
    """
    errors: list[str] = []
    context = browser.new_context(**options)
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert [error for error in errors if "status of 400" not in error] == []


def write_chairs(path: Path, models: int, side: int = 600) -> dict[str, np.ndarray]:
    """A tar as it is published: two heights and three sides of each model, on white."""
    random = np.random.default_rng(0)
    pictures = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for model, (number, (height, turn)) in product(
            range(models), enumerate(product(("020", "030"), ("011", "023", "348")))
        ):
            name = f"rendered_chairs/{model:x}fe/renders/image_{number:03}_p{height}_t{turn}_r096.png"
            picture = np.full((side, side, 3), 255, np.uint8)
            picture[200:400, 150 + 20 * number : 400] = random.integers(0, 200, 3)
            pictures[name] = picture
            _add(archive, name, picture, "png")
    return pictures


def write_faces(folder: Path, count: int = 30, lists: bool = True) -> Path:
    """CelebA as torchvision lays it out: JPEGs of 178×218, the partition and the attributes."""
    random = np.random.default_rng(0)
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{number:06}.jpg" for number in range(1, count + 1)]
    for name in names:
        coarse = random.integers(0, 256, (11, 9, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((178, 218)).save(folder / "img_align_celeba" / name, quality=95)
    if lists:
        parts = [0] * (count - 10) + [1] * 4 + [2] * 6
        rows = [f"{name} {part}" for name, part in zip(names, parts, strict=True)]
        (folder / "list_eval_partition.txt").write_text("\n".join(rows) + "\n")
        attributes = [f"{name} " + " ".join(map(str, random.choice([-1, 1], 40))) for name in names]
        header = [str(count), " ".join(f"Attribute_{number}" for number in range(40))]
        (folder / "list_attr_celeba.txt").write_text("\n".join(header + attributes) + "\n")
    return folder


def _add(archive: tarfile.TarFile, name: str, picture: np.ndarray, kind: str) -> None:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, kind)
    member = tarfile.TarInfo(name)
    member.size = content.tell()
    content.seek(0)
    archive.addfile(member, content)


def write_idx(path: Path, array: np.ndarray) -> None:
    """The format of MNIST's files: magic number, sides, bytes."""
    path.write_bytes(
        struct.pack(f">{1 + array.ndim}i", 0x800 + array.ndim, *array.shape) + array.astype("u1").tobytes()
    )


class ReplayOnTheCpu(Callback):
    """What `fit` does on a GPU with its compiled step, direct calls in place of a CUDA graph."""

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        assert isinstance(training.taker, DirectSteps)
        training.replay(training.taker.gradient_step)
        assert isinstance(training.taker, ReplayedSteps) == (
            training.objective is None or training.objective.supports_cuda_graph
        )


def some_config(**settings: Any) -> dict[str, Any]:
    """The config.json of a run of vectors that cannot be loaded again, with these settings."""
    facts = {"format": FORMAT, "dataset": "mine", "can_be_loaded": False, "fingerprint": "sha256:0", "shape": [4]}
    facts |= {"custom": {}, "elbo": "TraceMeanField_ELBO(num_particles=1)", "command": None, "beta_norm": 2.5}
    return {**DEFAULTS, "traverse_range": [-2.0, 2.0], **facts, **settings}


def history_line(step: int, **terms: float) -> dict[str, Any]:
    """A line of history.jsonl."""
    numbers = dict.fromkeys(("epoch", "beta", "loss", "distortion", "rate", "seconds", "images_per_second"), 1.0)
    numbers |= dict.fromkeys(("held_out_elbo", "held_out_distortion", "held_out_rate"), 1.0) | terms
    return {"step": step, **numbers, "kl_per_latent": [0.5], "held_out_kl_per_latent": None}


def new_vae(seed: int = 0, **options: Any) -> BetaVAE:
    """A small model for images of 16×16, the same for the same seed."""
    torch.manual_seed(seed)
    return BetaVAE((1, 16, 16), 3, hidden=(20,), beta=4.0, **options)


def same_parameters(one: BetaVAE, other: BetaVAE) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def without_timings(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timings = ("seconds", "images_per_second")
    return [{key: value for key, value in record.items() if key not in timings} for record in history]


def sites(size: int = 6, dim: int = 3) -> Sites:
    """A factorising posterior of a few data, far from a normal, and a draw of it."""
    q = dist.Normal(2 * torch.randn(size, dim), torch.rand(size, dim) + 0.3).to_event(1)
    p = dist.Normal(torch.zeros(size, dim), torch.ones(dim)).to_event(1)
    kl = torch.distributions.kl_divergence(q.base_dist, p.base_dist)
    return Sites(torch.zeros(size), kl.sum(-1), kl, q, p, q.sample(), 1.0)


@pytest.fixture(scope="module")
def explorer(digits_run: Run) -> Iterator[Explorer]:
    with explore(digits_run.path) as explorer:
        yield explorer


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where trackers may write, and no network."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_RUN_GROUP", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    settings = {"MLFLOW_TRACKING_URI": str(tmp_path / "mlruns"), "MLFLOW_ALLOW_FILE_STORE": "true", "CI": "1"}
    settings |= {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false", "NETRC": str(tmp_path / "netrc")}
    settings |= {"WANDB_CONFIG_DIR": str(tmp_path), "WANDB_CACHE_DIR": str(tmp_path), "WANDB_DATA_DIR": str(tmp_path)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return tmp_path
