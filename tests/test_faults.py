"""What is said of a loss that is not finite: the datum, the units, or the steps, but not before the first step."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Cli, new_vae

from pyro_bvae import BetaVAE, Callback, codes, fit, generation
from pyro_bvae.datasets import Dataset
from pyro_bvae.likelihoods import LIKELIHOODS, Standardised, build
from pyro_bvae.likelihoods.standardised import takes_standardised
from pyro_bvae.runs.run import Run
from pyro_bvae.training.state import Training

FAMILIES = [name for name in LIKELIHOODS if takes_standardised(build(name, (3,)))]


def vectors_with(value: float, row: int) -> Dataset:
    """Forty vectors of three features, one of which is far out."""
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    x[row, 1] = value
    return Dataset("far", x, columns=["length", "width", "depth"])


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_datum_that_overflows_at_the_first_step_is_named(name: str, records: bool) -> None:
    data = vectors_with(3e38, row=7)
    assert 7 in data.train
    vae = BetaVAE((3,), 2, hidden=[8], likelihood=name)
    named = r"lies in 1 of 36 data, datum 7 \(from 0\), with 3e\+38 in column 'width': mend or leave out"
    with pytest.raises(FloatingPointError, match=named) as error:
        fit(vae, data, steps=2, compile=False, precision="bf16" if records else "fp32")
    assert "lr" not in str(error.value)


def test_a_held_out_datum_that_overflows_is_named() -> None:
    row = int(vectors_with(0.0, 0).held_out[0])
    data = vectors_with(3e38, row)
    vae = BetaVAE((3,), 2, hidden=[8], likelihood="gaussian")
    with pytest.raises(FloatingPointError, match=rf"on the held-out data .*lies in 1 of 4 data, datum {row} \("):
        fit(vae, data, steps=1, compile=False)


def test_units_that_overflow_are_named_with_what_helps() -> None:
    data = Dataset("large", 1e5 * torch.randn(40, 3), columns=["length", "width", ""])
    vae = BetaVAE((3,), 2, hidden=[8], likelihood="gaussian-optimal")
    with pytest.raises(FloatingPointError, match="the values reach .* in column .*: standardise them") as error:
        fit(vae, data, steps=1, compile=False)
    assert "lr" not in str(error.value)
    standardised = Standardised.of(build("gaussian-optimal", (3,)), data.images[data.train])
    fit(BetaVAE((3,), 2, hidden=[8], likelihood=standardised), data, steps=5, compile=False)


class Broken(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.new_full((len(x), 2), torch.inf), x.new_zeros(len(x), 2)


def test_networks_that_give_no_number_are_looked_at_before_the_learning_rate() -> None:
    vae = BetaVAE((3,), 2, hidden=[8], likelihood="gaussian", encoder=Broken())
    with pytest.raises(FloatingPointError, match="nothing was learnt yet, so look at what the networks"):
        fit(vae, vectors_with(0.0, 0), steps=1, compile=False)


class Grow(Callback):
    def on_step(self, training: Training) -> None:
        next(training.vae.decoder.parameters()).data.fill_(1e38)


def test_steps_that_diverge_are_to_be_smaller(images: Dataset) -> None:
    with pytest.raises(FloatingPointError, match="step 2: .*lower `lr`, or warm it up"):
        fit(new_vae(), images, steps=3, callbacks=[Grow()], compile=False, eval_every=3)


def test_names_of_columns_must_fit() -> None:
    with pytest.raises(ValueError, match=r"2 names of columns do not fit data of shape \(3,\)"):
        Dataset("mine", torch.zeros(4, 3), columns=["a", "b"])


TABLES = ["breast_cancer", "wine", "linnerud"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("change", ["as it is", "times 1e3", "outlier"])
@pytest.mark.parametrize("table", TABLES)
def test_tables_of_scikit_learn_fit(cli: Cli, here: object, table: str, change: str, name: str) -> None:
    from sklearn import datasets

    x = getattr(datasets, f"load_{table}")().data.astype(float) * (1e3 if change == "times 1e3" else 1)
    if change == "outlier":
        x[0, 0] = 1e12
    np.savetxt("a.csv", x, delimiter=",", header=",".join(f"x{i}" for i in range(x.shape[1])), comments="")
    done = cli("fit", "--dataset", "csv:a.csv", "--likelihood", name, "--hidden", "128,128", "--latent-dim", 2,
               "--no-compile", "--no-figures", "--steps", 100, "--out", "run")  # fmt: skip
    assert done.exit_code == 0 or "datum 0 (from 0), with 1e+12 in column 'x0'" in done.output, done.output
    assert (change == "outlier") == ("column 'x0': 1e+12 in line 2 lies" in done.output)


@pytest.mark.parametrize("value", [1e4, 1e20, 3e38])
@pytest.mark.parametrize("is_standardised", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_data_far_from_those_of_the_fit_are_named_or_decoded(name: str, is_standardised: bool, value: float) -> None:
    family = build(name, (3,))
    torch.manual_seed(0)
    vae = BetaVAE((3,), 2, hidden=[8], likelihood=Standardised(family, 1.0, 2.0) if is_standardised else family)
    far = vectors_with(value, row=7).images
    how = "deviations from the mean of the training data" if is_standardised else "where networks want values near 1"
    for act in (codes.encode, generation.reconstruct, partial(generation.reconstruct, draw=True)):
        said = ""
        try:
            act(vae, far)
        except ValueError as error:
            said = str(error)
        reach = f"{value:.4g} in column [:, 1], "
        assert not said or (reach in said and said.endswith(how) and "Expected parameter" not in said)


@pytest.mark.parametrize("command", ["reconstruct", "traverse", "encode"])
def test_a_file_of_data_far_from_the_runs_is_refused_in_a_line(command: str, cli: Cli, here: Path) -> None:
    np.savetxt("a.csv", vectors_with(0.5, 0).images, delimiter=",", header="a,b,c", comments="")
    np.savetxt("far.csv", [[0, 3e38, 0]], delimiter=",", header="a,b,c", comments="")
    options = ("--likelihood", "gaussian-heteroscedastic", "--hidden", 8, "--no-compile", "--steps", 2)
    assert cli("fit", "--dataset", "csv:a.csv", *options, "--out", "run").exit_code == 0
    said = cli(command, "run", "--image", "far.csv", "--out", "out")
    assert said.exit_code == 1, said.output
    assert "the data reach 3e+38 in column [:, 1], " in said.stderr.splitlines()[-1]
    assert "Expected parameter" not in said.stderr
    assert not Path("out.npz").exists()


def test_codes_that_are_not_finite_are_said(
    cli: Cli, digits_run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loc = torch.tensor([[0.0, torch.inf], [0.0, 0.0], [torch.nan, 0.0]])
    encoded = {"z": codes.Codes(loc, torch.ones(3, 2))}
    monkeypatch.setattr("pyro_bvae.codes.encode_sites", lambda *_, **__: encoded)
    said = cli("encode", digits_run.path, "--image", 0, "--out", "out")
    assert "note    2 of 3 codes are not finite: these data lie far from the run's" in said.stderr


def test_latents_far_from_the_prior_are_named() -> None:
    vae = BetaVAE((3,), 64, hidden=[64], likelihood="gaussian")
    with pytest.raises(ValueError, match="is not finite or out of its range: the latents reach 3e\\+38"):
        generation.images_of(vae, torch.full((1, 64), 3e38))
