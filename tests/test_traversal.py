"""A sweep changes one latent and nothing else, and what it shows is what the program says."""

from __future__ import annotations

import pyro.distributions as dist
import pytest
import torch
from torch import Tensor, nn

from pyro_bvae import BetaVAE, traverse
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.generation import images_of, reconstruct, sample
from pyro_bvae.settings.names import BASES
from pyro_bvae.traversal import base, sweep


def test_the_base_code_is_never_changed(vae: BetaVAE) -> None:
    codes = torch.randn(2, 3)
    before = codes.clone()
    result = traverse(vae, codes)
    result.codes.fill_(7.0)
    assert torch.equal(codes, before)


@pytest.mark.parametrize(("low", "high", "columns"), [(-2, 2, 11), (-3, 3, 8), (0, 1.7, 4), (2.5, -2.5, 5), (-1, 1, 2)])
def test_the_ends_are_exactly_the_ends(low: float, high: float, columns: int, vae: BetaVAE) -> None:
    values = traverse(vae, torch.zeros(1, 3), low=low, high=high, columns=columns).values
    assert len(values) == columns
    assert (values[0].item(), values[-1].item()) == pytest.approx((low, high), abs=0, rel=1e-7)
    torch.testing.assert_close(values, -values.flip(0) + low + high)  # centred


def test_the_middle_of_the_default_range_is_exactly_zero(vae: BetaVAE) -> None:
    assert traverse(vae, torch.ones(1, 3)).values[5] == 0


def test_unswept_latents_equal_the_base_and_the_swept_one_the_values() -> None:
    codes, values, latents = torch.randn(4, 6), torch.linspace(-3, 3, 5), [5, 0, 2]
    swept = sweep(codes, latents, values)
    for row, latent in enumerate(latents):
        others = [other for other in range(6) if other != latent]
        assert torch.equal(swept[:, row, :, latent], values.expand(4, 5))
        assert torch.equal(swept[:, row][..., others], codes[:, None, others].expand(4, 5, 5))


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_pictures_are_the_means_of_their_codes(network: str) -> None:
    vae = BetaVAE((1, 16, 16), 3, network=network)
    result = traverse(vae, torch.randn(2, 3), columns=4)
    assert result.images.shape == (2, 3, 4, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(result.images, vae.decode(result.codes).mean)


def test_a_row_passes_through_the_reconstruction_at_the_bases_own_value(vae: BetaVAE) -> None:
    codes = torch.tensor([[0.5, -1.0, 2.0]])
    for latent, own in enumerate(codes[0].tolist()):
        result = traverse(vae, codes, latents=[latent], low=own, high=own, columns=1)
        torch.testing.assert_close(result.images[0, 0, 0], result.reconstructions[0])


def test_draws_are_draws_and_repeat_with_the_seed(vae: BetaVAE) -> None:
    one, again, other = (traverse(vae, torch.zeros(1, 3), draw=True, seed=seed).images for seed in (0, 0, 1))
    assert set(one.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_rows_are_sorted_by_kl_unless_chosen(vae: BetaVAE) -> None:
    kl = [0.5, 2.0, 0.001]
    result = traverse(vae, torch.zeros(1, 3), kl=kl)
    assert (result.latents, result.kl) == ([1, 0, 2], [2.0, 0.5, 0.001])
    chosen = traverse(vae, torch.zeros(1, 3), kl=kl, latents=[2, 1])
    assert (chosen.latents, chosen.kl) == ([2, 1], [0.001, 2.0])
    assert traverse(vae, torch.zeros(1, 3)).latents == [0, 1, 2]


@pytest.mark.parametrize("kind", BASES)
def test_every_base_has_its_codes(kind: str, vae: BetaVAE, images: Dataset) -> None:
    count = 1 if kind == "prior" else 3
    start = base(vae, images.images, kind, count=count)
    assert start.codes.shape == (count, 3)
    assert (start.originals is not None) == ("image" in kind)
    if start.originals is not None:
        torch.testing.assert_close(start.codes, encode(vae, start.originals).loc)


def test_an_image_base_is_the_image_that_was_asked_for(vae: BetaVAE, images: Dataset) -> None:
    assert torch.equal(base(vae, images.images, image=7, count=2).originals, images.images[7:9])


def test_the_prior_base_is_the_priors_mean(images: Dataset) -> None:
    class Shifted(nn.Module):
        def forward(self) -> dist.TorchDistribution:
            return dist.Normal(torch.full((3,), 1.5), 1.0).to_event(1)

    vae = BetaVAE((1, 16, 16), 3, prior=Shifted())
    assert base(vae, images.images, "prior").codes.tolist() == [[1.5, 1.5, 1.5]]


def test_random_bases_come_from_the_prior_and_not_from_half_of_it(vae: BetaVAE, images: Dataset) -> None:
    codes = base(vae, images.images, "random-z", count=5000).codes
    assert codes.mean().abs() < 0.05
    assert codes.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latents": [3]}, "latents must lie in 0 to 2, got 3"),
        ({"latents": [-1]}, "latents must lie in 0 to 2, got -1"),
        ({"columns": 0}, "columns must be at least 1"),
        ({"latents": []}, "choose at least one latent"),
        ({"low": float("nan")}, "the range must be finite"),
        ({"kl": [0.1]}, "kl must have a value for each of the 3 latents, got 1"),
        ({"kl": [0.1] * 4}, "kl must have a value for each of the 3 latents, got 4"),
    ],
)
def test_wrong_sweeps_are_refused(options: dict, message: str, vae: BetaVAE) -> None:
    with pytest.raises(ValueError, match=message):
        traverse(vae, torch.zeros(1, 3), **options)
    for shape in ((1, 4), (3,), (1, 1, 3)):
        with pytest.raises(ValueError, match="codes must have 3 latents"):
            traverse(vae, torch.zeros(shape))


def test_wrong_bases_are_refused(vae: BetaVAE, images: Dataset) -> None:
    with pytest.raises(ValueError, match="unknown base 'imag': did you mean 'image'"):
        base(vae, images.images, "imag")
    with pytest.raises(ValueError, match="there are 60 images"):
        base(vae, images.images, image=60)
    with pytest.raises(ValueError, match="count must be at most 60"):
        base(vae, images.images, "random-image", count=61)
    with pytest.raises(ValueError, match="count must be at least 1"):
        base(vae, images.images, count=0)


def test_what_is_generated_does_not_depend_on_the_batches(vae: BetaVAE, images: Dataset) -> None:
    z = torch.randn(5, 7, 3)
    torch.testing.assert_close(images_of(vae, z, batch_size=4), images_of(vae, z))
    torch.testing.assert_close(encode(vae, images.images, batch_size=7).loc, encode(vae, images.images).loc)
    one, other = reconstruct(vae, images.images, batch_size=7), reconstruct(vae, images.images)
    torch.testing.assert_close(one[1], other[1])


def test_reconstructions_are_means_of_means_or_draws(vae: BetaVAE, images: Dataset) -> None:
    x = pixels(images.images)
    codes, means = reconstruct(vae, images.images)
    with torch.no_grad():
        torch.testing.assert_close(codes, vae.encode(x).mean)
        torch.testing.assert_close(means, vae.decode(codes).mean)
    drawn_codes, drawn = reconstruct(vae, images.images, draw=True)
    assert not torch.equal(drawn_codes, codes)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}


def test_samples_are_images_of_prior_draws(vae: BetaVAE) -> None:
    z, images = sample(vae, 2500, batch_size=1000)
    assert (z.shape, images.shape) == ((2500, 3), (2500, 1, 16, 16))
    torch.testing.assert_close(images, images_of(vae, z))
    assert len(z.unique(dim=0)) == 2500


def test_codes_are_those_of_the_guide(vae: BetaVAE, images: Dataset) -> None:
    codes = encode(vae, images.images)
    draws: list[Tensor] = [vae.guide(pixels(images.images)) for _ in range(2000)]
    stack = torch.stack(draws)
    assert (stack.mean(0) - codes.loc).abs().max() < 6 * codes.scale.max() / 2000**0.5
    torch.testing.assert_close(stack.std(0), codes.scale, rtol=0.15, atol=0)


def test_more_images_than_memory_holds_are_refused_before_they_are_made(vae: BetaVAE) -> None:
    with pytest.raises(ValueError, match="10,000,000 of 1×16×16 are more than .*: at most 3,906,250"):
        sample(vae, 10_000_000)
