"""What was fitted and how: data, programs, networks, training."""

from __future__ import annotations

from math import prod

from torch import Tensor

from .. import plots
from ..codes import is_plain
from ..datasets import pixels
from ..likelihoods import Standardised
from ..posteriors import Diagonal
from ..settings.options import TRAINING
from ..settings.shown import short_names
from ..settings.training import TrainingSettings
from ..settings.words import number, plain
from .architecture import count, inputs_of, layers
from .captions import Captions
from .formulas import formula
from .markup import Markup, element, joined, sentence, with_minus
from .measured import Measured
from .programs import sites, source_of

__all__ = ["architecture", "data", "duration", "programs", "shape_in_words", "training"]

EXAMPLES = 20  # images that are shown
ROWS, COLUMNS = 5, 8  # of vectors
MOST_NAMES = 20  # of columns, labels or factors that are written out


def data(one: Measured, captions: Captions) -> Markup:
    """The data: how many, what they are, how they are split, and a few of them."""
    config, shape = one.config, shape_in_words(one.run.model.shape)
    source = plain(config.get("source") or "")
    is_path = "/" in source or "\\" in source or source == "in memory"
    origin = "" if is_path or not source else f" ({source})"
    train, held_out = one.sizes
    text = sentence(
        f"The data are {one.dataset}{origin}: {train + held_out:,} {one.datum}s, {shape}.",
        f"{train:,} of them were fitted to, and {held_out:,} were held out: "
        "every number below that is called held out is of these.",
        "Pixels lie between 0 and 1." if one.is_images else None,
        "Each value was standardised with the mean and the deviation of the training data; errors and samples are in "
        "the data's own units." if isinstance(one.run.model.likelihood, Standardised) else None,
    )  # fmt: skip
    parts = [element("p", text)]
    if one.data is None:
        return joined(parts, element("p", one.missing, class_="aside"))
    parts += [element("p", "As they were read: ", plain(note), ".") for note in one.data.notes]
    parts += [element("p", line) for line in _names(one)]
    return joined(parts, _examples(one, captions))


def _examples(one: Measured, captions: Captions) -> Markup:
    """A few of the training data: pictures, or rows of a table."""
    assert one.data is not None
    if one.is_images:
        some = pixels(one.data.images[one.data.train[:EXAMPLES]])
        caption = f"The first {len(some)} images of the training data."
        return captions.figure(plots.samples(some), caption, f"Examples of {one.dataset}")
    some, size = one.data.images[one.data.train[:ROWS], :COLUMNS], one.data.shape[0]
    names = short_names(one.data.columns or [f"x{feature}" for feature in range(size)])[:COLUMNS]
    cut = f", {COLUMNS} of {size} features" if size > COLUMNS else ""
    rows = [[with_minus(f"{value:.4g}") for value in row] for row in some.tolist()]
    return captions.table(f"The first {len(some)} vectors of the training data{cut}.", names, rows)


def _names(one: Measured) -> list[str]:
    """Which labels, factors and columns the data have."""
    assert one.data is not None
    is_classes = one.data.labels is not None and one.data.labels.dim() == 1
    known = {
        f"Features, x0 to x{one.data.shape[0] - 1} in the figures": one.data.columns,
        "Classes, which training did not see": one.data.label_names if is_classes else None,
        "Attributes, which training did not see": None if is_classes else one.data.label_names,
        "Factors of variation, which training did not see": one.data.factor_names,
    }
    lines = []
    for kind, names in known.items():
        if names:
            more = f", and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            lines.append(f"{kind}: {', '.join(short_names(names)[:MOST_NAMES])}{more}.")
    return lines


def shape_in_words(shape: tuple[int, ...]) -> str:
    """The shape of a datum.

    >>> shape_in_words((3, 64, 48)), shape_in_words((30,))
    ('in colour, 64 pixels high and 48 wide', 'of 30 features')
    """
    if len(shape) == 1:
        return f"of {shape[0]} features"
    channels = {1: "grey", 3: "in colour"}.get(shape[0], f"of {shape[0]} channels")
    return f"{channels}, {shape[1]} pixels high and {shape[2]} wide"


def programs(one: Measured, x: Tensor, captions: Captions) -> Markup:
    """The source of the two programs, and their sites.

    Args:
        one: The run.
        x: A few data, as the programs take them.
        captions: Of the report.
    """
    vae = one.run.model
    listings = []
    for name, reads in (("model", "p(x|z) p(z)"), ("guide", "q(z|x)")):
        source = source_of(getattr(type(vae), name))
        listing = element("pre", source) if source else element("p", f"The source of the {name} is not stored.")
        listings.append(element("section", element("h5", f"The {name}, {reads}"), listing, class_="program"))
    intro = (
        "The model says how data come about: a code z is drawn from the prior, and decoded to the distribution of a "
        f"datum. The guide says which codes a datum may have. Both are Pyro programs over a batch of {one.datum}s."
    )
    rows = [
        [site.program, element("code", site.name), formula(site.formula) if site.formula else "", site.family,
         "×".join(map(str, site.shape)) or "1", number(site.weight), "given" if site.is_observed else "drawn"]
        for site in sites(vae, x, **one.beside(len(x)))
    ]  # fmt: skip
    heads = ["program", "site", "distribution", "family of a value", "shape", "weight", "value"]
    caption = (
        "The sites of the two programs, as Pyro traces them. The weight multiplies the log-probability: it is β at z."
    )
    return joined(
        element("p", intro),
        listings,
        captions.table(caption, heads, rows),
    )


def architecture(one: Measured, x: Tensor, captions: Captions) -> Markup:
    """Encoder and decoder layer by layer.

    Args:
        one: The run.
        x: A few data, as the programs take them.
        captions: Of the report.
    """
    vae = one.run.model
    taken = {"encoder": vae.standardise(x[:1]), "decoder": vae.beta.new_zeros(1, vae.latent_dim)}
    if not is_plain(vae):
        taken = inputs_of(vae, lambda: sites(vae, x, **one.beside(len(x))))
    rows: list[list[str]] = []
    for name, given in taken.items():
        network = getattr(vae, name)
        rows.append([name, "takes", "×".join(map(str, given.shape[1:])), ""])
        rows += [[f"{name}.{layer.name}", layer.does, layer.shape, f"{layer.parameters:,}" if layer.parameters else "–"]
                 for layer in layers(network, given)]  # fmt: skip
    encoder, decoder, total = (count(module) for module in (vae.encoder, vae.decoder, vae))
    context = getattr(vae.posterior, "context", 0)
    what = "the mean and the log-variance" if type(vae.posterior) is Diagonal else "a mean and a log-variance"
    more = f" with {context:,} more for the {plain(one.config['posterior'])} posterior" if context else ""
    text = sentence(
        f"The encoder has {encoder:,} parameters and the decoder {decoder:,}.",
        f"With {total - encoder - decoder:,} of likelihood, prior, posterior and the programs themselves, "
        f"{total:,} are trained."
        if total != encoder + decoder
        else f"Together, {total:,} numbers are trained.",
        f"The encoder gives {what} of q(z|x), {vae.latent_dim} numbers each{more}, and the decoder "
        f"{prod(vae.parameter_shape) // prod(vae.shape)} {'number' if vae.parameter_shape == vae.shape else 'numbers'} "
        f"for each {'pixel' if one.is_images else 'feature'}, which the {_family(one)} likelihood turns into p(x|z)."
        if not vae.custom.keys() & {"encoder", "model"}
        else None,
    )
    caption = f"The networks layer by layer: what each layer does, the shape that leaves it for one {one.datum}, and how many parameters it has."  # noqa: E501
    return joined(
        element("p", text), captions.table(caption, ["layer", "", "shape", "parameters"], rows, class_="of-layers")
    )


def _family(one: Measured) -> str:
    return plain(one.config["custom"].get("likelihood", one.config["likelihood"]))


def training(one: Measured) -> Markup:
    """The steps, and the time that they took."""
    config = one.config
    settings = TrainingSettings(**{name: config[name] for name in TRAINING if name in config})
    size = one.sizes[0]
    batch = min(settings.batch_size, size or settings.batch_size)
    warm = f", which rises over the first {settings.lr_warmup:,} steps" if settings.lr_warmup else ""
    decay = f" and a weight decay of {number(settings.weight_decay)}" if settings.weight_decay else ""
    optimiser = {"rmsprop": "RMSprop", "adam": "Adam", "adagrad": "Adagrad", "sgd": "SGD"}[settings.optimizer]
    epochs = f"{one.last['epoch']:.4g} epochs, " if one.last else ""
    lines = [
        f"{optimiser} took {epochs}{one.run.step:,} steps of at most {batch:,} {one.datum}s each, at a learning rate "
        f"of {number(settings.lr)}{warm}{decay}.",
        f"Each {one.datum} of a batch had one draw of z." if "num_particles=1)" in config["elbo"] else None,
        f"The seed is {settings.seed}.",
        duration(one),
    ]
    return element("p", sentence(*lines))


def duration(one: Measured) -> str | None:
    """How long the training took, on what."""
    if not one.last:
        return None
    config, seconds = one.config, one.last["seconds"]
    time = f"{seconds:.1f} seconds" if seconds < 120 else f"{seconds / 60:.1f} minutes"
    threads = config.get("threads")
    plural = "" if threads == 1 else "s"
    where = config["ran_on"] + (f" with {threads} thread{plural}" if threads else "")
    how = "compiled" if config.get("compile") else "not compiled"
    return f"The steps took {time}, on {where}, {how}; held-out scores, loading and drawing come on top of that."
