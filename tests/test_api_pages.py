"""The API pages name everything public, and need no network to be read."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import api_pages
import pytest

import pyro_bvae


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages, written as the page of the library says, warnings being errors."""
    folder = tmp_path_factory.mktemp("api")
    command = [sys.executable, "-W", "error", api_pages.__file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("module", api_pages.modules())
def test_every_public_name_of_a_module_resolves(module: str) -> None:
    for name in getattr(import_module(module), "__all__", ()):
        assert hasattr(import_module(module), name)


def test_every_module_has_a_page(pages: Path) -> None:
    written = {".".join(path.relative_to(pages).with_suffix("").parts) for path in pages.rglob("*.html")}
    assert written == {*api_pages.modules(), "index", *({"search"} & written)}


def test_the_first_page_shows_what_pyro_bvae_imports_lazily(pages: Path) -> None:
    text = (pages / "pyro_bvae.html").read_text(encoding="utf-8")
    for name in pyro_bvae.__all__:
        is_module = f"pyro_bvae.{name}" in api_pages.modules()
        assert (f'href="pyro_bvae/{name}.html"' if is_module else f'id="{name}"') in text, name
    plain = re.sub(r"<[^>]+>", "", text)
    assert re.search(r"fit\(\s*vae: ", plain)
    assert "lr: float = 0.001" in plain
    assert "Learning rate." in plain


def test_no_page_loads_anything_from_elsewhere(pages: Path) -> None:
    for path in pages.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']([^\"']+)", path.read_text(encoding="utf-8"))
        assert [address for address in loaded if re.match("(https?:)?//", address)] == []
