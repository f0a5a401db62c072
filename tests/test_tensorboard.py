"""TensorBoard reads what the history says, and its projector the codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import new_vae
from PIL import Image
from tracked import Stop, imported, lines_of, same_lines
from trackers import of_tensorboard, tensorboard_lines

from pyro_bvae import BetaVAE, fit
from pyro_bvae.callbacks import Figures, Tracker
from pyro_bvae.callbacks.destinations import MOST_LINES, hyperparameters, numbers_of
from pyro_bvae.callbacks.projector import MOST_CODES, MOST_LATENTS, write_projector
from pyro_bvae.datasets import Dataset
from pyro_bvae.training import Interrupted

pytestmark = pytest.mark.usefixtures("at_home")


def test_tensorboard_reads_what_the_history_says(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    run = fit(new_vae(), images, steps=6, eval_every=2, out="run", callbacks=[Tracker("tensorboard", Figures(every=3))])
    assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(run.history))
    events = of_tensorboard(Path("run/tensorboard"))
    assert [[image.step for image in events.Images(name)] for name in ("traversal", "reconstructions", "samples")] == [
        [4, 6]
    ] * 3
    (histogram,) = [event for event in events.Histograms("kl_per_latent") if event.step == 6]
    kl = run.history[-1]["held_out_kl_per_latent"]
    assert histogram.histogram_value.num == 3
    assert histogram.histogram_value.sum == pytest.approx(sum(kl))
    assert run.notes == [f"tracked by tensorboard: {at_home / 'run' / 'tensorboard'}"]


def test_tensorboard_has_a_table_of_settings(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    run = fit(new_vae(), images, steps=2, out="run", callbacks=[Tracker("tensorboard")])
    contents = of_tensorboard(Path("run/tensorboard")).summary_metadata
    parts = {tag: plugin.HParamsPluginData.FromString(meta.plugin_data.content) for tag, meta in contents.items()
             if meta.plugin_data.plugin_name == "hparams"}  # fmt: skip
    start = parts["_hparams_/session_start_info"].session_start_info.hparams
    expected = hyperparameters(run.config)
    assert {name: getattr(value, value.WhichOneof("kind")) for name, value in start.items()} == expected
    metrics = [metric.name.tag for metric in parts["_hparams_/experiment"].experiment.metric_infos]
    assert {*metrics} <= {*numbers_of(run.history[-1])}
    assert parts["_hparams_/session_end_info"].session_end_info.status == 1  # a success


def test_a_resumed_fit_goes_on_in_its_event_files(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    how: dict[str, Any] = {"eval_every": 2, "out": "run"}
    with pytest.raises(Interrupted):
        fit(new_vae(), images, steps=9, callbacks=[Stop(5), Tracker("tensorboard", Figures())], **how)
    assert sorted(tensorboard_lines(Path("run/tensorboard"))) == [2, 4]
    for steps in (7, 10):
        run = fit(new_vae(), images, steps=steps, resume=True, callbacks=[Tracker("tensorboard", Figures())], **how)
        assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(run.history))
    assert [image.step for image in of_tensorboard(Path("run/tensorboard")).Images("traversal")] == [10]  # 7 was cut


def test_a_fit_that_is_tracked_later_sends_what_was_before(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    fit(new_vae(), images, steps=4, eval_every=2, out="run")
    run = fit(new_vae(), images, steps=6, eval_every=2, out="run", resume=True, callbacks=[Tracker("tensorboard")])
    assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(run.history))
    assert len(run.history) == 3


def test_overwriting_a_run_removes_what_was_tracked_and_leaves_ones_own_files(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    fit(new_vae(), images, steps=4, out="run", callbacks=[Tracker("tensorboard", Figures())])
    own = Path("run/tensorboard/notes.txt")
    own.write_text("mine")
    run = fit(new_vae(), images, steps=2, out="run", overwrite=True, callbacks=[Tracker("tensorboard")])
    assert same_lines(tensorboard_lines(own.parent), lines_of(run.history))
    fit(new_vae(), images, steps=2, out="run", overwrite=True)
    assert [file.name for file in own.parent.iterdir()] == ["notes.txt"]
    assert not Path("run/trackers.json").exists()


def test_a_full_disk_ends_no_fit(images: Dataset, at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = pytest.importorskip("tensorboard.summary.writer.record_writer").RecordWriter
    written, write = [], records.write

    def fill(writer: Any, data: bytes) -> None:
        written.append(data)
        if len(written) > 30:
            raise OSError(28, "No space left on device")
        write(writer, data)

    monkeypatch.setattr(records, "write", fill)
    with pytest.warns(UserWarning, match=r"tensorboard tracks this fit no longer: .*No space left on device.*tfevents"):
        assert fit(new_vae(), images, steps=6, eval_every=2, out="run", callbacks=[Tracker("tensorboard")]).step == 6


def test_tensorboard_wants_a_folder(images: Dataset) -> None:
    imported("tensorboard")
    with pytest.raises(ValueError, match="give fit an `out`"):
        fit(new_vae(), images, steps=1, callbacks=[Tracker("tensorboard")])


class Fixed:
    """A run as the projector sees it."""

    def __init__(self, model: BetaVAE, data: Dataset) -> None:
        self.model, self.data = model, data

    def dataset(self) -> Dataset:
        return self.data


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 70, 40), (2, 1, 5)])
def test_the_projector_has_a_code_a_line_with_its_label_and_its_picture(shape: tuple[int, ...], tmp_path: Path) -> None:
    random_images = torch.randint(0, 256, (60, *shape), dtype=torch.uint8)
    labels, factors = torch.arange(60) % 3, torch.stack([torch.arange(60) % 4, torch.arange(60) % 5], 1)
    names = ["a\tb", "c", "d"]
    data = Dataset("x", random_images, labels, names, factors, ["posX", "posY"])
    vae = BetaVAE(shape, 3, hidden=(4,))
    write_projector(Fixed(vae, data), tmp_path)  # type: ignore[arg-type]
    codes = np.loadtxt(tmp_path / "codes.tsv")
    with torch.no_grad():
        loc = vae.encode(data.images[data.held_out] / 255).mean
    np.testing.assert_allclose(codes, loc, rtol=1e-3, atol=1e-5)
    head, *rows = [line.split("\t") for line in (tmp_path / "metadata.tsv").read_text().splitlines()]
    assert head == ["label", "posX", "posY", "number"]
    shown = [names[label].replace("\t", "\\t") for label in labels[data.held_out].tolist()]
    assert [row[0] for row in rows] == shown
    assert [int(row[1]) for row in rows] == factors[data.held_out, 0].tolist()
    assert [int(row[3]) for row in rows] == list(range(6))
    side = min(32, max(shape[1:]))
    with Image.open(tmp_path / "sprite.png") as sprite:
        assert sprite.size == (3 * side, 3 * side)  # six pictures
    assert f"single_image_dim: {side}" in (tmp_path / "projector_config.pbtxt").read_text()


def test_a_thumbnail_of_a_small_image_is_that_image(images: Dataset, tmp_path: Path) -> None:
    write_projector(Fixed(new_vae(), images), tmp_path)  # type: ignore[arg-type]
    with Image.open(tmp_path / "sprite.png") as sprite:
        shown = np.asarray(sprite)[16:32, :16]  # the first of the second row: the fourth of six
    np.testing.assert_array_equal(shown[..., 0], images.images[images.held_out][3, 0])


def test_the_projector_is_bounded(tmp_path: Path) -> None:
    many = Dataset("many", torch.randint(0, 256, (50_000, 1, 2, 2), dtype=torch.uint8))
    wide = BetaVAE((1, 2, 2), latent_dim=300, hidden=(2,))
    write_projector(Fixed(wide, many), tmp_path)  # type: ignore[arg-type]
    codes = [line.split("\t") for line in (tmp_path / "codes.tsv").read_text().splitlines()]
    assert (len(codes), len(codes[0])) == (MOST_CODES, MOST_LATENTS)
    with Image.open(tmp_path / "sprite.png") as sprite:
        assert max(sprite.size) <= 8192


@pytest.mark.parametrize("latents", [1, 200, MOST_LINES + 1])
def test_vectors_and_any_number_of_latents_are_tracked(latents: int, vectors: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    vae = BetaVAE((5,), latents, hidden=(4,), likelihood="gaussian")
    figures = Figures() if latents == 1 else None
    run = fit(vae, vectors, steps=2, out="run", callbacks=[Tracker("tensorboard", figures)])
    lines = tensorboard_lines(Path("run/tensorboard"))
    assert same_lines(lines, lines_of(run.history))
    assert sum(name.startswith("kl/") for name in lines[2]) == (latents if latents <= MOST_LINES else 0)
    assert len(of_tensorboard(Path("run/tensorboard")).Histograms("kl_per_latent")) == len(lines)
    if figures is None:
        return
    assert {*of_tensorboard(Path("run/tensorboard")).Tags()["images"]} == {
        "traversal", "samples", "reconstructions", "covariances", "latents"
    }  # fmt: skip
    assert (Path("run/tensorboard") / "metadata.tsv").read_text().split() == [str(number) for number in range(10)]
    assert not (Path("run/tensorboard") / "sprite.png").exists()
