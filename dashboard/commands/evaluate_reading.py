"""confide evaluate reading: questions to documents against the answers that people marked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dashboard.options import JsonOption


def reading(
    corpus: Annotated[Path, typer.Option(help="Questions in SQuAD's format (JSON), each asked of its own document.")],
    held_out: Annotated[bool, typer.Option("--held-out", help="Only what the reader was not trained on.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Passages found and words of answers right, beside retrieval alone.

    [dim]Example: confide evaluate reading --corpus covid_qa/dev.json --held-out[/]
    """
    from clinical.evaluation.reading import evaluate_reading
    from dashboard.console import say, table

    scores = evaluate_reading(corpus, unseen=held_out)
    if as_json:
        typer.echo(scores.to_json())
        return
    rows = {
        "three best passages hold the answer": scores.recall,
        "F1, the reader's best span": scores.f1,
        "exact match": scores.exact,
        "F1, what is not given counting 0": scores.f1_given,
        "not stated, asked of another document": scores.refused,
        "F1, the first sentence of retrieval alone": scores.sentence_f1,
        "F1, the first passage of retrieval alone": scores.passage_f1,
    }
    table(
        f"{scores.questions} questions to {scores.documents} documents",
        ("measure", "mean", "95 %"),
        [(name, f"{own.value:.3f}", f"{own.interval[0]:.3f}-{own.interval[1]:.3f}") for name, own in rows.items()],
    )
    say(f"{scores.questions_per_second:.1f} questions/s")
