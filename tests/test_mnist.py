"""MNIST and its kin arrive through torchvision whole, or not at all and with a reason."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REAL_DATA, write_idx

from pyro_bvae.datasets import load
from pyro_bvae.datasets import mnist as mnist_module


def test_mnist_is_read_in_torchvisions_layout(made_mnist: Path) -> None:
    data = load("mnist", made_mnist)
    assert data.images.shape == (340, 1, 28, 28)
    assert (len(data.train), len(data.held_out)) == (300, 40)
    assert torch.equal(data.held_out, torch.arange(300, 340))
    raw = (made_mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()
    assert data.images[300:].numpy().tobytes() == raw[16:]


@pytest.mark.skipif(not (REAL_DATA / "MNIST").is_dir(), reason="the real MNIST is not on this machine")
def test_the_real_mnist_is_the_real_mnist() -> None:
    data = load("mnist", REAL_DATA)
    assert (len(data.train), len(data.held_out)) == (60_000, 10_000)
    raw = REAL_DATA / "MNIST" / "raw" / "train-images-idx3-ubyte"
    assert hashlib.md5(raw.read_bytes()).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"
    assert data.images[:60_000].numpy().tobytes() == raw.read_bytes()[16:]
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]


def test_packed_mnist_files_are_unpacked_without_a_network(
    made_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import MNIST

    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    resources = []
    for file in sorted((made_mnist / "MNIST" / "raw").iterdir()):
        packed = raw / f"{file.name}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes(), mtime=0))
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    monkeypatch.setattr(MNIST, "resources", resources)
    assert len(load("mnist", tmp_path)) == 340


def test_without_a_network_the_offline_alternatives_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(OSError, match=r"cannot download mnist to .*digits, folder:PATH"):
        load("mnist", tmp_path)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def test_a_wrong_checksum_is_an_error(made_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import MNIST

    for name, _ in MNIST.resources:
        (tmp_path / name).write_bytes(gzip.compress(b"not what was promised", mtime=0))
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        with pytest.raises(OSError, match="cannot download mnist to .*corrupted"):
            load("mnist", tmp_path / "root")
        server.shutdown()


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.9])
def test_a_truncated_mnist_is_an_error(file: str, share: float, made_mnist: Path, tmp_path: Path) -> None:
    shutil.copytree(made_mnist, tmp_path / "data")
    path = tmp_path / "data" / "MNIST" / "raw" / file
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(OSError, match="cannot read mnist in .* delete that folder to download it again"):
        load("mnist", tmp_path / "data")


def test_a_broken_torchvision_costs_only_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert len(load("digits")) == 1797
    with pytest.raises(OSError, match="mnist needs a working torchvision"):
        load("mnist", tmp_path)


def test_fashion_and_kmnist_use_folders_of_their_own(made_mnist: Path, tmp_path: Path) -> None:
    for name, folder in (("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")):
        shutil.copytree(made_mnist / "MNIST", tmp_path / folder)
        assert mnist_module.is_on_disk(name, tmp_path)
        assert len(load(name, tmp_path)) == 340


def test_write_idx_writes_what_torchvision_reads(tmp_path: Path) -> None:
    from torchvision.datasets.mnist import read_image_file

    write_idx(tmp_path / "x", np.arange(24).reshape(2, 3, 4))
    assert torch.equal(read_image_file(str(tmp_path / "x")), torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4))
