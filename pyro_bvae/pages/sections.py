"""A run as a part of a report, in the order of a lab report: result in short, setup, results, how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence

from ..programs import program_of
from ..settings.words import number, plain
from .captions import Captions
from .experiment import latents, most_informative, traversals
from .live import Live
from .markup import Content, Markup, element, joined, sentence
from .measured import Measured
from .objective import beta, loss
from .repetition import repetition
from .results import curves, diagnosis, numbers, pictures, said
from .scores import scores
from .setup import architecture, data, programs, shape_in_words, training

__all__ = ["anchor", "contents", "heading", "section"]

PARTS = {
    "try": "Move the latents",
    "data": "Data",
    "model": "The two programs",
    "networks": "Architecture",
    "loss": "Loss, and how β enters",
    "training": "Training",
    "numbers": "How good it is",
    "latents": "The latents",
    "pictures": "Reconstructions and samples",
    "experiment": "Disentanglement",
    "repeat": "How to repeat it",
}
SAME = {
    "data": "The data and their split are those of ",
    "model": "The programs are those of ",
    "networks": "The networks have the layers of those of ",
}


def anchor(place: int, part: str = "") -> str:
    """The id of a run's section in the page, or of a part of it."""
    return f"run-{place}-{part}" if part else f"run-{place}"


def contents(runs: Sequence[Measured], before: Sequence[tuple[str, str]] = ()) -> Markup:
    """The table of contents.

    Args:
        runs: The runs.
        before: What stands before them: ids and titles.
    """
    items = [element("li", element("a", title, href=f"#{name}")) for name, title in before]
    for place, one in enumerate(runs):
        parts = [element("li", element("a", title, href=f"#{anchor(place, part)}")) for part, title in PARTS.items()]
        if len(runs) == 1:
            items += parts
        else:
            inner = element("ul", parts) if len(runs) <= 2 else None
            items.append(element("li", element("a", one.title, href=f"#{anchor(place)}"), inner))
    return element("nav", element("h2", "Contents"), element("ul", items), aria_label="Contents")


def heading(one: Measured) -> str:
    """What was fitted to what, as a title."""
    objective = one.config.get("objective")
    weight = f"β {number(one.config['beta'])}" if objective in ("beta", None) else str(objective)
    return f"A β-VAE of {one.dataset}, {weight}"


def section(runs: Sequence[Measured], place: int, shown: Live, captions: Captions) -> Markup:
    """All of a run; what it shares with one before it stands there.

    Args:
        runs: All runs of the report; a single one has the title of the report.
        place: The number of the run, from 0 on.
        shown: What the page knows of it.
        captions: Of the report.
    """
    one = runs[place]
    x, short = one.some_data(2), _short(one, captions)
    written: dict[str, Content] = {
        "try": _live(shown, place),
        "data": _as_before(runs, place, "data") or data(one, captions),
        "model": _as_before(runs, place, "model") or programs(one, x, captions),
        "networks": _as_before(runs, place, "networks") or architecture(one, x, captions),
        "loss": [loss(one), beta(one)],
        "training": [training(one), curves(one, captions)],
        "numbers": numbers(one, captions),
        "latents": latents(one, shown.follows, shown.names, captions),
        "pictures": pictures(one, captions),
        "experiment": [traversals(one, shown.follows, shown.names, captions), scores(one, captions)],
        "repeat": repetition(one, captions),
    }
    parts = [
        element("section", element("h3", PARTS[part]), content, id=anchor(place, part), class_=f"part {part}")
        for part, content in written.items()
    ]
    title = None if len(runs) == 1 else joined(element("h2", one.title), element("p", heading(one), class_="subtitle"))
    return element("article", title, short, parts, id=anchor(place), class_="run-report")


def _as_before(runs: Sequence[Measured], place: int, part: str) -> Markup | None:
    """Where a part stood before, of a run that has the same; None where there is none."""
    one = runs[place]
    for before, other in enumerate(runs[:place]):
        if _shared(one, part) == _shared(other, part):
            link = element("a", other.title, href=f"#{anchor(before, part)}")
            weight = f" The weight of z is β = {one.beta:.4g}." if part == "model" else ""
            return element("p", SAME[part], link, ".", weight)
    return None


def _shared(one: Measured, part: str) -> object:
    """What two runs have in common whose part is the same."""
    if part == "data":
        return one.config["fingerprint"], one.missing
    vae = one.run.model
    shapes = {name: parameter.shape for name, parameter in vae.named_parameters()}
    return type(vae), vae.settings, vae.custom, one.config.get("standardise"), shapes


def _short(one: Measured, captions: Captions) -> Markup:
    """The result in a few sentences and numbers."""
    config, vae = one.config, one.run.model
    epochs = f"{one.last['epoch']:.4g} epochs ({one.run.step:,} steps)" if one.last else f"{one.run.step:,} steps"
    program = program_of(vae)
    named = "A β-VAE" if program is None else f"The program {plain(str(program))}"
    what = (
        f"{named} with {vae.latent_dim} {'latent' if vae.latent_dim == 1 else 'latents'} and a "
        f"{config['custom'].get('likelihood', config['likelihood'])} likelihood was fitted to "
        f"{one.sizes[0]:,} {one.datum}s of {one.dataset} ({shape_in_words(vae.shape)}), for {epochs}, "
        f"{_weight(one)}."
    )
    lines = [what]
    if one.terms is not None:
        distortion, rate = one.terms
        lines.append(
            f"On {one.sizes[1]:,} {one.datum}s that were held out its ELBO is "
            f"{said(-(distortion + rate), '.2f')} nats, −(D + R) with a distortion D of {said(distortion, '.2f')} and "
            f"a rate R of {said(rate, '.2f')}."
        )
    if one.active is not None:
        lines.append(f"{one.active} of {vae.latent_dim} latents are active: their KL is above 0.01 nats.")
    return element(
        "section",
        element("p", sentence(*lines), class_="abstract"),
        _tiles(one),
        diagnosis(one) if one.diagnosis is not None else None,
        most_informative(one, captions),
        class_="short",
    )


def _weight(one: Measured) -> str:
    objective = one.config.get("objective")
    if objective == "beta":
        is_fixed = one.beta == one.config["beta"]
        return f"with β = {one.beta:.4g}{'' if is_fixed else ' at the end'}"
    return "with an ELBO of its own" if objective is None else f"under the objective {objective}"


def _tiles(one: Measured) -> Markup | None:
    """The few numbers that one looks for first."""
    row = one.row
    facts = [
        ("ELBO, nats", None if one.terms is None else said(-sum(one.terms), ".2f")),
        ("distortion D", None if one.terms is None else said(one.terms[0], ".2f")),
        ("rate R", None if one.terms is None else said(one.terms[1], ".2f")),
        ("active latents", None if one.active is None else f"{one.active} of {one.run.model.latent_dim}"),
        ("bits per dimension", None if row is None else said(row.bits_per_dim, ".3f")),
        ("MSE", None if row is None else said(row.mse, ".4g")),
        ("SSIM", None if row is None else said(row.ssim, ".3f")),
        ("probe accuracy", None if row is None else said(row.probe_accuracy, ".3f")),
    ]
    tiles = [element("div", element("dt", name), element("dd", value)) for name, value in facts if value is not None]
    return element("dl", tiles, class_="tiles") if tiles else None


def _live(shown: Live, place: int) -> Markup:
    """Where the sliders go."""
    text = (
        "Each slider is a latent, sorted by its KL. Move one and watch: what you see is the mean of p(x|z), made in "
        "this page. Nothing is sent anywhere."
    )
    return joined(
        element("p", text),
        element("p", shown.note, class_="aside") if shown.note else None,
        element("div", data_explorer=place, class_="live"),
    )
