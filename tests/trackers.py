"""What trackers have written, read back by their own readers: numbers by their names and steps."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

Lines = dict[int, dict[str, float]]
BLOCK, HEADER = 32_768, 7  # bytes of a block and of a record's header in a .wandb file, which is a log of LevelDB


def of_tensorboard(folder: Path) -> Any:
    """The reader of TensorBoard, with all that it read in a folder."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder), dict.fromkeys(reader.DEFAULT_SIZE_GUIDANCE, 0))
    return events.Reload()


def tensorboard_lines(folder: Path) -> Lines:
    events = of_tensorboard(folder)
    lines: Lines = defaultdict(dict)
    for tag in events.Tags()["scalars"]:
        for scalar in events.Scalars(tag):
            assert tag not in lines[scalar.step], "a line is there twice"
            lines[scalar.step][tag] = scalar.value
    return lines


def wandb_records(folder: Path) -> Iterator[Any]:
    """The records of all offline runs in a folder ``wandb``, in their order."""
    record_of = pytest.importorskip("wandb.proto.wandb_internal_pb2").Record
    for file in sorted(folder.glob("offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime_ns):
        content, place, pending = file.read_bytes(), HEADER, b""
        assert content[:4] == b":W&B"
        while place < len(content):
            if BLOCK - place % BLOCK < HEADER:
                place += BLOCK - place % BLOCK
                continue
            _, length, kind = struct.unpack("<IHB", content[place : place + HEADER])
            pending += content[place + HEADER : place + HEADER + length]
            place += HEADER + length
            if kind in (1, 4):  # the whole of a record, or its last part
                yield record_of.FromString(pending)
                pending = b""


def wandb_lines(folder: Path) -> Lines:
    lines: Lines = defaultdict(dict)
    for record in wandb_records(folder):
        if record.WhichOneof("record_type") == "history":
            items = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            step = record.history.step.num if record.history.HasField("step") else items["_step"]
            numbers = {name: value for name, value in items.items() if "/" in name}
            assert not lines[step].keys() & numbers.keys(), "a line is there twice"
            lines[step] |= numbers
    return lines


def mlflow_lines(client: Any, run_id: str) -> Lines:
    lines: Lines = defaultdict(dict)
    for name in client.get_run(run_id).data.metrics:
        for metric in client.get_metric_history(run_id, name):
            assert name not in lines[metric.step], "a line is there twice"
            lines[metric.step][name] = metric.value
    return lines
