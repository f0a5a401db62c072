"""How to repeat a run: the command, all settings, and the versions under which it gives the same numbers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ..networks import network_of
from ..settings.names import AS_ASKED
from ..settings.options import CHANGES_NO_NUMBER, DEFAULTS, FIGURES, OPTIONS, SETTINGS
from ..settings.program_text import own_parts
from ..settings.spelling import option_words, pasted, spelled
from ..settings.words import number, plain
from .captions import Captions
from .markup import Markup, element, joined
from .measured import Measured, without_path

__all__ = ["command_of", "repetition"]

OF_THE_MACHINE = ("data_root", "device", *(name for name in CHANGES_NO_NUMBER if name != "threads"), *FIGURES)
MOST_VALUES = 12  # of a list


def repetition(one: Measured, captions: Captions) -> Markup:
    """The command that repeats a run, its settings and versions."""
    return joined(_commands(one), _settings(one, captions), _versions(one, captions))


def command_of(config: Mapping[str, Any]) -> str | None:
    """The command of `fit` that repeats a run, with the last part of a path in place of the whole.

    What it does not say is the default of `fit`, in this version.

    Args:
        config: The run's settings.

    Returns:
        The command; None where it takes Python: classes of one's own, or data that were in memory.
    """
    if own_parts(config) or config.get("objective") is None or not config["can_be_loaded"]:
        return None
    always = ("dataset", "beta", "seed")
    settings = {name: config[name] for name in SETTINGS if name in config and name not in OF_THE_MACHINE}
    if config.get("compile_because") != AS_ASKED:
        settings.pop("compile", None)  # the fit decided, and will again
    network = network_of(config["network"], config.get("decoder"))
    if config.get("hidden") == list(network.hidden):
        settings["hidden"] = None
    if config.get("decoder_hidden") == list(network.mirrored(tuple(config.get("hidden") or ()))):
        settings["decoder_hidden"] = None
    if len(config["shape"]) == 3:
        settings["standardise"] = None
    if config["steps"] is not None:
        settings["epochs"] = None
    for name in ("dataset", "factors"):
        if settings.get(name) is not None:
            settings[name] = without_path(settings[name]) if name == "dataset" else settings[name].rpartition("/")[2]
    chosen = {name: value for name, value in settings.items() if name in always or value != DEFAULTS[name]}
    several = ("torchrun", "--nproc-per-node", str(config.get("ranks", 1)), "-m", "pyro_bvae")
    return pasted(*(several if config.get("ranks", 1) > 1 else ["pyro-bvae"]), "fit", *spelled(chosen))


def _commands(one: Measured) -> Markup:
    config = one.config
    typed = [line for line in (config.get("command"), *(config.get("resumed") or [])) if line]
    parts: list[Markup] = []
    if typed:
        again = " It was resumed with what stands below the first line." if len(typed) > 1 else ""
        parts += [element("p", f"The command as it was typed:{again}"), element("pre", "\n".join(map(_shown, typed)))]
    command = command_of(config)
    if command is not None:
        place = ", where the data lie in the folder of the command" if ":" in str(config["dataset"]) else ""
        parts += [
            element("p", f"What is not left as it is by default, in one command{place}:"),
            element("pre", command),
        ]
    else:
        own = ", ".join(f"{part}: {name}" for part, name in config["custom"].items())
        what = f"classes of its own ({own})" if own else "an ELBO or data of its own, which were in memory"
        text = f"This run was made in Python, with {what}. It is repeated there, with fit() and the settings below."
        parts.append(element("p", plain(text)))
    same = (
        "With the same versions, on the same kind of processor and with as many threads, the CPU gives the same "
        "numbers to the last digit; elsewhere they differ by rounding, which grows over the steps."
    )
    parts.append(element("p", same))
    return joined(parts)


def _shown(command: str) -> str:
    """A stored command line, as one would paste it."""
    try:
        return pasted(*shlex.split(command))
    except ValueError:
        return plain(command)


def _settings(one: Measured, captions: Captions) -> Markup:
    rows = []
    for name in SETTINGS:
        value = one.config.get(name, DEFAULTS[name])
        if value is None or name in ("data_root", *FIGURES):
            continue
        said = without_path(value) if name == "dataset" else _said(value)
        said = said.rpartition("/")[2] if name == "factors" else said
        rows.append([element("code", option_words(name).partition("/")[0]), said, OPTIONS[name].text])
    rows += [["custom", f"{part}: {plain(name)}", "A class of the run's own."] for part, name in
             one.config["custom"].items()]  # fmt: skip
    caption = "All settings of the fit, those left as they are by default too."
    return captions.table(caption, ["option", "value", ""], rows, class_="of-settings")


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        more = f", … ({len(value)} in all)" if len(value) > MOST_VALUES else ""
        return (", ".join(map(_said, value[:MOST_VALUES])) or "none") + more
    return number(value) if isinstance(value, float) else plain(value)


def _versions(one: Measured, captions: Captions) -> Markup:
    config = one.config
    facts = [
        *(config.get("versions") or {}).items(),
        ("processor", config.get("machine")),
        ("device", config["ran_on"]),
        ("step", config.get("compile_because") and f"{_compiled(config)}: {config['compile_because']}"),
        ("minimised", config["elbo"]),
        ("data", config["fingerprint"]),
        ("format", config["format"]),
    ]
    rows = [[name, plain(value)] for name, value in facts if value]
    return captions.table("Versions, machine and data.", [], rows, class_="of-settings")


def _compiled(config: Mapping[str, Any]) -> str:
    return "compiled" if config.get("compile") else "not compiled"
