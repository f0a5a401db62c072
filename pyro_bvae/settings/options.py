"""All settings of a fit, as a command line types them and a config.json keeps them: data, model, training, figures.

Those of the training are checked wherever they come from; those of data, model and figures are declared here for the
command line, and checked by what they are for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from .declared import OneOf, Option, Parsed, Range, check_values, options_of, unwrapped
from .names import (
    ACTIVATIONS,
    BASES,
    FIGURE_FORMATS,
    FRAMES,
    LIKELIHOODS,
    MEAN_LINKS,
    NETWORKS,
    POSTERIORS,
    PRIORS,
    PROGRAMS,
    TRACKERS,
)
from .parsing import counted, inches, trackers_in
from .program_text import program_text
from .signatures import documented
from .training import COUNT, TrainingSettings

__all__ = [
    "BETA",
    "CHANGES_NO_NUMBER",
    "COMPILATION",
    "DATA",
    "DATA_OPTIONS",
    "DEFAULTS",
    "FEW",
    "FIGURES",
    "LENGTH",
    "MODEL",
    "OPTIONS",
    "REPEATS",
    "SETTINGS",
    "TRAINING",
    "FigureSettings",
    "check_options",
]

WholeNumbers = tuple[int, ...]
WIDTH = Range(least=1, most=65_536)
SIDE = Range(least=1, most=4096)
FEW = Range(least=1, most=1000)  # what a picture has room for
BETA = Range(least=0, most=1e30)  # of 32 bits, with room for what it is multiplied with


@documented
@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Which data, and how they are prepared; see ``datasets.load``."""

    dataset: Annotated[str, "The data."] = "digits"
    data_root: Annotated[str | None, "Where downloads lie or go; by default the user's cache folder."] = None
    image_size: Annotated[int | None, "Side in pixels to which images are brought.", SIDE] = None
    grey: Annotated[bool, "Turn colour images to grey."] = False
    crop: Annotated[
        WholeNumbers | None, "Cut this out of each picture first: SIDE, or L,T,R,B, or 0 for all.",
        Range(least=0, most=COUNT.most),
    ] = None  # fmt: skip
    subsample: Annotated[int | None, "Take so many of the images, chosen at random once and for all.", COUNT] = None
    frames: Annotated[str | None, "Frames of an animation or stack; by default first.", OneOf("frames", FRAMES)] = None
    background: Annotated[str | None, "Colour to lay transparent pictures on; by default white."] = None
    levels: Annotated[
        tuple[float, float] | None, "Grey levels that become 0 and 1; by default those of the format.",
        Range(least=-1e12, most=1e12),
    ] = None  # fmt: skip
    factors: Annotated[str | None, "A csv of factors of pictures, whose first column names the files."] = None
    leave_out: Annotated[str | None, "Columns of a table that are no data, by name or number, like id,date."] = None
    observe: Annotated[str | None, "Arrays of an npz that reach the programs by their names, like y,c."] = None
    labelled: Annotated[
        int | None, "Keep so many labels of the training data, as many of each class; to programs, others are missing.",
        COUNT,
    ] = None  # fmt: skip
    dim: Annotated[int | None, "Length of the vectors of the data set gaussian; by default 10.", WIDTH] = None
    rank: Annotated[int | None, "Rank of the signal in vectors of gaussian; by default 2.", WIDTH] = None
    points: Annotated[int | None, "How many vectors of gaussian; by default 300000.", COUNT] = None


@documented
@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The two programs; see `BetaVAE`."""

    program: Annotated[
        str | None,
        f"In place of the β-VAE's programs: {', '.join(PROGRAMS)}, or a class of your own, like mine.py:Mine.",
        Parsed(program_text, "NAME|FILE.py:CLASS[:OPTION=VALUE,...]"),
    ] = None
    network: Annotated[str, "Encoder and decoder.", OneOf("network", NETWORKS)] = "mlp"
    decoder: Annotated[
        str | None, "The decoder of another network; by default the network's own.", OneOf("decoder", NETWORKS)
    ] = None
    hidden: Annotated[
        WholeNumbers | None, "Hidden widths, like 400 or 1200,1200 or none. By default the network's.", WIDTH
    ] = None
    decoder_hidden: Annotated[
        WholeNumbers | None, "The decoder's; by default those of the encoder, mirrored.", WIDTH
    ] = None
    decoder_activation: Annotated[
        str, "Activation of the decoder's hidden layers.", OneOf("activation", ACTIVATIONS)
    ] = "relu"
    latent_dim: Annotated[int, "Number of latents, K.", WIDTH] = 10
    likelihood: Annotated[str, "Family of p(x|z).", OneOf("likelihood", LIKELIHOODS)] = "bernoulli"
    scale: Annotated[
        float | None,
        "Standard deviation of a gaussian or laplace (by default 1), or where a learned one starts; in deviations of "
        "the data where vectors are standardised.",
        Range(least=1e-12, most=1e12),
    ] = None  # fmt: skip
    mean_link: Annotated[str | None, "Link of a gaussian's mean.", OneOf("mean link", MEAN_LINKS)] = None
    standardise: Annotated[
        bool | None,
        "Give networks and likelihood (x − mean)/deviation of each value of a vector, with all results in the data's "
        "units; by default for csv, txt, npy and npz.",
    ] = None
    prior: Annotated[
        str, "Family of p(z); vamp:K is a mixture of the posteriors of K learned data.",
        Parsed(partial(counted, "prior", known=PRIORS), "|".join(PRIORS)),
    ] = "normal"  # fmt: skip
    posterior: Annotated[
        str, "Family of q(z|x); iaf, planar and spline are flows of N transforms.",
        Parsed(partial(counted, "posterior", known=POSTERIORS), "|".join(POSTERIORS)),
    ] = "diagonal"  # fmt: skip
    beta: Annotated[float, "Weight of the KL term.", BETA] = 1.0


@documented
@dataclass(frozen=True, kw_only=True)
class FigureSettings:
    """What is drawn of a fit, and where it is sent; see `callbacks.Figures` and `callbacks.Tracker`.

    Raises:
        ValueError: A number is out of range, or a name unknown.
    """

    figures: Annotated[bool, "Draw figures, during training and at the end."] = True
    report: Annotated[bool, "Write report.html at the end: the run in one file, with sliders."] = False
    figures_every: Annotated[
        int | None, "Steps between two traversals drawn during training; a film of them at the end.", COUNT
    ] = None
    traverse_base: Annotated[str, "Where traversals start.", OneOf("base", BASES)] = "image"
    traverse_range: Annotated[
        tuple[float, float], "First and last value of a traversal.", Range(least=-1e6, most=1e6)
    ] = (-2.0, 2.0)
    traverse_columns: Annotated[int, "Values in a traversal.", FEW] = 11
    traverse_count: Annotated[int, "How many images or draws traversals start from.", FEW] = 1
    figure_format: Annotated[
        str, "Format of figures; a pdf or an svg stands beside the png.", OneOf("figure format", FIGURE_FORMATS)
    ] = "png"
    figure_width: Annotated[
        str | None,
        "Width for print: column (3.25 in), page (6.75 in), or so many inches; by default column for pdf and svg.",
        Parsed(inches, "column|page|INCHES"),
    ] = None
    track: Annotated[
        str | None, f"Send history, settings, pictures and codes to {', '.join(TRACKERS)}; may be repeated.",
        Parsed(trackers_in, "NAME,...|none"),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        check_values(self)


OF_DATA, OF_MODEL, OF_TRAINING, OF_FIGURES = (
    options_of(kind) for kind in (DataSettings, ModelSettings, TrainingSettings, FigureSettings)
)
OPTIONS: dict[str, Option] = {**OF_DATA, **OF_MODEL, **OF_TRAINING, **OF_FIGURES}
DEFAULTS: dict[str, Any] = {name: option.default for name, option in OPTIONS.items()}

SETTINGS = tuple(OPTIONS)
DATA = tuple(OF_DATA)
DATA_OPTIONS = tuple(name for name in DATA if name not in ("dataset", "data_root"))
MODEL = tuple(name for name in OF_MODEL if name != "beta")  # without β, which training may move
TRAINING = tuple(OF_TRAINING)
FIGURES = tuple(OF_FIGURES)

LENGTH = ("epochs", "steps")  # what a resumed run may change
COMPILATION = ("compile", "compile_because")  # and this too: the step is the same either way
CHANGES_NO_NUMBER = ("device", "threads", "eval_every", "checkpoint_every", "keep")  # or but by rounding
# settings in which repetitions of a fit may differ: they change results by chance and rounding alone
REPEATS = ("data_root", "seed", "compile", "precision", *CHANGES_NO_NUMBER, *FIGURES)


def check_options(**given: Any) -> None:
    """Refuse values that are out of the range their options declare; None is the default.

    Raises:
        ValueError: One is out of range, or unknown.
        TypeError: A number is wanted.
    """
    for name, value in given.items():
        OPTIONS[name].check(unwrapped(value))
