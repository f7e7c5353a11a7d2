"""Writes docs/commands.md, every command with what its --help prints, and docs/pictures. Run by `make docs`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import click
from typer.main import get_command

COMMANDS = Path(__file__).with_name("commands.md")
STAGE = Path(tempfile.gettempdir(), "confide-pictures")
_WIDTH = 100
_CALL = "import sys; sys.argv[0] = 'confide'; from dashboard.cli import main; main()"
_HEAD = """# Commands

Made by `make docs` from the program itself; a test compares. Every command takes `--help` or `-h`. A failing command
prints what is wrong and what to do, and ends with an exit code: [errors.md](errors.md).
"""


def command_paths() -> Iterator[tuple[str, ...]]:
    """Every command and group, the root first, as the words that follow `confide`."""
    from dashboard.cli import app

    yield from _below(get_command(app), ())


def help_text(path: tuple[str, ...]) -> str:
    """What `confide PATH --help` prints on a terminal of 100 columns."""
    environment = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    environment |= {"TERMINAL_WIDTH": str(_WIDTH), "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", _CALL, *path, "--help"]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=True)  # noqa: S603  # ours
    return "\n".join(line.rstrip() for line in done.stdout.decode().splitlines()).strip("\n")


def page() -> str:
    """The whole of docs/commands.md."""
    sections = (f"## {' '.join(('confide', *path))}\n\n```text\n{help_text(path)}\n```\n" for path in command_paths())
    return "\n".join([_HEAD, *sections])


def _below(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _below(inner, (*path, name))


def main() -> None:
    """Write what is asked for."""
    parser = ArgumentParser(description="Commands and pictures of the documents.")
    parser.add_argument("--no-pictures", action="store_true", help="the commands alone, in seconds")
    parser.add_argument("--stage", type=Path, default=STAGE, help="workspace of the pictures; made where it is missing")
    chosen = parser.parse_args()
    COMMANDS.write_text(page(), "utf-8")
    if not chosen.no_pictures:
        sys.path.append(str(Path(__file__).resolve().parents[1]))  # for this script the folder of documents comes first
        from docs.screens import draw

        draw(chosen.stage)


if __name__ == "__main__":
    main()
