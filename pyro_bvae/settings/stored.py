"""What the files of a run hold, key by key: declared once, and checked when a file is read.

The settings in a config.json are those that `options` declares. The other facts are declared here in the same way, and
so is a line of history.jsonl. A fact without a default is in every file; the default of another is what it means in an
older run. Keys that nobody declares are notes of the user, and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from math import prod
from typing import Annotated, Any

from .declared import Option, Range, options_of
from .options import DATA_OPTIONS, OPTIONS
from .words import brief

__all__ = ["FACTS", "FORMAT", "OF_A_CONFIG", "OF_A_LINE", "check_config", "check_format", "check_line", "misspelt"]

MOST_VALUES = 10**9  # of a datum
WHOLE = Range(least=0, most=10**18)
OF_A_CUSTOM_PART = {  # settings that a class of one's own replaces
    "likelihood": ("likelihood", "scale", "mean_link"),
    "prior": ("prior",),
    "posterior": ("posterior",),
}
Numbers = list[float]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a config.json says beside the settings."""

    format: Annotated[str, "The format of the run folder."]
    dataset: Annotated[str, "The data."]
    can_be_loaded: Annotated[bool, "Whether the data can be loaded again by their name."]
    fingerprint: Annotated[str, "SHA-256 of the data."]
    shape: Annotated[tuple[int, ...], "Shape of a datum.", Range(least=1, most=MOST_VALUES)]
    custom: Annotated[dict[str, str], "Parts that are classes of one's own."]
    beta: Annotated[float, "β at the start.", OPTIONS["beta"].limits]
    likelihood: Annotated[str, "Family of p(x|z).", OPTIONS["likelihood"].limits]
    latent_dim: Annotated[int, "Number of latents, K.", OPTIONS["latent_dim"].limits]
    seed: Annotated[int, "Seed of the fit.", OPTIONS["seed"].limits]
    elbo: Annotated[str, "What was minimised."]
    command: Annotated[str | None, "The command line."]
    beta_norm: Annotated[float | None, "βK/M.", Range(least=0)] = None
    source: Annotated[str | None, "Where the data come from."] = None
    covariance: Annotated[list[Numbers] | None, "That of the data, where it is known."] = None
    read_levels: Annotated[Numbers | None, "The grey levels of its data that became 0 and 1."] = None
    columns: Annotated[list[str] | None, "The names of the values of a vector."] = None
    train_images: Annotated[int, "Training data.", WHOLE] = 0
    held_out_images: Annotated[int, "Held-out data.", WHOLE] = 0
    ran_on: Annotated[str | None, "The device."] = None
    program_options: Annotated[dict[str, Any] | None, "Options of the programs that follow from the data."] = None
    program_sha256: Annotated[str | None, "SHA-256 of the file that holds the programs, where one does."] = None
    ranks: Annotated[int, "The processes that took it together.", Range(least=1, most=10**6)] = 1
    versions: Annotated[dict[str, str] | None, "Of the packages."] = None
    compile_because: Annotated[str, "Why the step is compiled, or not."] = "an older version of this package did not"
    recipe: Annotated[str | None, "The published experiment."] = None
    latents: Annotated[list[str], "What each KL is of, where there are other sites than z."] = None  # type: ignore[assignment]
    weights: Annotated[dict[str, float], "Scales of sites."] = None  # type: ignore[assignment]
    resumed: Annotated[list[str | None], "The command lines that went on with the run."] = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """A line of history.jsonl; nats an image."""

    step: Annotated[int, "Steps taken.", WHOLE]
    epoch: Annotated[float, "Passes over the data.", Range(least=0)]
    beta: Annotated[float, "β of the moment.", Range(least=0)]
    loss: Annotated[float, "In training."]
    distortion: Annotated[float, "In training."]
    rate: Annotated[float, "In training."]
    kl_per_latent: Annotated[Numbers | None, "In training."]
    seconds: Annotated[float, "Of training.", Range(least=0)]
    images_per_second: Annotated[float, "In training.", Range(least=0)]
    held_out_elbo: Annotated[float, "Of held-out data."]
    held_out_distortion: Annotated[float, "Of held-out data."]
    held_out_rate: Annotated[float, "Of held-out data."]
    held_out_kl_per_latent: Annotated[Numbers | None, "Of held-out data."]
    coefficients: Annotated[dict[str, float], "Of the objective."] = None  # type: ignore[assignment]
    distortions: Annotated[dict[str, float], "By site, in training."] = None  # type: ignore[assignment]
    rates: Annotated[dict[str, float], "By site, in training."] = None  # type: ignore[assignment]
    held_out_distortions: Annotated[dict[str, float], "By site, of held-out data."] = None  # type: ignore[assignment]
    held_out_rates: Annotated[dict[str, float], "By site, of held-out data."] = None  # type: ignore[assignment]


OF_A_CONFIG: dict[str, Option] = {**OPTIONS, **options_of(RunFacts)}
OF_A_LINE: dict[str, Option] = options_of(HistoryLine)
FACTS = tuple(name for name, option in OF_A_CONFIG.items() if option.default is MISSING)  # that every config has
FORMAT = "pyro-bvae run 1"


def check_format(config: Any, where: object) -> None:
    """Make sure that a file is a config.json of this package, whatever its values are.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ValueError(f"{where} is not the config.json of a run: it is not of the format {FORMAT!r}")


def check_config(config: Any, where: object) -> dict[str, Any]:
    """The content of a config.json, if it is one.

    Args:
        config: What the file holds.
        where: The file, for the message.

    Raises:
        ValueError: It is of another format, lacks a fact, or a value is of another kind than wanted or out of range.
    """
    check_format(config, where)
    custom = config.get("custom")
    replaced = {name for part in custom for name in OF_A_CUSTOM_PART.get(part, ())} if isinstance(custom, dict) else ()
    # a config names all options of data, also those that its data set does not have
    absent = {name for name in DATA_OPTIONS if config.get(name) is None}
    try:
        _check(config, {name: option for name, option in OF_A_CONFIG.items() if name not in {*replaced, *absent}})
        if prod(config["shape"]) > MOST_VALUES:
            raise ValueError(f"shape must hold at most {MOST_VALUES:,} values, got {brief(config['shape'])}")
    except ValueError as error:
        raise ValueError(f"{where} is damaged: {error}") from error
    return config


def check_line(line: Any) -> dict[str, Any]:
    """A line of history.jsonl, if it is one.

    Raises:
        ValueError: It is none, lacks a number, or a value is of another kind than wanted or out of range.
    """
    if not isinstance(line, dict):
        raise ValueError(f"an object is wanted, got {brief(line)}")
    _check(line, OF_A_LINE)
    return line


def misspelt(config: Mapping[str, Any]) -> list[str]:
    """The keys that are no settings, each with the setting that its name is near to, if that is not there itself."""
    near = {
        name: get_close_matches(name, OPTIONS.keys() - config.keys(), 1, 0.75) for name in config.keys() - OF_A_CONFIG
    }
    return [f"{brief(name)} is no setting; did you mean {names[0]!r}?" for name, names in sorted(near.items()) if names]


def _check(content: Mapping[str, Any], declared: Mapping[str, Option]) -> None:
    lacking = [name for name, option in declared.items() if option.default is MISSING and name not in content]
    if lacking:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    for name in declared.keys() & content.keys():
        try:
            declared[name].check_stored(content[name])
        except ValueError as error:
            named = "" if name in str(error) else f"{name}: "
            raise ValueError(f"{named}{error}") from error
