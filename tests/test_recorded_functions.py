"""What is encoded and evaluated by way of a graph is what the programs give."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pyro
import pyro.distributions as dist
import pytest
import torch
from programs import FAMILY, SHAPE
from torch import Tensor, nn

from pyro_bvae import BetaVAE, codes
from pyro_bvae.compiled.functions import RecordedFunction
from pyro_bvae.likelihoods import LIKELIHOODS
from pyro_bvae.terms import evaluation_mode, mean_terms

batches = import_module("pyro_bvae.terms.batches")  # the package has a function of that name

IMAGES = torch.randint(0, 256, (23, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BATCH = 10  # the last one is shorter


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[RecordedFunction]:
    """All functions are recorded, however few the data are; the list holds them."""
    made: list[RecordedFunction] = []

    class Kept(RecordedFunction):
        def __init__(self, function: Callable[..., object], module: nn.Module) -> None:
            super().__init__(function, module)
            made.append(self)

    monkeypatch.setattr(batches, "RecordedFunction", Kept)
    monkeypatch.setattr(batches, "FEWEST_VALUES", 0)
    return made


def results(vae: BetaVAE, images: Tensor = IMAGES) -> list[Tensor]:
    """Codes and terms."""
    encoded = codes.encode(vae, images, batch_size=BATCH)
    terms = mean_terms(vae, images, batch_size=BATCH)
    return [encoded.loc, encoded.scale, torch.tensor([terms.distortion, terms.rate, *(terms.kl_per_latent or [])])]


def check_the_same(vae: BetaVAE, graphs: list[RecordedFunction], monkeypatch: pytest.MonkeyPatch) -> None:
    """That graphs give what the programs give, one for each of the functions."""
    ours = results(vae)
    monkeypatch.setattr(batches, "FEWEST_VALUES", 10**9)
    assert len(graphs) == 2
    for mine, theirs in zip(ours, results(vae), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-6)
    assert len(graphs) == 2


@pytest.mark.parametrize("name", list(FAMILY))
def test_graphs_of_a_program_give_what_it_gives(
    name: str, graphs: list[RecordedFunction], monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = FAMILY[name]()
    check_the_same(vae, graphs, monkeypatch)
    kept = name == "parameters in a list"
    assert [graph.reason is not None for graph in graphs] == [kept, kept]


@pytest.mark.parametrize("likelihood", list(LIKELIHOODS))
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_graphs_of_all_likelihoods_give_what_they_give(
    likelihood: str, network: str, graphs: list[RecordedFunction], monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = BetaVAE(SHAPE, 3, likelihood=likelihood, network=network, hidden=(20,))
    check_the_same(vae, graphs, monkeypatch)
    assert [graph.reason for graph in graphs] == [None, None]


class FullCovariance(BetaVAE):
    def encode(self, x: Tensor) -> dist.TorchDistribution:
        loc, log_variance = self.encoder(self.standardise(x))
        lower = torch.eye(self.latent_dim).to(x) * 0.5
        return dist.MultivariateNormal(loc, scale_tril=lower + torch.diag_embed((0.5 * log_variance).exp()))


class Flow(BetaVAE):
    """Its posterior has no mean in closed form, which is estimated by draws."""

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        base = dist.Normal(*self.encoder(x)[:1], 1.0).to_event(1)
        return dist.TransformedDistribution(base, [dist.transforms.TanhTransform()])


class TwoDraws(BetaVAE):
    """A guide of its own, which draws before it draws z."""

    def guide(self, x: Tensor) -> Tensor:
        self.register()
        noise = 0.1 * torch.randn_like(x)
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            return pyro.sample("z", self.encode((x + noise).clamp(0, 1)))


class Branching(BetaVAE):
    """It looks at values, which a graph cannot."""

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        return super().encode(1 - x if x.mean() > 0.5 else x)


class Counting(BetaVAE):
    """It changes a buffer."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.register_buffer("calls", torch.zeros(()))

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        self.calls += 1
        return super().encode(x)


class Remembering(BetaVAE):
    """What it gives depends on how often it was called."""

    calls = 0

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        self.calls += 1
        return super().encode(x / self.calls)


@pytest.mark.parametrize("kind", [FullCovariance, Flow, TwoDraws])
def test_graphs_of_other_posteriors_give_what_they_give(
    kind: type[BetaVAE], graphs: list[RecordedFunction], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_the_same(kind(SHAPE, 3, hidden=(20,)), graphs, monkeypatch)
    assert [graph.reason for graph in graphs] == [None, None]


@pytest.mark.parametrize(
    ("kind", "reason"), [(Branching, "data-dependent|Data"), (Counting, "changes calls"), (Remembering, "else")]
)
def test_what_cannot_be_recorded_is_called(kind: type[BetaVAE], reason: str, graphs: list[RecordedFunction]) -> None:
    vae = kind(SHAPE, 3, hidden=(20,))
    codes.encode(vae, IMAGES, batch_size=BATCH)
    assert len(graphs) == 1
    assert graphs[0].reason is not None
    assert any(part in graphs[0].reason for part in reason.split("|")), graphs[0].reason


def test_a_graph_reads_weights_and_modes_anew() -> None:
    layer = nn.Sequential(nn.Linear(4, 5), nn.Dropout())
    graph, x = RecordedFunction(lambda x: (layer(x), {"twice": 2 * layer[0](x)}), layer.eval()), torch.randn(3, 4)
    graph(x)
    with torch.no_grad():
        layer[0].weight.mul_(2)
    layer[0].bias = nn.Parameter(torch.ones(5))
    result, named = graph(x)
    torch.testing.assert_close(result, layer(x))
    torch.testing.assert_close(named["twice"], 2 * layer(x))
    layer.train()
    assert (graph(x)[0] == 0).any()
    assert graph.reason is None


def test_models_in_double_precision_stay_so(graphs: list[RecordedFunction]) -> None:
    vae = BetaVAE(SHAPE, 3, network="conv").double()
    loc = codes.encode(vae, IMAGES, batch_size=BATCH).loc
    with evaluation_mode(vae, 0):
        expected = vae.encode(IMAGES.double() / 255).mean
    assert loc.dtype == torch.float64
    assert graphs[0].reason is None
    torch.testing.assert_close(loc, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 11])
def test_any_number_of_data_can_be_encoded_by_a_graph(size: int, graphs: list[RecordedFunction]) -> None:
    vae = BetaVAE(SHAPE, 3, network="conv")
    torch.testing.assert_close(
        codes.encode(vae, IMAGES[:size], batch_size=BATCH).loc, codes.encode(vae, IMAGES).loc[:size]
    )
    assert len(graphs) == 2


def test_what_is_not_finite_raises_as_the_programs_do(graphs: list[RecordedFunction]) -> None:
    vae = BetaVAE(SHAPE, 3, hidden=(20,))
    images = IMAGES / 255.0
    images[15] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        codes.encode(vae, images, batch_size=BATCH)
    assert graphs[0].reason is None


def test_a_graph_draws_what_the_function_draws() -> None:
    graph = RecordedFunction(lambda x: x + torch.randn_like(x), nn.Identity())
    x = torch.zeros(4)
    torch.manual_seed(0)
    ours = [graph(x) for _ in range(3)]
    torch.manual_seed(0)
    assert all(torch.equal(mine, torch.randn(4)) for mine in ours)
    assert graph.reason is None


def test_batches_in_a_graph_have_a_largest_tensor_that_is_kept(graphs: list[RecordedFunction]) -> None:
    for options, expected in (({"network": "conv"}, 128), ({"hidden": (8192, 20)}, 512), ({"hidden": (20,)}, 1024)):
        vae, sizes = BetaVAE((1, 64, 64), 3, **options), []
        images = torch.zeros(1100, 1, 64, 64, dtype=torch.uint8)
        codes.encode(vae, images, progress=lambda _, done, __, sizes=sizes: sizes.append(done))
        assert sizes[0] == expected
    assert len(graphs) == 3
