"""What the page saves and says: files equal the picture, and its command and its Python give the picture."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsing import as_bytes, code, explored, frames_of, is_near, most_active, move, picture, pixels, settle
from conftest import Cli
from PIL import Image
from pyro_bvae_cli import traverse as traverse_command
from pyro_bvae_cli.output import write_arrays

from pyro_bvae import BetaVAE, Run, plots
from pyro_bvae.datasets import Dataset
from pyro_bvae.generation import images_of
from pyro_bvae.pages.document import static

OWN = "it's mine.png"
COMMANDS = "(({ view, state }) => commandsOf(view, state))(explorer.panels[0])"


@pytest.fixture
def opened(page: Any, digits_run: Run) -> Iterator[Any]:
    with explored(page, digits_run):
        yield page


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command traverse writes its npz alone: drawing takes most of its time."""
    monkeypatch.setattr(plots, "traversal", lambda *_, **__: None)
    monkeypatch.setattr(
        traverse_command, "write", lambda stem, arrays, *_, **__: write_arrays(Path(f"{stem}.npz"), arrays)
    )


def begin(page: Any, kind: str) -> None:
    """Start from somewhere."""
    if kind == "image":
        page.get_by_label("Held-out image").fill("5")
        page.get_by_label("Held-out image").press("Enter")
    elif kind == "upload":
        page.get_by_label("Your own picture").set_input_files(OWN)
    else:
        page.get_by_text({"prior": "Prior mean", "random-z": "Random draw"}[kind]).click()
    settle(page)


def from_python(text: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(text, "<the page's Python>", "exec"), namespace)
    return namespace["sweep"]


def from_shell(cli: Cli, text: str, out: Path) -> dict[str, np.ndarray]:
    program, *words = shlex.split(text)
    assert program == "pyro-bvae"
    result = cli(*words, "--out", out)
    assert result.exit_code == 0, f"{text}\n{result.output}"
    return dict(np.load(f"{out}.npz"))


@pytest.mark.parametrize("is_drawn", [False, True], ids=["mean", "draw"])
@pytest.mark.parametrize("moved", [0, 1])
@pytest.mark.parametrize("kind", ["prior", "image", "random-z", "upload"])
def test_the_command_and_the_python_give_the_picture(
    kind: str, moved: int, is_drawn: bool, page: Any, digits_run: Run, cli: Cli, undrawn: None, here: Path
) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 33, 3)).astype(np.uint8)).save(OWN)
    with explored(page, digits_run):
        begin(page, kind)
        if is_drawn:
            page.get_by_label("Draw", exact=True).check()
        if moved:
            move(page, most_active(page)[0], -1.234567)
        settle(page)
        commands, seen = page.evaluate(COMMANDS), picture(page)
    sweep = from_python(commands["python"])
    assert is_near(as_bytes(sweep.reconstructions[0]), seen)
    if kind == "random-z" and is_drawn:
        assert commands["shell"] is None  # z and x are drawn with two seeds
        return
    arrays = from_shell(cli, commands["shell"], here / "swept")
    image = arrays["images"][0, 0, 0] if moved else arrays["reconstructions"][0]
    assert is_near(as_bytes(torch.from_numpy(image)), seen)
    if not moved:
        assert arrays["values"][[0, -1]].tolist() == [-3.0, 3.0]


def test_two_moved_latents_are_for_python_alone(opened: Any) -> None:
    for latent, value in zip(most_active(opened)[:2], (0.7, -2.5), strict=True):
        move(opened, latent, value)
    commands, seen = opened.evaluate(COMMANDS), picture(opened)
    assert commands["shell"] is None
    assert commands["note"] == "No option of traverse gives a code in which 2 latents have been moved."
    sweep = from_python(commands["python"])
    assert torch.equal(sweep.base.codes[0], code(opened))
    assert is_near(as_bytes(sweep.reconstructions[0]), seen)


STATE = {"z": [0.5, 0.1], "start": {"kind": "prior", "z": [0.5, 0.1]}, "range": 3, "draw": False, "seed": 0}
PATHS = ["runs/a", 'a b/it\'s "$HOME" `x`\\', "-x", "ü ✓/~"]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_quoted(path: str, page: Any) -> None:
    page.add_script_tag(content=static("commands.js"))
    commands = page.evaluate("([path, state]) => commandsOf({ path }, state)", [path, STATE])
    word = shlex.split(commands["shell"])[2]
    assert word == (f"./{path}" if path.startswith("-") else path)
    line = next(line for line in commands["python"].splitlines() if "load_run(" in line and not line.startswith("from"))
    assert eval(line.removeprefix("vae = load_run(").removesuffix(").model")) == path


def test_a_numbered_checkpoint_is_named_and_a_model_in_memory_has_no_command(page: Any) -> None:
    page.add_script_tag(content=static("commands.js"))
    script = "([view, state]) => commandsOf(view, state)"
    numbered = page.evaluate(script, [{"path": "runs/a", "at": 100}, STATE])
    assert "--at 100" in numbered["shell"]
    assert 'load_run("runs/a", at=100)' in numbered["python"]
    in_memory = page.evaluate(script, [{"path": None}, STATE])
    assert (in_memory["shell"], in_memory["note"]) == (None, "The model is in memory, where commands do not reach it.")
    assert "load_run" not in in_memory["python"]


def test_a_report_says_what_its_command_gives_otherwise(page: Any) -> None:
    page.add_script_tag(content=static("commands.js"))
    script = "([state]) => commandsOf({ path: 'runs/a' }, { ...state, source: { drawsHere: true } })"
    drawn = page.evaluate(script, [{**STATE, "draw": True}])
    assert drawn["shell"] is not None
    assert drawn["note"] == "x is drawn anew, by another generator than that of this page."
    other = page.evaluate(script, [{**STATE, "start": {"kind": "random-z", "seed": 1, "z": STATE["z"]}}])
    assert (other["shell"], other["note"]) == (None, "traverse would draw another z than this page.")


def test_numbers_are_as_short_as_float32_allows(page: Any) -> None:
    page.add_script_tag(content=static("commands.js"))
    values = np.float32([0.1, 1 / 3, -2.5, 0, 1e-7, 16777216, 3.4e38, *np.random.default_rng(0).normal(size=50)])
    texts = page.evaluate("(values) => values.map((value) => shortNumber(Math.fround(value)))", values.tolist())
    assert np.array_equal(np.float32(texts), values)
    assert texts[:4] == ["0.1", "0.33333334", "-2.5", "0"]


def downloaded(page: Any, press: str, out: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=press, exact=True).click()
    path = out / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_the_saved_picture_has_the_pixels_of_the_page(opened: Any, here: Path) -> None:
    file = downloaded(opened, "Save PNG", here)
    saved = np.asarray(Image.open(file).convert("RGB"))
    assert file.name == "digits-picture.png"
    assert np.array_equal(saved, picture(opened).repeat(9, 0).repeat(9, 1))


def test_the_saved_pair_is_original_and_picture(opened: Any, here: Path) -> None:
    saved = np.asarray(Image.open(downloaded(opened, "Save with original", here)).convert("RGB"))[::9]
    original = pixels(opened, "[data-testid=original-0]")[..., :3]
    assert np.array_equal(saved[:, : 28 * 9 : 9], original)
    assert np.array_equal(saved[:, -28 * 9 :: 9], picture(opened))


def test_a_sweep_of_vectors_is_saved_as_a_gif(page: Any, vectors: Dataset, here: Path) -> None:
    page.emulate_media(color_scheme="dark")
    with explored(page, BetaVAE(vectors.shape, 3, hidden=(20,)), vectors):
        latent = most_active(page)[0]
        frames = frames_of(downloaded(page, f"Save GIF of z{latent}", here))
        height, width, _ = picture(page).shape
        saved = np.asarray(Image.open(downloaded(page, "Save PNG", here)))
    assert frames.shape[1:3] == (height, width)
    assert len({frame.tobytes() for frame in frames}) > 10
    for corner in (frames[0, 0, 0], saved[0, 0]):
        assert corner[:3].max() < 40  # as dark as the page


def test_frames_of_a_sweep_share_one_scale(page: Any, vectors: Dataset, here: Path) -> None:
    vae = BetaVAE(vectors.shape, 3, hidden=(20,), likelihood="gaussian")
    with torch.no_grad():
        vae.decoder.layers[0].weight *= 20  # each frame goes farther than all before
    with explored(page, vae, vectors):
        latent = most_active(page)[0]
        first, again = (frames_of(downloaded(page, f"Save GIF of z{latent}", here)) for _ in range(2))
    assert np.array_equal(first, again)


def test_the_saved_gif_is_the_sweep_to_and_fro(opened: Any, digits_run: Run, here: Path) -> None:
    latent = most_active(opened)[1]
    move(opened, latent, 0.25)
    file = downloaded(opened, f"Save GIF of z{latent}", here)
    assert file.name == f"digits-z{latent}.gif"
    frames = frames_of(file)
    there = torch.linspace(-3, 3, (len(frames) + 2) // 2)
    codes = code(opened).repeat(len(there), 1)
    codes[:, latent] = there
    images = [as_bytes(image) for image in images_of(digits_run.model, codes)]
    for frame, image in zip(frames, [*images, *images[-2:0:-1]], strict=True):
        assert is_near(frame[::9, ::9], image)
