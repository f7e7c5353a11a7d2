"""`python -m clinical.record.recipe --corpora DIR`: train the reader, measure it on documents it did not see, write."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clinical.evaluation.reading import Asked, Document, ReadingScores, judge, read_all, scores_of
from clinical.record.encoding import Encoding
from clinical.record.reader import Design, build, save
from clinical.record.recipe.card import card
from clinical.record.recipe.examples import Corpora, Settings, cases_of, read_corpora
from clinical.record.recipe.training import train
from policies.files import write_whole
from privacy.encoders import find_encoder, load_encoder


def trained(corpora: Corpora, settings: Settings) -> Encoding:
    """A reader trained on the questions of all corpora."""
    files = find_encoder()
    tokenizer, model = load_encoder(files)
    reader = build(Design(files.name, files.sha256), files, seed=settings.seed)
    encoding = Encoding(reader, tokenizer, model)
    cases = [case for documents in (corpora.asked, *corpora.made) for case in cases_of(documents, encoding)]
    train(reader, cases, settings, _told())
    return encoding


def _told() -> Callable[[int, float], None]:
    started = time.monotonic()
    return lambda epoch, loss: print(f"epoch {epoch}, {loss:.3f}, {time.monotonic() - started:.0f} s", flush=True)


def line_of(asked: Sequence[Asked]) -> float:
    """The log-odds that best part questions asked of their own document from those asked of another one.

    Best by balanced accuracy: the mean of the share that is answered and of the share that is refused.
    """
    right = np.array([max(own.odds for own in one.candidates) for one in asked])
    wrong = np.array([one.elsewhere for one in asked])
    lines = np.unique(np.concatenate((right, wrong)))
    gains = [(right >= line).mean() + (wrong < line).mean() for line in lines]
    return round(float(lines[int(np.argmax(gains))]), 3)


def measure(encoding: Encoding, documents: Sequence[Document]) -> tuple[float, ReadingScores]:
    """The threshold on unseen documents, and the scores with it."""
    started = time.perf_counter()
    asked = read_all(documents, encoding)
    seconds = time.perf_counter() - started
    line = line_of(asked)
    return line, scores_of([judge(own, line) for own in asked], seconds)


def main() -> None:
    """Train on two thirds of the articles, measure on the rest, and write weights and card."""
    parser = argparse.ArgumentParser(prog="python -m clinical.record.recipe", description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "weights")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings()
    corpora = read_corpora(arguments.corpora, settings)
    encoding = trained(corpora, settings)
    threshold, scores = measure(encoding, corpora.held)
    design = replace(encoding.reader.design, threshold=threshold)
    save(replace(encoding.reader, design=design), arguments.out / "reader.safetensors")
    write_whole(arguments.out / "reader.md", card(settings, scores, design, corpora).encode())


if __name__ == "__main__":
    main()
