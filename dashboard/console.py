"""What commands print with: one console, tables, progress bars, and errors that say what to do."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from policies.errors import ConfideError

DEBUG_VARIABLE = "CONFIDE_DEBUG"

_PIPED_WIDTH = 120
console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print one line as it is, without reading markup in it."""
    console.print(escape(text), soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers stand to the right."""
    body = [tuple(str(cell) for cell in row) for row in rows]
    grid = Table(title=escape(title), title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        numeric = bool(body) and all(_numeric(row[place]) for row in body)
        grid.add_column(column, justify="right" if numeric else "left")
    for row in body:
        grid.add_row(*map(escape, row))
    console.print(grid)


class _Speed(ProgressColumn):
    """How many are done in a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {self._unit}/s" if task.speed else "")


def progress(unit: str = "") -> Progress:
    """A progress display with count, time gone and time left, and with a unit also the speed."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        *([_Speed(unit)] if unit else []),
        console=console,
    )


def report(error: Exception) -> int:
    """Say what went wrong and what to do, and return the exit code.

    The message of an error that nobody foresaw could hold text of a record, so only its kind and place are shown.
    """
    if isinstance(error, ConfideError):
        errors.print(f"[bold red]error:[/] {escape(error.message)}")
        errors.print(f"[bold]what to do:[/] {escape(error.hint)}")
        return error.exit_code
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error, file=sys.stderr)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    errors.print(f"[bold red]error:[/] {type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}")
    errors.print(
        f"[bold]what to do:[/] this is a fault of Confide; please report it. With {DEBUG_VARIABLE}=1 the whole trace "
        "is shown, which may hold text of a record: don't send that to anybody."
    )
    return 1


def report_usage(error: click.ClickException) -> int:
    """The same for a command line that is not understood; a command without any words has shown its help by then."""
    if (
        not isinstance(error, click.UsageError)
        or error.ctx is None
        or isinstance(error, click.exceptions.NoArgsIsHelpError)
    ):
        error.show()
        return error.exit_code
    errors.print(f"[bold red]error:[/] {escape(error.format_message())}")
    errors.print(f"[bold]what to do:[/] Run '{error.ctx.command_path} --help' to see what it needs.")
    return error.exit_code


def _numeric(cell: str) -> bool:
    return cell.strip("-~ %x").replace(".", "").replace(",", "").isdigit() or cell in ("-", "")
