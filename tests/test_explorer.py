"""The explorer's server gives what the library gives, to its own page alone, whatever else is asked of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from asking import ask, do, floats, picture, refused, views
from conftest import Cli
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import pyro_bvae
from pyro_bvae import BetaVAE, explore, generation, traversal
from pyro_bvae.codes import encode
from pyro_bvae.compiled.randomness import ONE_THREAD
from pyro_bvae.datasets import pixels
from pyro_bvae.networks import NETWORKS
from pyro_bvae.pages import Explorer, document, session
from pyro_bvae.pages.packing import pack_decoder
from pyro_bvae.pages.views import _products
from pyro_bvae.runs.run import Run

STATIC = files("pyro_bvae.pages") / "static"


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(explorer: Explorer, digits_run: Run) -> None:
    status, content, headers = ask(explorer)
    text = content.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "{{" not in text.partition("<script")[0]
    assert not any(f'{attribute}="http' in text or f'{attribute}="//' in text for attribute in ("src", "href"))
    assert "default-src 'none'" in text
    (view,) = views(explorer)
    assert (view["title"], view["path"]) == ("digits", str(digits_run.path))
    assert (view["K"], view["shape"], view["dataset"], view["beta"]) == (10, [1, 28, 28], "digits", 2)
    assert view["kl"] == digits_run.history[-1]["held_out_kl_per_latent"]
    assert view["colourings"][0]["classes"] == [str(digit) for digit in range(10)]


def test_the_codes_of_a_view_are_those_of_the_held_out_data(explorer: Explorer, digits_run: Run) -> None:
    data = digits_run.dataset()
    points = views(explorer)[0]["codes"]
    codes = encode(digits_run.model, data.images[data.held_out[points["index"]]])
    assert points["count"] == len(data.held_out)
    torch.testing.assert_close(floats(points["mean"]).reshape(-1, 10), codes.loc)
    torch.testing.assert_close(floats(points["scale"]).reshape(-1, 10), codes.scale)


@pytest.mark.parametrize("draw", [False, True])
def test_codes_are_decoded_as_the_library_does(draw: bool, explorer: Explorer, digits_run: Run) -> None:
    for codes in ([[0] * 10], torch.randn(3, 10).tolist()):  # sliders at 0 are whole numbers
        expected = generation.images_of(digits_run.model, torch.tensor(codes, dtype=torch.float32), draw=draw, seed=7)
        torch.testing.assert_close(do(explorer, "decode", codes=codes, draw=draw, seed=7), expected.flatten())


def test_starts_are_those_of_traversals(explorer: Explorer, digits_run: Run) -> None:
    vae, data = digits_run.model, digits_run.dataset()
    held_out = data.images[data.held_out]
    image = do(explorer, "start", kind="image", index=5)
    expected = encode(vae, held_out[5:6])
    torch.testing.assert_close(torch.tensor([image["z"], image["scale"]]), torch.cat([expected.loc, expected.scale]))
    torch.testing.assert_close(floats(image["x"]), pixels(held_out[5]).flatten())
    assert (image["index"], image["label"]) == (5, str(data.labels[data.held_out[5]].item()))
    torch.testing.assert_close(do(explorer, "image", index=5), floats(image["x"]))
    for kind in ("prior", "random-z"):
        start = do(explorer, "start", kind=kind, seed=3)
        torch.testing.assert_close(torch.tensor([start["z"]]), traversal.base(vae, None, kind, seed=3).codes)
        assert start["x"] is start["index"] is start["scale"] is None


def test_tabs_share_one_model(explorer: Explorer, digits_run: Run) -> None:
    codes = torch.randn(24, 10)
    state = torch.get_rng_state()

    def decode(number: int) -> Tensor:
        return do(explorer, "decode", codes=[codes[number].tolist()], draw=number % 2 == 0, seed=number)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(decode, range(24)))
    assert torch.equal(state, torch.get_rng_state())
    for number, answer in enumerate(answers):
        expected = generation.images_of(digits_run.model, codes[number : number + 1], draw=number % 2 == 0, seed=number)
        torch.testing.assert_close(answer, expected.flatten())


def test_a_fit_in_the_same_process_is_said(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.1)
    with ONE_THREAD:  # as a fit has it
        for action, asked in (("decode", {"codes": [[0] * 10]}), ("start", {"kind": "image"}), ("start", {})):
            assert "busy with a fit" in refused(explorer, f"/api/0/{action}", json.dumps(asked).encode())[1]
        assert ask(explorer, "/api/0/upload", picture())[0] == 400
        assert do(explorer, "image", index=0).shape == (784,)
        assert ask(explorer)[0] == 200
    assert do(explorer, "start", kind="image")["z"]


def test_a_taken_port_is_one_line(explorer: Explorer, digits_run: Run) -> None:
    with pytest.raises(OSError, match=rf"^port {explorer.port} is taken: choose another, or none") as caught:
        explore(digits_run.path, port=explorer.port)
    assert "\n" not in str(caught.value)


def test_closing_lets_the_port_go_and_ends_connections(vae: BetaVAE) -> None:
    with explore(vae) as explorer:
        held = socket.create_connection(("127.0.0.1", explorer.port), timeout=30)
        held.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert held.recv(5) == b"HTTP/"
        assert explorer.url in repr(explorer)
        assert f'src="{explorer.url}"' in explorer._repr_html_()
    with held:
        while held.recv(2**20):
            pass
    explorer.close()
    explorer.wait()
    assert "closed" in repr(explorer)
    with explore(vae, port=explorer.port) as again:
        assert again.port == explorer.port


def test_two_runs_are_each_their_own(runs: list[Run], digits_run: Run, vae: BetaVAE) -> None:
    with explore([runs[0], digits_run]) as explorer:
        one, other = views(explorer)
        assert (one["K"], other["K"], one["shape"], other["shape"]) == (3, 10, [1, 16, 16], [1, 28, 28])
        assert len(do(explorer, "decode", run=0, codes=[[0] * 3])) == 16 * 16
        assert len(do(explorer, "decode", run=1, codes=[[0] * 10])) == 28 * 28
        assert all("not those of the run beside it" in view["data_note"] for view in (one, other))
    with explore([runs[0], runs[1]]) as explorer:
        assert [view["data_note"] for view in views(explorer)] == [None, None]
    with explore([runs[0], runs[0]]) as explorer:
        assert [view["title"] for view in views(explorer)] == [str(runs[0].path)] * 2
    with explore([vae, vae], torch.rand(4, 1, 16, 16)) as explorer:
        assert [view["title"] for view in views(explorer)] == ["data, β 4, 1", "data, β 4, 2"]
    for wrong in ([], [vae] * 3):
        with pytest.raises(ValueError, match=rf"one run, or two side by side, got {len(wrong)}"):
            explore(wrong)


def test_a_program_that_fails_is_answered_with_a_line(vae: BetaVAE) -> None:
    class Failing(BetaVAE):
        def decode(self, z: Tensor) -> pyro.distributions.TorchDistribution:
            if z.sum() > 5:
                raise RuntimeError("no\nsuch <code>")
            return super().decode(z)

    with explore(Failing((1, 16, 16), 3, hidden=(5,))) as explorer:
        status, line = refused(explorer, "/api/0/decode", b'{"codes": [[9, 9, 9]]}')
        assert (status, line) == (500, "the model cannot do that: RuntimeError: no such <code>")
        assert len(do(explorer, "decode", codes=[[0, 0, 0]])) == 256


def started(run: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "pyro_bvae_cli", "explore", str(run), "--no-browser", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_command_prints_the_address_and_ends_as_asked(stop: signal.Signals, code: int, digits_run: Run) -> None:
    assert digits_run.path is not None
    process = started(digits_run.path, SSH_CONNECTION="10.0.0.1 5000 10.0.0.2 2222", LOGNAME="me")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    port = int(lines[0].rpartition(":")[2].strip(" /\n"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    process.send_signal(stop)
    _, errors = process.communicate(timeout=60)
    connection.close()
    assert process.returncode == code, errors
    assert f"ssh -N -L {port}:127.0.0.1:{port} -p 2222 me@10.0.0.2" in lines[1]
    assert "Traceback" not in errors


def test_mistakes_of_the_command_are_one_line(cli: Cli, explorer: Explorer, digits_run: Run, tmp_path: Path) -> None:
    taken = cli("explore", digits_run.path, "--port", explorer.port)
    assert (taken.exit_code, taken.stderr.splitlines()[-1]) == (
        1, f"Error: port {explorer.port} is taken: choose another, or none to get a free one"
    )  # fmt: skip
    assert "side by side: got 3" in cli("explore", *[digits_run.path] * 3).stderr
    assert "is not a run" in cli("explore", tmp_path).stderr
    assert "0 is not in the range" in cli("explore", digits_run.path, "--port", 0).stderr


def test_the_files_of_the_page_are_part_of_the_package() -> None:
    import tomllib

    root = Path(pyro_bvae.__file__).parents[1]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    names = [file.name for file in STATIC.iterdir()]
    assert {"page.html", "page.css", "sources.js"} <= {*names}
    assert all(any(fnmatch(f"static/{name}", each) for each in patterns["pyro_bvae.pages"]) for name in names)
    assert document.static("page.html").startswith("<!doctype html>")


def test_scripts_are_strict_end_no_element_and_share_no_name() -> None:
    import re

    scripts = {file.name: file.read_text() for file in STATIC.iterdir() if file.name.endswith(".js")}
    declared = [
        name
        for text in scripts.values()
        for name in re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE)
    ]
    assert sorted({name for name in declared if declared.count(name) > 1}) == []
    for name, text in scripts.items():
        assert "'use strict';" in text, name
        assert "</script" not in text.lower(), name
        assert "<!--" not in text, name
        assert len(text.splitlines()) <= 300, name


@pytest.mark.parametrize(
    ("shape", "options"),
    [((5,), {}), *[((3, 33, 18), {"network": name}) for name in NETWORKS], ((1, 28, 28), {"network": "conv"})],
)
def test_products_of_a_decoder_are_half_its_operations(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    vae = BetaVAE(shape, 3, hidden=(7,), **options)
    with FlopCounterMode(display=False) as counter:
        vae.decoder(torch.zeros(1, 3))
    assert 2 * _products(pack_decoder(vae)["layers"]) == counter.get_total_flops()
