"""The model card of the reader."""

from __future__ import annotations

from clinical.evaluation.reading import ReadingScores, Share
from clinical.record.reader import Design
from clinical.record.recipe.examples import Corpora, Settings

_CARD = """# Reader of records

Marks where in a passage the answer of a question stands, or that it does not: LoRA (rank {rank}) on the upper layers of
all-MiniLM-L6-v2 (Apache-2.0; the lowest {frozen} are frozen) and a head over its states and what retrieval knows of
each word. It is asked by `confide ask` and quotes; it writes nothing of its own.

- **Made by** `make reader-model`, seed {seed}: {epochs} epochs of {asked} questions that people asked of articles and
  {made} made from marks and headings, each with one passage that answers and one that does not; learning rate {rate}
  for LoRA and {head_rate} for the head, batches of {batch}, forward in bfloat16.
- **Trained on** COVID-QA (Möller et al. 2020, Apache-2.0), MACCROBAT 2020 (Caufield et al. 2018, CC BY 4.0) and
  ACI-Bench (Yim et al. 2023, CC BY 4.0).
- **Not for** other languages than English, questions that need arithmetic or several places of a record at once, or any
  use in which nobody looks at the quotation. Nobody has measured it on real records of patients.
- **Figures** on {questions} questions to {documents} articles of COVID-QA that the weights have not seen: the third by
  hash of the article's number. Means with 95 % intervals by bootstrap over documents.

| measure | value | 95 % |
| --- | --- | --- |
{rows}

An answer is given from log-odds {threshold:.2f} on, the line that best part answered questions from the same questions
asked of another article. It was chosen on the questions of the table, and so were the weights of reader and retrieval
beside each other: the rows of the reader flatter a little.

- **Licence** of the weights: Apache-2.0, with attribution of the corpora above.
"""


def card(settings: Settings, scores: ReadingScores, design: Design, corpora: Corpora) -> str:
    """The card as Markdown; `scores` are those on documents that were not trained on."""
    measures: dict[str, Share] = {
        "three best passages hold the whole answer": scores.recall,
        "F1 of words, the reader's best span": scores.f1,
        "exact match": scores.exact,
        "F1 of words, what is not given counting 0": scores.f1_given,
        "not stated, asked of another article": scores.refused,
        "F1 of words, the first sentence of retrieval alone": scores.sentence_f1,
        "F1 of words, the first passage of retrieval alone": scores.passage_f1,
    }
    rows = [
        f"| {name} | {own.value:.3f} | {own.interval[0]:.3f}-{own.interval[1]:.3f} |" for name, own in measures.items()
    ]
    return _CARD.format(
        rank=design.rank,
        frozen=design.frozen,
        threshold=design.threshold,
        seed=settings.seed,
        epochs=sum(settings.cycles),
        rate=settings.rate,
        head_rate=settings.head_rate,
        batch=settings.batch,
        asked=sum(len(own.questions) for own in corpora.asked),
        made=sum(len(own.questions) for documents in corpora.made for own in documents),
        questions=scores.questions,
        documents=scores.documents,
        rows="\n".join(rows),
    )
