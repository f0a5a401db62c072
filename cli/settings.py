"""What a fit is to be: the options that were typed, and those of a recipe, a config or a run that is resumed."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.files import read_json
from pyro_bvae.settings.names import AS_ASKED, threads_are_named
from pyro_bvae.settings.options import DATA_OPTIONS, SETTINGS
from pyro_bvae.settings.program_text import is_of_one_class, own_parts
from pyro_bvae.settings.recipes import RECIPES
from pyro_bvae.settings.stored import check_config, misspelt
from pyro_bvae.settings.words import plain

if TYPE_CHECKING:
    from pyro_bvae.programs import Program

__all__ = ["filled", "given_once", "is_typed", "settle", "stored"]

# settings of a config that lapse when the one they belong to is typed
BELONGS_TO: dict[str, tuple[str, ...]] = dict.fromkeys(("data_root", *DATA_OPTIONS, "standardise"), ("dataset",))
BELONGS_TO |= dict.fromkeys(("decoder", "hidden"), ("network",))
BELONGS_TO |= dict.fromkeys(("decoder_hidden", "decoder_activation"), ("network", "decoder"))
BELONGS_TO |= dict.fromkeys(("scale", "mean_link"), ("likelihood",))


def settle(ctx: click.Context) -> dict[str, Any]:
    """The options, with those that were not typed taken from a recipe, a config, or the run that is resumed."""
    options = dict(ctx.params)
    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume goes on with a run and --overwrite replaces it: choose one", ctx)
    if options["resume"] and options["out"] is None:
        raise click.UsageError("say which run to go on with: --resume --out DIR", ctx)
    if options["at"] is not None and not options["resume"]:
        raise click.UsageError("--at goes on from a numbered checkpoint: say --resume too", ctx)
    if is_typed(ctx, "beta") and options["beta_norm"] is not None:
        raise click.UsageError("--beta and --beta-norm set the same number: give one", ctx)
    if is_typed(ctx, "figures_every") and not options["figures"]:
        raise click.UsageError("--figures-every draws during training: leave --no-figures out", ctx)
    if options["epochs"] is not None and options["steps"] is not None:
        raise click.UsageError("--epochs and --steps set the same length: give one", ctx)
    typed = {name for name in SETTINGS if is_typed(ctx, name)}
    given = stored(options)
    if "device" in given:
        given = _at_hand(options, typed, given)
    options = filled(options, typed, given)
    if not is_typed(ctx, "threads") and threads_are_named():
        options["threads"] = None  # what the environment says comes before what another run had
    if options["resume"] and not is_typed(ctx, "standardise"):  # the model of the run, wherever its data lie now
        options["standardise"] = given.get("standardise")
    own = own_parts(given) if "custom" in given else {}
    if own or (options["likelihood"] == "custom" and options["program"] is None):
        raise click.UsageError(f"{own} are classes of your own: go on from Python, with fit(...)", ctx)
    options["chosen"] = _program(ctx, options, given)
    if options["objective"] is None:
        raise click.UsageError("the run's ELBO is your own: go on from Python, or give --objective", ctx)
    return options


def _program(ctx: click.Context, options: Mapping[str, Any], given: Mapping[str, Any]) -> Program | None:
    """The programs of a fit; those that a run or a config has in a file have to be typed, and to be the same."""
    text, before = options["program"], given.get("program")
    if text is None:
        return None
    from pyro_bvae.programs import chosen
    from pyro_bvae.runs.programs import program_of_run

    if before is None or not is_of_one_class(text, before):
        return chosen(text)
    where = options["out"] if options["resume"] else options["config"]
    typed = text if is_typed(ctx, "program") else None
    return program_of_run(given, where, typed, options["changed_program"])


def _at_hand(options: dict[str, Any], typed: Collection[str], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run or a config, with a device that this machine has, and a run's data where they lie now."""
    from pyro_bvae.runs import moved
    from pyro_bvae.training import resolve_device

    given = dict(stored)
    if options["resume"]:
        place = {name: options[name] for name in ("dataset", "data_root") if name in typed}
        given = moved(stored, options["out"], **place)
        options |= {name: given[name] for name in place}
    try:
        resolve_device(given["device"])
    except ValueError:  # the machine that the run was begun on had it
        given["device"] = "auto"
    return given


def filled(options: Mapping[str, Any], typed: Collection[str], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The options, those that were not typed taken from what is stored, unless they belong to another choice there."""
    settled = dict(options)
    for name in SETTINGS:
        other = {"epochs": "steps", "steps": "epochs"}.get(name, name)
        owners = BELONGS_TO.get(name, ())
        changed = any(owner in typed and options[owner] != stored.get(owner) for owner in owners)
        if name in stored and not (changed or name in typed or other in typed):
            settled[name] = stored[name]
    return settled


def stored(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the recipe, the config or the run that the options name; none where they name none.

    Raises:
        click.UsageError: Two of them are named.
        ValueError: The file is no config.json.
    """
    from pyro_bvae.runs.bundle import read_part
    from pyro_bvae.runs.folder import RunFolder

    if options["recipe"] is not None:
        if options["config"] is not None or options["resume"]:
            raise click.UsageError("--recipe begins a run: leave --config and --resume out")
        return dict(RECIPES[options["recipe"]].settings)
    if options["config"] is not None:
        if options["resume"]:
            raise click.UsageError("--resume reads the run's own config.json: leave --config out")
        is_bundle = zipfile.is_zipfile(options["config"])
        read = read_part(options["config"], "config.json") if is_bundle else read_json(options["config"])
        content = check_config(read, options["config"])
        for line in misspelt(content):
            click.echo(f"note    {plain(options['config'])}: {line}", err=True)
        if content.get("compile_because") != AS_ASKED:  # that run decided for itself, and so does this one
            content.pop("compile", None)
        return {"standardise": False, **content}
    if options["resume"]:
        return {"standardise": False, **RunFolder(options["out"]).read_config()}
    return {}


def given_once(what: str, values: Sequence[Any], name: str = "") -> list[Any]:
    """The values, each once; those that were given again are named."""
    from pyro_bvae.comparison import distinct

    kept = distinct(values, name)
    if len(kept) < len(values):
        again = ", ".join(dict.fromkeys(plain(value) for value in values if list(values).count(value) > 1))
        click.echo(
            f"note    {what.replace('_', '-')} {again or plain(values)} given more than once, counted once", err=True
        )
    return kept


def is_typed(ctx: click.Context, name: str) -> bool:
    """Whether an option was given on the command line."""
    return ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
