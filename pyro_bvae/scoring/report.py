"""Scores as files and figures: a json, a csv, and pictures of which latent follows which factor.

NAME.json   how scores were taken, a summary of each label, and all rows
NAME.csv    a row for each representation and repeat, with how it was taken
NAME-correlations.png   of five runs or more, the rank correlations of scores
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .. import plots
from ..codes import encode
from ..datasets import Dataset, Progress, Rows
from ..files import write_csv, write_json
from ..generation import reconstructed_site
from ..metrics import PROTOCOLS, dci, mutual_information, one_to_one
from ..metrics.arrays import as_classes, varying
from ..metrics.infomec import nearest_information
from ..metrics.information import entropies
from ..metrics.sampling import columns_of, how_drawn
from ..model import BetaVAE
from ..plots.bounds import most_active
from ..plots.labels import is_active
from ..runs.run import Run
from ..settings.shown import finite
from ..terms import ACTIVE_ABOVE, mean_terms
from ..traversal import base, class_names, traverse
from .correlations import RankCorrelations, rank_correlations
from .draws import INFORMATION_POINTS
from .of_samples import kinds_of_data
from .ranking import RankedRun
from .registry import METRICS
from .rows import ScoreRow
from .scores import MOST_LATENTS
from .settings import ScoreSettings, names_of_factors, of_factors
from .summaries import summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ProtocolUsed",
    "content",
    "draw_correlations",
    "draws_by_factor",
    "factors_followed",
    "figures",
    "followed",
    "protocols",
    "save",
]

NOT_IN_CSV = ("kl_per_latent", "missing", "site")
MOST_DRAWN = 15_000  # data that figures are drawn from
FOLLOWS_ABOVE = 0.1  # share of a factor's entropy above which a latent follows it
LEAST_ENTROPY = 1e-12  # nats, so that a constant factor divides by no 0


@dataclass(frozen=True)
class ProtocolUsed:
    """How the β-VAE metric was taken.

    Attributes:
        protocol: A key of `metrics.PROTOCOLS`.
        factors: Names of the factors that pairs share.
        pairs: Pairs a point.
        points: Points that the classifier was fitted to.
        test_points: Points that it was scored on.
        classifier: The classifier, in words.
    """

    protocol: str
    factors: list[str]
    pairs: int
    points: int
    test_points: int
    classifier: str


def protocols(data: Dataset, columns: Container[str]) -> dict[str, ProtocolUsed]:
    """How the β-VAE metric was taken in each of the columns that hold it."""
    if data.factors is None:
        return {}
    classes, names = as_classes(data.factors), names_of_factors(data)
    used = {}
    for column, key in ((name, metric.protocol) for name, metric in METRICS.items()):
        if key is not None and column in columns:
            protocol = PROTOCOLS[key]
            shared = [names[factor] for factor in columns_of(classes, names, protocol.leaves_out)]
            used[column] = ProtocolUsed(
                key, shared, protocol.pairs, protocol.points, protocol.test_points, protocol.classifier
            )
    return used


def draws_by_factor(data: Dataset, columns: Container[str]) -> dict[str, str]:
    """How data that share a factor were drawn, of each of the columns whose metric draws such data."""
    names = [
        name for name, metric in METRICS.items() if metric.draws_by_factor and metric.repeats_differ and name in columns
    ]
    return dict.fromkeys(names, how_drawn(data.factors)) if names and data.factors is not None else {}


def content(
    rows: Sequence[ScoreRow], data: Dataset, ranked: Sequence[RankedRun] = (), settings: ScoreSettings | None = None
) -> dict[str, Any]:
    """The content of the json: how metrics were taken, the summary of each label, and all rows.

    Runs stand there in their order, where they were ranked, and of five runs or more the rank correlations of scores.
    """
    correlations = rank_correlations(rows)
    return {
        "settings": (settings or ScoreSettings()).as_dict(data),
        "draws": draws_by_factor(data, rows[0].scores),
        "protocols": {column: asdict(used) for column, used in protocols(data, rows[0].scores).items()},
        "summary": [summary.as_dict() for summary in summarise(rows)],
        **({"ranking": [one.as_dict() for one in ranked]} if ranked else {}),
        **({} if correlations is None else {"rank_correlations": correlations.as_dict()}),
        "scores": [row.as_dict() for row in rows],
    }


def save(
    stem: Path,
    rows: Sequence[ScoreRow],
    data: Dataset,
    ranked: Sequence[RankedRun] = (),
    settings: ScoreSettings | None = None,
) -> list[Path]:
    """Write ``stem``.json and ``stem``.csv.

    Returns:
        The files.
    """
    files = [stem.with_name(f"{stem.name}.{ending}") for ending in ("json", "csv")]
    written = content(rows, data, ranked, settings)
    write_json(files[0], finite(written))
    how = written["settings"] | {"factors": ",".join(written["settings"]["factors"])}
    lines = [row.as_dict() | how for row in rows]
    columns = dict.fromkeys(name for line in lines for name in line if name not in NOT_IN_CSV)
    write_csv(files[1], lines, list(columns))
    return files


def draw_correlations(
    stem: Path, correlations: RankCorrelations, figure_format: str = "png", figure_width: str | float | None = None
) -> list[Path]:
    """Write ``stem``-correlations, a table of the rank correlations of scores.

    Returns:
        The file; none where it cannot be written, with a warning.
    """
    drawn = plots.rank_correlations(correlations.table, correlations.columns, correlations.note)
    return plots.save_figures({f"{stem.name}-correlations": drawn}, stem.parent, figure_format, figure_width)


def figures(run: Run, site: str | None = None, settings: ScoreSettings | None = None) -> dict[str, Figure]:
    """Which latent follows which factor.

    Args:
        run: Fitted to data with factors.
        site: The latent site, see `codes.code_site`.
        settings: How scores are taken; codes are the means of q(z | x).

    Returns:
        ``information``, a heat map of mutual information; where there are 2 to 256 latents and two factors that vary
        heat maps ``importances`` of DCI, if it can be taken, ``nearest_information`` of InfoMEC and ``one_to_one`` of
        folds; ``responses``, the mean code against each factor; and for images ``factor_traversal``, a traversal whose
        rows name the factor that the latent follows.
    """
    settings = settings or ScoreSettings()
    data = of_factors(run.dataset(), settings.factors)
    held_out = data.rows(data.held_out)
    site = reconstructed_site(run.model, held_out, site)
    codes, factors, shares = _information(run.model, data, site=site, binning=settings.bins)
    kl = mean_terms(run.model, held_out, batch_size=100).kl_of(site)
    names, units = (
        names_of_factors(data),
        [] if site == "z" else [f"{site}[{number}]" for number in range(codes.shape[1])],
    )
    what = "mutual information, share of the factor's entropy"
    drawn = {"information": plots.heat_map(shares, names, what, kl, units)}
    if 1 < codes.shape[1] <= MOST_LATENTS and varying(factors).sum() > 1:
        with suppress(ValueError):  # too few points of a value, say; `score` has the reason beside the missing number
            importances = dci(codes, factors, booster=settings.booster).importances
            drawn["importances"] = plots.heat_map(importances, names, "importance for boosted trees (DCI)", kl, units)
        some = np.random.default_rng(0).permutation(len(codes))[:INFORMATION_POINTS]  # they lie in order
        drawn |= _heat_maps(codes[some], factors[some], data, kl, units)
    drawn["responses"] = plots.responses(codes, factors, names, kl, units)
    if data.is_images and class_names(run.model, site, data) is None:
        drawn["factor_traversal"] = _traversal(run, held_out, site, kl, followed(shares, names))
    return drawn


def _heat_maps(
    codes: np.ndarray, factors: np.ndarray, data: Dataset, kl: Sequence[float] | None, units: Sequence[str]
) -> dict[str, Figure]:
    """What InfoMEC and the score of folds are taken of."""
    names, what = names_of_factors(data), "information by nearest neighbours, share of the factor's entropy"
    nearest = nearest_information(codes, factors) / np.maximum(entropies(factors), LEAST_ENTROPY)
    table = one_to_one(codes, factors, kinds=kinds_of_data(data)).table
    return {
        "nearest_information": plots.heat_map(nearest, names, what, kl, units),
        "one_to_one": plots.heat_map(table, names, "one to one, of factors that a latent holds", kl, units),
    }


def factors_followed(
    vae: BetaVAE, data: Dataset, kl: Sequence[float] | None, progress: Progress | None = None
) -> list[str]:
    """The factor that each latent follows, as the figures have it; "" for inactive latents, and those that follow none.

    Args:
        vae: The programs.
        data: Data with factors.
        kl: Mean KL of each latent in nats; None where it is not known.
        progress: Called while data are encoded.
    """
    names = followed(_information(vae, data, progress)[2], names_of_factors(data))
    return [name if kl is None or kl[latent] > ACTIVE_ABOVE else "" for latent, name in enumerate(names)]


def _information(
    vae: BetaVAE,
    data: Dataset,
    progress: Progress | None = None,
    site: str | None = None,
    binning: str = "width",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes ``(N, K)`` and factors ``(N, F)`` of some data, and their information, a share of the factor's entropy."""
    index = np.sort(np.random.default_rng(0).permutation(len(data))[:MOST_DRAWN])
    factors = as_classes(data.factors[index])  # type: ignore[index]  # they are there
    codes = encode(vae, data.rows(torch.from_numpy(index)), site=site, progress=progress).loc.numpy()
    return (
        codes,
        factors,
        mutual_information(codes, factors, binning=binning) / np.maximum(entropies(factors), LEAST_ENTROPY),
    )


def followed(shares: np.ndarray, names: Sequence[str]) -> list[str]:
    """The factor that each latent has most information about; "" where that is at most a tenth of its entropy.

    Args:
        shares: Mutual information as a share of the factor's entropy, ``(K, F)``.
        names: The factors, F of them.

    Returns:
        K names.

    >>> followed(np.array([[0.5, 0.2], [0.0, 0.05]]), ["x", "y"])
    ['x', '']
    """
    return [names[row.argmax()] if row.max() > FOLLOWS_ABOVE else "" for row in shares]


def _traversal(run: Run, held_out: Rows, site: str, kl: list[float] | None, notes: Sequence[str]) -> Figure:
    latents = None if kl is None else most_active(kl)
    start = base(run.model, held_out, site=site)
    sweep = traverse(run.model, start, latents=latents, kl=kl, names=run.latent_names if site == "z" else None)
    notes = [notes[latent] if is_active(sweep, row) else "" for row, latent in enumerate(sweep.latents)]
    return plots.traversal(sweep, notes=notes)
