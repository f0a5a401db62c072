"""`fit`: stochastic variational inference on a data set, in a run folder, with callbacks that look on.

Several ranks run it alike. What is written and decided, the first one writes and decides; with one rank it is that one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import pyro
import torch
from pyro.infer import ELBO, TraceMeanField_ELBO
from torch import nn

from .. import ranks
from ..compiled.break_even import decide, expected_seconds, note_seconds, refutation
from ..compiled.cache import mend_cache
from ..compiled.step import CompiledStep, inductor
from ..datasets import Dataset
from ..model import BetaVAE
from ..objectives import Sizes, build_objective
from ..programs import program_of
from ..runs import Run, RunFolder
from ..runs.config import check_same, config_of
from ..runs.programs import keep_program
from ..settings.names import AS_ASKED
from ..settings.options import DEFAULTS, MODEL
from ..settings.parsing import specified
from ..settings.signatures import takes
from .arguments import FitArguments
from .callback import Callback
from .checks import check_data, check_programs, layout_of_programs, least_batch
from .devices import resolve_device
from .faults import before_the_first_step
from .generators import own_seed
from .interrupts import Agreement, Interrupted, deferred_interrupt
from .replicas import check_ranks, check_shareable
from .resuming import go_on
from .scope import fit_scope
from .state import Training
from .threads import choose_threads, own_threads

__all__ = ["fit"]


@takes(FitArguments)
def fit(vae: nn.Module, dataset: Dataset, given: FitArguments) -> Run:  # noqa: D417
    """Fit the programs to the training images of a data set.

    The global random generators, and the number of threads, are left as they were, and so is the mode of a model that
    is in evaluation mode. Gradients are on, whatever the caller's context; a fit in another thread waits for this one.
    The decision whether to compile, and its reason, are stored.

    Args:
        vae: The model and guide, a `BetaVAE` or any module that has the two; moved to the device, and fitted in place.
        dataset: The data.

    Returns:
        The run, with the model on the training device.

    Raises:
        ValueError: A setting is out of range or does not go with another, the data do not fit the model or likelihood,
            a resumed run has other settings, or the programs use ``pyro.param``.
        FloatingPointError: The loss is or became NaN or infinite; the last checkpoint stays.
        Interrupted: Ctrl-C or SIGTERM, after the step was finished and saved.
        OSError: The run folder cannot be written, holds a run already, or is being written by another process.
    """
    ranks.join()
    with ranks.explained(), ExitStack() as held:
        with ranks.alike():
            vae = check_data(vae, dataset)
            device = resolve_device(given.device)
        folder = None if given.out is None else RunFolder(given.out)
        if folder is not None:
            ranks.by_first(lambda: held.enter_context(folder.held()))
        run = _fitted(vae, dataset, given, folder, device)
        for callback in _called(given):
            callback.on_end(run)
    return run


def _fitted(vae: BetaVAE, dataset: Dataset, given: FitArguments, folder: RunFolder | None, device: torch.device) -> Run:
    """Fit, in a folder that nobody else writes to."""
    mend_cache()
    stored, state = (None, None) if folder is None else ranks.by_first(_stored, folder, given)
    with fit_scope(vae, own_seed(given.seed), device), own_threads():
        with ranks.alike():
            training, config = _set_up(vae, dataset, given, device, stored, state)
        check_ranks(vae, training.elbo, config)
        config["threads"] = choose_threads(training, stored or {})
        run = Run(vae, config, [], 0, folder.path if folder else None, _dataset=dataset)
        if folder is not None and stored is not None:
            go_on(folder, run, training, stored, state, given.at)
            state = None  # whose tensors take up memory
        if stored is None or run.config["compile"] is None:
            _choose_step(run, training)
        if folder is not None and stored is None:
            ranks.by_first(folder.start, config, given.overwrite)
        elif folder is not None:
            ranks.by_first(folder.write_config, run.config)
        if folder is not None:
            ranks.by_first(keep_program, folder.path, program_of(vae))
        compiles, compiled_step = run.config.get("compile", False), None
        if compiles or given.precision != "fp32":
            compiled_step = training.compile(inductor if compiles else None)
            if compiles and device.type == "cuda":
                training.replay(compiled_step)
        _run_to_end(training, run, folder, given, compiled_step)
        if run.config.get("compile") and compiled_step is not None and compiled_step.was_compiled:
            ranks.by_first(note_seconds, _graph_of(run.config), compiled_step.seconds)
    return run


def _stored(folder: RunFolder, given: FitArguments) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Config and state of the run that goes on; None where there are none."""
    if not given.resume:
        return None, None
    # on the CPU, where optimisers keep their count of steps: read from a GPU, each step would wait for it
    return folder.read_config(), folder.load_to_go_on() if given.at is None else folder.load(given.at)


def _set_up(
    vae: BetaVAE,
    dataset: Dataset,
    given: FitArguments,
    device: torch.device,
    stored: dict[str, Any] | None,
    state: dict[str, Any] | None,
) -> tuple[Training, dict[str, Any]]:
    """The fit as it begins, checked, and its config."""
    layout, is_mean_field = layout_of_programs(vae.to(device), dataset)
    elbo = given.elbo or _elbo_of(given, dataset, vae, is_mean_field)
    config = config_of(vae, dataset, given, elbo, device, layout) | dict(given.notes or {})
    if stored and state and config["beta"] == state["beta"]:  # the model of an earlier fit, left where it ended
        config |= {name: stored[name] for name in ("beta", "beta_norm")}
    if stored:
        check_same(config, stored, vae.program is not None and vae.program.may_differ)
    check_shareable(vae, elbo)
    least = least_batch(vae, elbo, dataset, given.batch_size)
    training = Training(vae, dataset, given, elbo, beta=config["beta"], least=least, layout=layout)
    moves = given.match_rate is not None or given.beta_schedule is not None
    try:
        x, *others = training.minibatches.batch(0)
        check_programs(vae, elbo, x, moves, dict(zip(training.names, others, strict=True)))
    except ValueError as error:
        raise before_the_first_step(training, error) from error
    return training, config


def _called(given: FitArguments) -> list[Callback]:
    """The callbacks of this rank."""
    return [one for one in given.callbacks if ranks.is_first() or getattr(one, "is_on_every_rank", True)]


def _elbo_of(settings: FitArguments, data: Dataset, vae: BetaVAE, is_mean_field: bool) -> ELBO:
    """What the settings ask for; the β-VAE's own objective is Pyro's, where that is for the programs."""
    assert settings.objective is not None
    if settings.objective == "beta" and is_mean_field:
        return TraceMeanField_ELBO()
    return build_objective(specified(settings.objective), Sizes.of(vae, data))


def _run_to_end(
    training: Training, run: Run, folder: RunFolder | None, given: FitArguments, compiled_step: CompiledStep | None
) -> None:
    """Take the steps that are left, and write lines of the history and checkpoints as they fall due."""
    checkpoint_every, callbacks = given.checkpoint_every or training.steps_per_epoch, _called(given)
    keep = None if given.keep == "all" else int(given.keep)
    saved = training.step
    try:
        for callback in callbacks:
            callback.on_start(run, training)
        with deferred_interrupt() as interruption, _without_warnings(), pyro.validation_enabled(False):
            agreement = Agreement(interruption)
            if compiled_step is not None and given.precision == "fp32" and training.step == 0:
                _hold_to_estimate(training, run, folder, compiled_step)
            while training.step < training.total and (signal := agreement.signal(training.step)) is None:
                training.advance()
                for callback in callbacks:
                    callback.on_step(training)
                if training.step % training.eval_every == 0:
                    _add_line(training, run, folder, given)
                if folder is not None and training.step % checkpoint_every == 0:
                    ranks.by_first(folder.save, training.state_dict(), keep)
                    saved = training.step
            if training.step == training.total and (not run.history or run.history[-1]["step"] < training.step):
                _add_line(training, run, folder, given)
            if folder is not None and saved < training.step:
                ranks.by_first(folder.save, training.state_dict(), keep)
            elif folder is not None:
                ranks.by_first(folder.keep_last, keep)  # a kill may have come between saving and this
    except FloatingPointError as error:  # of the whole batch, so that every rank raises it
        raise ranks.known(error) from error.__cause__
    finally:
        run.step = training.step
        for callback in callbacks:
            callback.on_stop()
    if training.step < training.total and signal is not None:
        raise ranks.known(Interrupted(training.step, signal))


def _add_line(training: Training, run: Run, folder: RunFolder | None, given: FitArguments) -> None:
    """Add a line to the history."""
    record = ranks.from_first(training.record())  # whose clock differs
    run.history.append(record)
    if folder is not None:
        ranks.by_first(folder.append, record)
    for callback in _called(given):
        callback.on_record(record)


def _choose_step(run: Run, training: Training) -> None:
    """Decide whether the steps to come are compiled, and write down why."""
    steps = training.total - training.step
    seconds = expected_seconds(_graph_of(run.config))
    measure = partial(_seconds_of_a_step, training)
    chosen = ranks.by_first(decide, run.config["compile"], steps, training.device, measure, seconds)
    run.config |= dict(zip(("compile", "compile_because"), chosen, strict=True))


def _hold_to_estimate(training: Training, run: Run, folder: RunFolder | None, compiled_step: CompiledStep) -> None:
    """Before the first step, go back to eager ones if an estimate chose compiled ones and they are slower.

    A run is compiled or eager as a whole, and its config says which.
    """
    if run.config["compile_because"] == AS_ASKED or training.device.type != "cpu":
        return
    with ranks.sharing(training.batch_size):
        times = compiled_step.compare(training.next_batch())
    why = ranks.from_first(None if times is None else refutation(*times))
    if why is None:
        return
    training.take_eagerly()
    run.config |= {"compile": False, "compile_because": why}
    if folder is not None:
        ranks.by_first(folder.write_config, run.config)
    warnings.warn(f"{why}; going on without compiling", RuntimeWarning, stacklevel=2)


def _seconds_of_a_step(training: Training, repeats: int = 3) -> float:
    """How long the gradients of an eager step take, the best of a few; nothing is changed."""
    data = training.minibatches.batch(training.step)
    gradient_step = training.gradient_step()  # which, other than an eager step, can be evaluated and not taken
    times = []
    for _ in range(repeats):
        start = perf_counter()
        gradient_step.evaluate(data)
        times.append(perf_counter() - start)
    return min(times)


def _graph_of(config: dict[str, Any]) -> dict[str, Any]:
    """What the graph of a run's step depends on; an older run does not have all of it."""
    names = ("shape", "custom", "elbo", "optimizer", "weight_decay", "batch_size", "train_images", "precision",
             "ran_on", "versions")  # fmt: skip
    return {name: config.get(name, DEFAULTS.get(name)) for name in (*MODEL, *names)}


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Pyro warns of a NaN loss; here it is an error of our own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Encountered NaN")
        yield
