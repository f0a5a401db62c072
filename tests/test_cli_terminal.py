"""The command line in a terminal and in a pipe: help, completion, progress, interruption."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from conftest import Cli
from pyro_bvae_cli import main, progress

from pyro_bvae import load_run
from pyro_bvae.runs.run import Run

COMMANDS = list(main.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_holds_an_example_that_parses(command: str, cli: Cli, digits_run: Run, here: Path) -> None:
    text = cli(command, "--help").stdout
    lines = [line.partition(" > ")[0] for line in text.splitlines() if line.strip().startswith("pyro-bvae ")]
    examples = [shlex.split(line)[2:] for line in lines]
    assert examples
    for example in examples:
        for word in example:
            if word.startswith("runs/"):
                Path(word).mkdir(parents=True, exist_ok=True)
        main.commands[command].make_context(command, list(example))


def test_the_top_help_lists_the_commands_in_the_order_of_the_work(cli: Cli) -> None:
    text = cli("--help").stdout
    positions = [text.index(f"\n  {command}") for command in COMMANDS]
    assert positions == sorted(positions)
    assert COMMANDS[:2] == ["fit", "traverse"]
    assert cli("--version").stdout.startswith("pyro-bvae, version 0")


def test_shell_completion_knows_options_and_names() -> None:
    def complete(words: str) -> str:
        environment = {"_PYRO_BVAE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        command = [sys.executable, "-c", "from pyro_bvae_cli import main; main(prog_name='pyro-bvae')"]
        return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True).stdout

    assert "traverse" in complete("pyro-bvae tr")
    assert "--latent-dim" in complete("pyro-bvae fit --lat")
    assert "gaussian-learned" in complete("pyro-bvae fit --likelihood gau")
    assert "fashion-mnist" in complete("pyro-bvae fit --dataset fash")


def test_ctrl_c_says_how_to_go_on(here: Path) -> None:
    command = [sys.executable, "-m", "pyro_bvae_cli", "fit", "--epochs", "100000", "--no-compile", "--out", "my run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert wait_for(Path("my run/checkpoint.pt"))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "all saved; go on with: pyro-bvae fit --resume --out 'my run'" in stderr
    assert "Traceback" not in stderr
    assert load_run("my run").step > 0


def wait_for(path: Path) -> bool:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return path.exists()


def test_in_a_terminal_fit_shows_a_bar(here: Path) -> None:
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    command = [sys.executable, "-m", "pyro_bvae_cli", "fit", "--epochs", "3", "--no-figures", "--out", "a"]
    process = subprocess.Popen(command, stderr=terminal, stdout=subprocess.DEVNULL)
    os.close(terminal)
    shown = ""
    with contextlib.suppress(OSError):  # what reading a terminal ends with on Linux
        while part := os.read(controller, 1000):
            shown += part.decode(errors="replace")
    os.close(controller)
    assert process.wait() == 0
    assert "39/39" in shown
    assert "distortion" in shown


def test_a_closed_pipe_is_no_error(digits_run: Run) -> None:
    command = f"{sys.executable} -m pyro_bvae_cli info {digits_run.path} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.startswith("reached")
    assert "Traceback" not in done.stderr


def test_a_terminal_without_greek_is_no_error(digits_run: Run) -> None:
    command = [sys.executable, "-m", "pyro_bvae_cli", "evaluate", str(digits_run.path)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_error_and_no_file_takes_their_place(closed: str, here: Path) -> None:
    words = "fit --hidden 8 --latent-dim 2 --image-size 8 --no-compile --steps 20 --eval-every 5 --no-figures --out a"
    done = subprocess.run(["bash", "-c", f"{sys.executable} -m pyro_bvae_cli {words} {closed}"], check=False)
    assert done.returncode == 0
    assert [record["step"] for record in load_run("a").history] == [5, 10, 15, 20]


def test_a_narrow_or_dumb_terminal_gets_whole_lines(here: Path) -> None:
    for width, term in ((20, "xterm"), (120, "dumb")):
        controller, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, width))
        command = [sys.executable, "-m", "pyro_bvae_cli", "fit", "--steps", "30", "--image-size", "8", "--no-figures"]
        environment = {**os.environ, "TERM": term, "NO_COLOR": "1"}
        process = subprocess.Popen(
            [*command, "--out", term], stderr=terminal, stdout=subprocess.DEVNULL, env=environment
        )
        os.close(terminal)
        shown = ""
        with contextlib.suppress(OSError):
            while part := os.read(controller, 1000):
                shown += part.decode(errors="replace")
        os.close(controller)
        assert process.wait() == 0
        if term == "dumb":
            assert "\r" not in shown.replace("\r\n", "")
            assert "step 30/30" in shown
        else:
            assert all(len(line) <= width for line in shown.replace("\r", "\n").split("\n"))
        assert "\x1b" not in shown


def test_long_silent_work_shows_how_far_it_is_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 40))
    monkeypatch.setattr(progress, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    counter = progress.Counter(progress.LONGEST_SILENCE)
    for done in range(1, 8):
        counter("bound", done, 7)
    counter.close()
    assert sys.stderr.getvalue().splitlines() == ["bound: 2 of 7", "bound: 4 of 7", "bound: 6 of 7"]


def test_evaluate_encode_and_their_json_say_nothing_odd_in_a_pipe(cli: Cli, digits_run: Run, here: Path) -> None:
    for arguments in (("evaluate", "--particles", 3, "--exact", "--json"), ("encode", "--out", "codes.npz")):
        result = cli(arguments[0], digits_run.path, *arguments[1:])
        assert (result.exit_code, result.stderr) == (0, "")
