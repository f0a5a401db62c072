"""What the files of a run are called."""

from __future__ import annotations

from ..files import LOCK

__all__ = ["EVALUATION", "LATENT_NAMES", "OWN", "PROGRAM", "PROGRESS", "SUCCESSOR", "TRACKERS_FILE", "WRITTEN"]

LATENT_NAMES = "names.json"  # what the user calls its latents
EVALUATION = "evaluation.json"  # the numbers that a comparison took
PROGRAM = "program.py"  # a copy of the file that holds its programs, where one does
PROGRESS = ".progress.json"  # how far a fit of a sweep is, as long as it runs
TRACKERS_FILE = "trackers.json"  # under which ids trackers know the run, and what they have of it
SUCCESSOR = ".config.new.json"  # the config of a run that takes the place of another, until that is cleared away
# what a run writes beside its config; a user's own files in the folder are not touched
PICTURES = [
    "traversal",
    "traversal-[0-9]*",
    "training",
    "reconstructions",
    "samples",
    "curves",
    "covariances",
    "latents",
    "factor_traversal",
    "importances",
    "information",
    "responses",
]
WRITTEN = ["history.jsonl", "checkpoint.pt", "checkpoints/step-*.pt", "codes.npz", EVALUATION, "report.html"]
WRITTEN += [LATENT_NAMES, PROGRAM, PROGRESS, TRACKERS_FILE]
WRITTEN += [f"tensorboard/{name}" for name in ("events.out.tfevents.*", "projector_config.pbtxt", "codes.tsv")]
WRITTEN += ["tensorboard/metadata.tsv", "tensorboard/sprite.png"]
WRITTEN += ["scores.*", "scores-*"]
WRITTEN += [f"figures/{name}.*" for name in PICTURES]
SHOWN = ("split", "base", "image", "label", "count", "range", "columns", "latents", "sample", "mean", "at", "seed")
WRITTEN += [f"{name}-{shown}*" for name in ("codes", *(f"figures/{name}" for name in PICTURES)) for shown in SHOWN]
# what nothing but the run may write
OWN = (
    "config.json",
    "history.jsonl",
    "checkpoint.pt",
    EVALUATION,
    LATENT_NAMES,
    PROGRAM,
    TRACKERS_FILE,
    SUCCESSOR,
    LOCK,
)
