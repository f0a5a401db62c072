"""The results of `gpu.py` as the rows of the page's tables."""

from __future__ import annotations

from typing import Any

__all__ = ["tables"]

AGREEMENT = ("recorded", "compiled", "replayed")
STEPS = ("step_ms", "graph_ms", "compiling_s", "peak_mib")
COLUMNS: dict[str, tuple[str, ...]] = {
    "mnist": ("wall_s", "steps_s", "held_out_elbo", *STEPS),
    "conv": STEPS,
    "paper": ("moved_mb", *STEPS),
    "encode": ("seconds", "peak_mib"),
    "other": ("step_ms", "of_46900_s", "first_s"),
}


def tables(sections: dict[str, Any]) -> str:
    """Tables in Markdown, and a line for each failure."""
    lines: list[str] = []
    for name, section in sections.items():
        results = section["results"]
        lines += [f"## {name} ({section['seconds']:.0f} s)", ""]
        if name == "machine":
            lines += [f"{key}: {value}" for each in results.values() for key, value in each.items() if key != "took"]
        elif name == "agreement":
            lines += agreement(results)
        else:
            lines += table(results, COLUMNS[name])
        lines += ["", *section["failures"]]
        for what, result in results.items():
            if "left_out" in result:
                lines.append(f"left out, {what}: {result['left_out']}")
            if "error" in result:
                lines.append(f"FAILED {what}: {result['error'].strip().splitlines()[-1][:300]}")
        lines.append("")
    return "\n".join(lines)


def agreement(results: dict[str, Any]) -> list[str]:
    """How far each way of taking steps is from the first: of losses, and of updates."""
    lines = ["| | agrees | " + " | ".join(AGREEMENT) + " | |", "|---|" + "---|" * (len(AGREEMENT) + 2)]
    for name, result in results.items():
        if "error" in result:
            continue
        cells = [
            "{losses:.0e}, {updates:.0e}".format(**result[taker]) if taker in result else "" for taker in AGREEMENT
        ]
        is_replayed = result.get("is_replayed", result.get("replayed", {}).get("is_replayed"))
        rest = "" if is_replayed else "not replayed"
        rest += f" {result['message'][:80]}" if "message" in result else ""
        rest += "" if result.get("repeats", True) else f" equal runs differ, by {result['repeats_apart']:.0e}"
        lines.append(f"| {name} | {'yes' if result['agrees'] else 'NO'} | {' | '.join(cells)} | {rest} |")
    return lines


def table(results: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    """A row for each measurement, with those of the columns that any has."""
    there = [column for column in columns if any(result.get(column) is not None for result in results.values())]
    lines = ["| | " + " | ".join(there) + " |", "|---|" + "--:|" * len(there)]
    for name, result in results.items():
        numbers = [result.get(column) for column in there]
        lines.append(f"| {name} | {' | '.join('' if one is None else f'{one:,.3f}' for one in numbers)} |")
    return lines
