"""confide evaluate assertions and sections: the rules of extraction against what people marked."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.options import JsonOption

if TYPE_CHECKING:
    from clinical.evaluation.counts import Score


class Half(StrEnum):
    """Which documents of a corpus are scored."""

    both = "both"
    tuned = "tuned"
    held_out = "held-out"


def assertions(
    corpus: Annotated[Path, typer.Option(help="The NegEx kit's seven columns, or a folder in brat's format.")],
    half: Annotated[Half, typer.Option(help="The half that the rules were tuned on, or the other.")] = Half.both,
    as_json: JsonOption = False,
) -> None:
    """Precision, recall and F1 of assertions on given phrases.

    [dim]Example: confide evaluate assertions --corpus negex_kit/sample.txt --half held-out --json[/]
    """
    from clinical.evaluation.assertions import evaluate_assertions
    from dashboard.console import say

    scores = evaluate_assertions(corpus, half.value)
    if as_json:
        typer.echo(scores.to_json())
        return
    title = f"assertions of {scores.phrases} phrases in {scores.documents} documents ({scores.half})"
    _show(title, "status", scores.statuses.items())
    say(f"{scores.skipped} phrases not in their sentence, {scores.documents_per_second:.0f} documents/s")


def sections(
    corpus: Annotated[Path, typer.Option(help="CSV with a column note, or section_header and section_text.")],
    as_json: JsonOption = False,
) -> None:
    """Headings found in notes typed in six layouts, or labels of sections from their text alone.

    [dim]Example: confide evaluate sections --corpus MTS-Dialog-ValidationSet.csv --json[/]
    """
    from clinical.evaluation.sections import HeadingScores, evaluate_sections
    from dashboard.console import say

    scores = evaluate_sections(corpus)
    if as_json:
        typer.echo(scores.to_json())
    elif isinstance(scores, HeadingScores):
        rows = [("all", scores.overall), *scores.layouts.items()]
        _show(f"headings of {scores.documents} notes", "layout", rows)
        say(f"{scores.documents_per_second:.0f} notes/s")
    else:
        _show(f"labels of {scores.sections} sections", "label", scores.labels.items())
        say(
            f"accuracy {scores.accuracy:.3f} ({scores.interval[0]:.3f}-{scores.interval[1]:.3f}), the commonest label "
            f"alone {scores.commonest:.3f}, {scores.documents_per_second:.1f} sections/s"
        )


def _show(title: str, what: str, rows: Iterable[tuple[str, Score]]) -> None:
    from dashboard.console import table

    table(
        title,
        (what, "marked", "found", "precision", "recall", "F1", "95 %"),
        [
            (
                name,
                own.marked,
                own.found,
                f"{own.precision:.3f}",
                f"{own.recall:.3f}",
                f"{own.f1:.3f}",
                f"{own.interval[0]:.3f}-{own.interval[1]:.3f}",
            )
            for name, own in rows
        ],
    )
