"""The model card of the entity tagger."""

from __future__ import annotations

from collections.abc import Mapping

from clinical.evaluation.entities import EntityScores
from privacy.tagger.recipe.training import Settings

_CARD = """# Tagger of clinical entities

LoRA (rank 32 on every linear layer), features of words and three heads for all-MiniLM-L6-v2 (Apache-2.0). Each head
learned from one corpus and tags with its labels: `bc5cdr` chemicals and diseases, `ncbi` diseases, `maccrobat` signs,
disorders, medications, tests and their values, procedures, anatomy, dosages, routes, frequencies, durations, dates and
severities. A word's features are its shape, its place in the line, its characters (a convolution) and the lists that
name it (Disease Ontology; the dictionary of extraction). Tags are decoded so that every sequence is well formed.

- **Made by** `make entity-model`, seed {seed}, in two stages: the training parts of BC5CDR and NCBI Disease
  ({first} epochs), then these with their development parts and MACCROBAT ({last} epochs), each with learning rate
  {rate}. In an epoch a document of BC5CDR is read twice and a report of MACCROBAT three times, cut
  into windows at other places.
- **Trained on** BC5CDR (Li et al. 2016), NCBI Disease (Doğan, Leaman and Lu 2014) and MACCROBAT 2020 (Caufield et al.
  2018), each CC BY 4.0. `diseases.txt` holds names of the Disease Ontology (Schriml et al., release 2016-09-01, CC0).
- **Not for** other languages than English, notes of other kinds than what it read (abstracts of articles, published
  case reports) without measuring it there, or any use in which nobody looks at the text beside a finding.
- **Figures** on documents that the measured weights had not seen; spans and labels exact, F1 with its 95 % interval by
  bootstrap over documents. **The weights that ship have seen the development parts and all reports**, so the rows
  are of the weights before: for BC5CDR and NCBI Disease (development parts) those of the first stage, for MACCROBAT
  five folds by document, each by the first stage trained further on the other four for {fold} epoch. That is
  too short for labels that are rare: those with F1 near 0 were not learned in it, and nothing measured says how well
  the weights that ship, which read the reports more often, know them.
- **Shown** in a note is only what is sure enough: `confidence.toml` has for each label the confidence from which on
  85 % of its spans meet a marked span of their kind in those folds. A label that never gets there is not shown.

| corpus | label | marked | precision | recall | F1 | 95 % |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

Where BC5CDR's and NCBI Disease's files do not mark documents, ten sentences count as one.

- **Licence** of the weights: Apache-2.0, with attribution of the corpora above.
"""


def card(first: Settings, fold: Settings, last: Settings, unseen: Mapping[str, EntityScores]) -> str:
    """The card as Markdown; `unseen` are the scores by corpus on documents that were not trained on."""
    rows = [
        f"| {corpus} | {label} | {own.marked:,} | {own.precision:.3f} | {own.recall:.3f} | {own.f1:.3f} "
        f"| {own.interval[0]:.3f}-{own.interval[1]:.3f} |"
        for corpus, scores in unseen.items()
        for label, own in (("all", scores.overall), *scores.labels.items())
    ]
    return _CARD.format(
        seed=first.seed,
        first=first.epochs,
        last=last.epochs,
        rate=first.rate,
        fold=fold.epochs,
        rows="\n".join(rows),
    )
