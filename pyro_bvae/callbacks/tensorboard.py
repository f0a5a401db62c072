"""TensorBoard: event files in the folder ``tensorboard`` of the run.

The packages that SummaryWriter wraps make the summaries. Here they are written without its thread, so that an error (a
full disk) is raised where it can be handled, and nothing runs beside the steps.

An event file is never changed. A run that goes on has another, which begins with the mark that TensorBoard's readers
know from restarts: what the files before say of this step or a later one does not count.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from io import BytesIO
from time import time
from typing import Any

import numpy as np
from PIL.Image import Image

from ..files import make_folder, naming, wanted
from ..runs.run import Run
from .destinations import Destination, Opened, Tracked, hyperparameters
from .projector import write_projector

__all__ = ["TensorBoard"]

METRICS = ("held_out/elbo", "held_out/distortion", "held_out/rate", "held_out/active_units")  # of the table of settings
BINS = 30  # of a histogram


class TensorBoard(Destination):
    """Sends a fit to event files: scalars, histograms, images, settings, and the codes to the embedding projector."""

    def begin(self, tracked: Tracked) -> Opened:
        """Begin an event file, after which later events of those before do not count."""
        self.summaries = wanted("torch.utils.tensorboard.summary", "the tracker tensorboard", "trackers")
        self.events = wanted("tensorboard.compat.proto.event_pb2", "the tracker tensorboard", "trackers")
        records = wanted("tensorboard.summary.writer.record_writer", "the tracker tensorboard", "trackers")
        assert tracked.folder is not None
        has = min(tracked.sent, tracked.kept)
        self.folder = tracked.folder / "tensorboard"
        self.path = self.folder / f"events.out.tfevents.{time():.6f}.{socket.gethostname()}"  # read in this order
        with naming(self.path):
            make_folder(self.folder)
            self.file = open(self.path, "xb")  # noqa: SIM115 - until the fit ends
        self.writer = records.RecordWriter(self.file)
        start = self.events.SessionLog(status=self.events.SessionLog.START)
        self._write(file_version="brain.Event:2", step=has + 1)
        self._write(session_log=start, step=has + 1)
        settings = hyperparameters(tracked.config)
        *begins, self.ends = self.summaries.hparams(settings, dict.fromkeys(METRICS, 0.0))
        for summary in begins:
            self._write(summary=summary)
        self._flush()
        return Opened(str(self.folder), has=has)

    def line(self, numbers: Mapping[str, float], kl: Sequence[float] | None, step: int) -> None:
        """Write scalars, and a histogram of the KL of each latent."""
        for name, number in numbers.items():
            self._write(summary=self.summaries.scalar(name, number), step=step)
        if kl is not None:
            summary = self.summaries.histogram("kl_per_latent", np.asarray(kl, np.float64), BINS)
            self._write(summary=summary, step=step)
        self._flush()

    def picture(self, name: str, picture: Image, step: int) -> None:
        """Write an image."""
        content, width, height = BytesIO(), *picture.size
        picture.save(content, "PNG")
        kind = self.summaries.Summary
        image = kind.Image(height=height, width=width, colorspace=3, encoded_image_string=content.getvalue())
        self._write(summary=kind(value=[kind.Value(tag=name, image=image)]), step=step)
        self._flush()

    def codes(self, run: Run) -> None:
        """Write the files of the embedding projector."""
        write_projector(run, self.folder)

    def end(self, is_finished: bool) -> None:
        """Close the event file."""
        try:
            if is_finished:
                self._write(summary=self.ends)
                self._flush()
        finally:
            self.file.close()

    def _write(self, step: int = 0, **what: Any) -> None:
        with naming(self.path):
            self.writer.write(self.events.Event(wall_time=time(), step=step, **what).SerializeToString())

    def _flush(self) -> None:
        with naming(self.path):
            self.file.flush()
