"""Models and data of all kinds are explored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import ask, do, floats, picture, refused, small_run, views
from PIL import Image
from torch import Tensor, nn

from pyro_bvae import BetaVAE, datasets, explore, generation
from pyro_bvae.datasets import Dataset
from pyro_bvae.likelihoods import Gaussian, Standardised
from pyro_bvae.runs.run import Run


class Fourier(nn.Module):
    """A decoder of one's own."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.sin(z @ torch.ones(3, 64)).unflatten(1, (1, 8, 8))


def folder_of_pictures(folder: Path) -> str:
    (folder / "pictures").mkdir(parents=True)
    for number in range(6):
        Image.new("RGB", (150, 200), (40 * number, 100, 200)).save(folder / "pictures" / f"{number}.png")
    return f"folder:{folder / 'pictures'}"


SHAPES: dict[str, dict[str, Any]] = {
    "one latent": {"latent_dim": 1},
    "many latents": {"latent_dim": 200},
    "a decoder of one's own": {"decoder": Fourier()},
    "a learned scale": {"likelihood": "gaussian-learned"},
}


@pytest.mark.parametrize("name", SHAPES)
def test_models_of_all_kinds_are_explored(name: str, images: Dataset) -> None:
    data = Dataset("noise", images.images[..., ::2, ::2])
    vae = BetaVAE(data.shape, **({"latent_dim": 3, "hidden": (5,)} | SHAPES[name]))
    with explore(vae, data) as explorer:
        (view,) = views(explorer)
        z = torch.randn(2, vae.latent_dim)
        torch.testing.assert_close(do(explorer, "decode", codes=z.tolist()), generation.images_of(vae, z).flatten())
        assert (len(view["kl"]), view["held_out"]) == (vae.latent_dim, len(data.held_out))
        assert (view["decoder"] is None) == (view["decoder_note"] is not None) == ("decoder" in SHAPES[name])
        assert "in memory" in do(explorer, "name", latent=0, name="x")["note"]


def test_large_colour_pictures_are_explored(tmp_path: Path) -> None:
    data = datasets.load(folder_of_pictures(tmp_path))
    assert data.shape == (3, 200, 150)
    with explore(BetaVAE(data.shape, 4, network="conv", hidden=(8,)), data) as explorer:
        assert len(do(explorer, "decode", codes=[[0] * 4])) == 3 * 200 * 150
        assert "faster by the package" in views(explorer)[0]["decoder_note"]
        assert ask(explorer, "/api/0/upload", picture(size=(150, 200)))[0] == 200
        status, line = refused(explorer, "/api/0/upload", picture(size=(60, 40)))
        assert (status, "60×40 with 3 channels, and those of the run are 150×200" in line) == (400, True), line


def test_vectors_are_explored_in_their_own_units() -> None:
    table = torch.randn(50, 4) * torch.tensor([1.0, 100.0, 1e-3, 5.0])
    data = Dataset("table", table, columns=["a", "b\n", "<c>", "d"])
    vae = BetaVAE((4,), 2, likelihood=Standardised.of(Gaussian((4,), mean_link="identity"), table))
    with explore(vae, data) as explorer:
        start = do(explorer, "start", kind="image", index=1)
        torch.testing.assert_close(floats(start["x"]), table[data.held_out[1]])
        assert views(explorer)[0]["columns"] == ["a", "b\\n", "<c>", "d"]
        assert "are vectors" in refused(explorer, "/api/0/upload", picture())[1]


def test_a_start_from_one_hot_labels_has_its_class(vae: BetaVAE, images: Dataset) -> None:
    labels = torch.eye(3, dtype=torch.long)[torch.arange(len(images)) % 3]
    data = Dataset("noise", images.images, labels=labels, label_names=["a", "b", "c"])
    with explore(vae, data) as explorer:
        label = do(explorer, "start", kind="image", index=1)["label"]
        assert label == ["a", "b", "c"][data.held_out[1] % 3]
        assert label == (colours := views(explorer)[0]["colourings"][0])["classes"][colours["values"][1]]


def test_a_tensor_is_data_all_of_which_can_be_started_from(vae: BetaVAE, x: Tensor) -> None:
    with explore(vae, x) as explorer:
        assert views(explorer)[0]["held_out"] == 7
        torch.testing.assert_close(do(explorer, "image", index=6), x[6].flatten())
    with pytest.raises(ValueError, match="the model is for data of 1×16×16, and data is of 1×8×16"):
        explore(vae, x[:, :, ::2])


def test_a_run_whose_data_have_moved_is_explored_without_them(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((30, 1, 8, 8)))
    run = small_run(tmp_path / "run", datasets.load(f"npy:{tmp_path / 'x.npy'}"))
    (tmp_path / "x.npy").unlink()
    with explore(run.path) as explorer:
        (view,) = views(explorer)
        assert (view["held_out"], view["codes"], view["colourings"], view["dataset"]) == (0, None, [], "npy:x.npy")
        assert view["kl"] == run.history[-1]["held_out_kl_per_latent"]
        assert view["data_note"].startswith("without the data of the run: cannot read the run's data")
        assert explorer.notes == [view["data_note"]]
        assert "without the data" in refused(explorer, "/api/0/start", b'{"kind": "image"}')[1]
        assert do(explorer, "start", kind="random-z")["z"]
        assert ask(explorer, "/api/0/upload", picture())[0] == 200


def test_factors_name_the_latents_that_follow_them(runs: list[Run]) -> None:
    from pyro_bvae.scoring.report import factors_followed

    with explore(runs[0]) as explorer:
        (view,) = views(explorer)
    assert view["follows"] == factors_followed(runs[0].model, runs[0].dataset(), view["kl"])
    assert [colouring["name"] for colouring in view["colourings"]] == runs[0].dataset().factor_names
