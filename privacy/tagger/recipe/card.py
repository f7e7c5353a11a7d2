"""The model card of the tagger."""

from __future__ import annotations

from collections.abc import Mapping

from privacy.tagger.recipe.training import Score, Settings

_CARD = """# Tagger of names, places, organisations and professions

LoRA (rank 32 on every linear layer), shape features and a head for all-MiniLM-L6-v2 (Apache-2.0); it tags NAME,
ADDRESS, HOSPITAL (any organisation: hospital, unit, employer, school) and PROFESSION in English clinical text.

- **Made by** `make phi-model`, seed {seed}: {windows} windows of 40 to 96 subwords, {epochs} epochs, learning rate
  {rate}, {minutes:.0f} minutes on two cores.
- **Trained on** notes made by the recipe in `privacy/tagger/recipe/`: its own templates, filled with made-up people of
  many origins (Faker's name lists, MIT; lists of our own; invented names), around sentences of ACI-BENCH, MTS-Dialog,
  MACCROBAT 2020, BC5CDR and NCBI Disease (each CC BY 4.0) and of Synthea's bulk export (CC0). No text of a real patient
  and no name of one; the common words in `common.txt` are those that stand in small letters in the same sentences.
- **Not for** other languages, other kinds of text, or use without the tables and the roster beside it.
- **Numbers** on {held} windows with documents and names held back from training (exact spans; "words" counts a word of
  any label as right under any label):

| label | spans | precision | recall | F1 |
| --- | --- | --- | --- | --- |
{rows}

They are made by the same recipe, so they show what was learned and not what to expect of a hospital's notes.

- **Licence** of the weights: Apache-2.0. Sources: Yim et al. 2023 (ACI-BENCH), Ben Abacha et al. 2023 (MTS-Dialog),
  Caufield et al. 2020 (MACCROBAT), Li et al. 2016 (BC5CDR), Doğan et al. 2014 (NCBI Disease), Walonoski et al. 2018
  (Synthea).
"""


def card(settings: Settings, windows: int, held: int, scores: Mapping[str, Score], seconds: float) -> str:
    """The card as Markdown."""
    rows = "\n".join(f"| {k} | {s.gold} | {s.precision:.3f} | {s.recall:.3f} | {s.f1:.3f} |" for k, s in scores.items())
    return _CARD.format(
        seed=settings.seed,
        windows=f"{windows:,}",
        epochs=settings.epochs,
        rate=settings.rate,
        minutes=seconds / 60,
        held=f"{held:,}",
        rows=rows,
    )
