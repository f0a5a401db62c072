"""What scores come to: means with their spread, a csv and a json, and pictures of which latent follows which factor.

    NAME.json   protocols, every representation's numbers a repeat, and their summary
    NAME.csv    one row a representation and repeat

A repeat is another draw of points, pairs and splits on the same codes; a run is another seed of the fit. The interval
is Student's, of the mean over runs, at 95%: mean ± t · deviation/√runs. It knows nothing of the range of a score, and
may leave it where runs are few: then it says that they are too few.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as students_t
from torch import Tensor

from .. import plots
from ..codes import encode
from ..datasets import Dataset
from ..files import write_csv, write_json
from ..metrics import PROTOCOLS, dci, mutual_information
from ..metrics.arrays import as_classes, varying
from ..metrics.information import entropies
from ..metrics.sampling import columns_of
from ..runs.run import Run
from ..terms import ACTIVE_ABOVE, mean_terms
from ..traversal import base, traverse
from .registry import METRICS, score_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures", "followed", "protocols", "save", "summarise"]

NO_COLUMNS = ("kl_per_latent", "missing")  # of a csv
NOT_SCORES = ("label", "run", "seed", "repeat", *NO_COLUMNS)
SHOWN = 15_000  # data that figures are drawn from
FOLLOWS = 0.1  # share of a factor's entropy above which a latent is said to follow it


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each score of each label over its runs and repeats, in the order of the rows.

    Returns:
        A mapping a label: ``label``, ``runs``, ``repeats``; ``kl_per_latent``, a list a run (none for baselines), mean
        over held-out data, nats; ``scores``: for each column ``mean``; ``repeats``, the standard deviation over
        repeats, mean over runs; ``runs``, the deviation of the runs' means; and ``interval``, 95% for the mean over
        runs, None where there are not two to compare or repeats draw nothing; None for a score that one of them does
        not have; and ``missing``, why not, by column.
    """
    repeated = score_columns([name for name, metric in METRICS.items() if metric.repeats_differ])
    found = []
    for label in dict.fromkeys(row["label"] for row in rows):
        group = [row for row in rows if row["label"] == label]
        columns = [name for name in group[0] if name not in NOT_SCORES]
        runs = [[row for row in group if (row["run"], row["seed"]) == key] for key in _keys(group)]
        scores = {name: _spread([[row[name] for row in run] for run in runs], name in repeated) for name in columns}
        missing = {name: reason for row in reversed(group) for name, reason in row["missing"].items()}
        kl = [run[0]["kl_per_latent"] for run in runs if run[0]["kl_per_latent"] is not None]
        numbers = {"runs": len(runs), "repeats": len(runs[0]), "kl_per_latent": kl}
        found.append({"label": label, **numbers, "scores": scores, "missing": missing})
    return found


def protocols(data: Dataset, columns: Container[str]) -> dict[str, dict[str, Any]]:
    """How the β-VAE metric was taken in each of its columns: protocol, factors, pairs, points and classifier."""
    if data.factors is None:
        return {}
    classes, names = as_classes(data.factors), _names(data)
    found = {}
    for column, key in ((name, metric.protocol) for name, metric in METRICS.items()):
        if key is None or column not in columns:
            continue
        settings = PROTOCOLS[key]
        asked = [names[factor] for factor in columns_of(classes, names, settings.leaves_out)]
        found[column] = {"protocol": key, "factors": asked, "pairs": settings.pairs, "points": settings.points,
                         "test_points": settings.test_points, "classifier": settings.classifier}  # fmt: skip
    return found


def save(stem: Path, rows: Sequence[Mapping[str, Any]], data: Dataset) -> list[Path]:
    """Write ``stem``.json and ``stem``.csv.

    Returns:
        The files.
    """
    files = [stem.with_name(f"{stem.name}.{ending}") for ending in ("json", "csv")]
    content = {"protocols": protocols(data, rows[0]), "summary": summarise(rows), "scores": list(rows)}
    write_json(files[0], content)
    write_csv(files[1], rows, [name for name in rows[0] if name not in NO_COLUMNS])
    return files


def figures(run: Run) -> dict[str, Figure]:
    """Which latent follows which factor: ``information``, ``importances``, ``responses``, ``factor_traversal``.

    Args:
        run: Fitted to data with factors.

    Returns:
        Mutual information and DCI's importances as heat maps, the mean code against each factor, and a traversal whose
        rows name the factor they follow; importances where two latents and two factors vary, the last for images alone.
    """
    data = run.dataset()
    index = np.sort(np.random.default_rng(0).permutation(len(data))[:SHOWN])
    factors = as_classes(data.factors[index])  # type: ignore[index]  # they are there
    codes = encode(run.model, data.images[index]).loc.numpy()
    held_out = data.images[data.held_out]
    kl = mean_terms(run.model, held_out, batch_size=100).kl_per_latent
    shares = mutual_information(codes, factors) / np.maximum(entropies(factors), 1e-12)
    names = _names(data)
    drawn = {"information": plots.heat_map(shares, names, "mutual information, share of the factor's entropy", kl)}
    if run.model.latent_dim > 1 and varying(factors).sum() > 1:
        importances = dci(codes, factors).importances
        drawn["importances"] = plots.heat_map(importances, names, "importance for boosted trees (DCI)", kl)
    drawn["responses"] = plots.responses(codes, factors, names, kl)
    if data.is_images:
        drawn["factor_traversal"] = _traversal(run, held_out, kl, followed(shares, names))
    return drawn


def followed(shares: np.ndarray, names: Sequence[str]) -> list[str]:
    """The factor that each latent knows most of, from shares of the factors' entropies ``(K, F)``; "" below a tenth.

    >>> followed(np.array([[0.5, 0.2], [0.0, 0.05]]), ["x", "y"])
    ['x', '']
    """
    return [names[row.argmax()] if row.max() > FOLLOWS else "" for row in shares]


def _traversal(run: Run, held_out: Tensor, kl: list[float] | None, notes: Sequence[str]) -> Figure:
    sweep = traverse(run.model, base(run.model, held_out), kl=kl)
    active = [kl is None or kl[latent] > ACTIVE_ABOVE for latent in sweep.latents]
    said = [notes[latent] if is_active else "" for latent, is_active in zip(sweep.latents, active, strict=True)]
    return plots.traversal(sweep, notes=said)


def _names(data: Dataset) -> list[str]:
    assert data.factors is not None
    return list(data.factor_names or [f"factor {column}" for column in range(data.factors.shape[1])])


def _keys(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, Any]]:
    return list(dict.fromkeys((row["run"], row["seed"]) for row in rows))


def _spread(values: Sequence[Sequence[float | None]], repeated: bool) -> dict[str, Any] | None:
    """Of numbers a run and repeat; ``repeated`` where repeats draw anything."""
    if any(value is None for run in values for value in run):
        return None
    runs = [[value for value in run if value is not None] for run in values]
    means = [mean(run) for run in runs]
    within = mean(stdev(run) for run in runs) if len(runs[0]) > 1 and repeated else None
    if len(runs) < 2:
        return {"mean": means[0], "repeats": within, "runs": None, "interval": None}
    half = float(students_t.ppf(0.975, len(runs) - 1)) * stdev(means) / len(runs) ** 0.5
    centre = mean(means)
    return {"mean": centre, "repeats": within, "runs": stdev(means), "interval": [centre - half, centre + half]}
