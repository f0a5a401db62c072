"""A package that a feature needs and that is missing is named, with the command that installs it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from pyro_bvae.files import MissingPackageError, wanted
from pyro_bvae.files.optional import EXTRAS


def test_a_module_that_is_there_is_imported() -> None:
    assert wanted("json", "this test", "search") is json


@pytest.mark.parametrize(
    ("extra", "installs"), [("search", "pip install 'pyro-bvae[search]'"), ("pandas", "pip install pandas")]
)
def test_a_missing_package_is_named_with_what_installs_it(extra: str, installs: str) -> None:
    with pytest.raises(MissingPackageError) as raised:
        wanted("no_such_package.of_any_name", "a search", extra)
    assert str(raised.value) == f"a search needs no_such_package: {installs}"


def test_the_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert {*EXTRAS} <= {*project["optional-dependencies"]}
