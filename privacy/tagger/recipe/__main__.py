"""`python -m privacy.tagger.recipe --corpora DIR`: write the tagger's weights, its common words and its model card."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch

from privacy.encoders import find_encoder
from privacy.tagger.design import Design
from privacy.tagger.model import Model, build, save
from privacy.tagger.recipe.card import card
from privacy.tagger.recipe.compose import LABELS
from privacy.tagger.recipe.corpora import Corpora, read_corpora
from privacy.tagger.recipe.documents import Writer
from privacy.tagger.recipe.people import names
from privacy.tagger.recipe.training import Example, Settings, examples_of, measure, train
from privacy.tagger.words import Common

WEIGHTS = Path(__file__).parents[1] / "weights"


def _examples(model: Model, writer: Writer, common: Common, rng: Random, number: int) -> Iterator[Example]:
    made = empty = 0
    while made < number:
        note = writer.note()
        for example in examples_of(model, note, rng.randrange(40, 97), common, skip=rng.random() < 0.3):
            empty += not (example.targets > 0).any()
            if (example.targets > 0).any() or empty % 2:  # every second window without an identifier
                made += 1
                yield example


def _written(model: Model, corpora: Corpora, seed: int, number: int, *, development: bool) -> list[Example]:
    rng = Random(seed)
    pool = names(development, tuple(sorted(corpora.common.plain)), corpora.terms)
    own = [paragraph for paragraph in corpora.paragraphs if paragraph.development is development]
    return list(_examples(model, Writer(rng, pool, own), corpora.common, rng, number))


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(prog="python -m privacy.tagger.recipe", description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--windows", type=int, default=36_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = Settings(epochs=arguments.epochs)
    started = time.monotonic()
    files = find_encoder()
    model = build(Design(LABELS, files.name, files.sha256), seed=settings.seed)
    corpora = read_corpora(arguments.corpora)
    training = _written(model, corpora, settings.seed, arguments.windows, development=False)
    held = _written(model, corpora, settings.seed + 1, 1500, development=True)
    print(f"{len(training)} windows to train on, {len(held)} held back, {time.monotonic() - started:.0f} s", flush=True)

    def told(step: int, steps: int, loss: float) -> None:
        spent = time.monotonic() - started
        print(f"step {step} of {steps}, loss {loss:.4f}, {spent:.0f} s", flush=True)

    train(model, training, settings, told)
    scores = measure(model, held)
    arguments.out.mkdir(parents=True, exist_ok=True)
    save(model, arguments.out / "phi.safetensors")
    entries = sorted([*corpora.common.plain, *(f"{word}*" for word in corpora.common.names)])
    _replace(arguments.out / "common.txt", "\n".join(entries) + "\n")
    text = card(settings, len(training), len(held), scores, time.monotonic() - started)
    _replace(arguments.out / "phi.md", text)
    print(text)


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, "utf-8")
    beside.replace(path)


if __name__ == "__main__":
    main()
