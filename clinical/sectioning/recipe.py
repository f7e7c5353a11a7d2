"""How the section classifier was trained: `python -m clinical.sectioning.recipe --corpora ../shared/data`.

Texts are the sections of MTS-Dialog's training set, and the sections of ACI-Bench's training notes whose heading is in
the table (both CC BY 4.0). MTS-Dialog's validation set is only measured on.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from clinical.evaluation.sections import read_rows
from clinical.extraction.sections import find_sections, heading_end
from clinical.sectioning.design import Design
from clinical.sectioning.model import Model, build, save
from privacy.encoders import find_encoder


@dataclass(frozen=True)
class Settings:
    """What the training may turn; the defaults made the shipped weights."""

    seed: int = 0
    rank: int = 8
    tokens: int = 96
    epochs: int = 6
    batch: int = 16
    lora_rate: float = 8e-4
    head_rate: float = 3e-3
    smoothing: float = 0.05
    shortest: int = 16  # characters of a note's section that says something
    most: int = 40  # sections of notes per label, so that MTS-Dialog keeps its weight


Examples = list[tuple[str, str]]


def read_examples(corpora: Path, settings: Settings) -> Examples:
    """Texts with their labels, from both corpora.

    Raises:
        InputError: a corpus cannot be read.
    """
    rows = read_rows(corpora / "mts_dialog" / "MTS-Dialog-TrainingSet.csv")
    examples = [(row["section_text"], row["section_header"].lower()) for row in rows]
    taken = Counter({label: 0 for _, label in examples})
    for row in read_rows(corpora / "aci_bench" / "train.csv"):
        for section in find_sections(row["note"]):
            text = row["note"][heading_end(section) : section.end].strip(" \t\r\n:-")
            if len(text) >= settings.shortest and taken.get(section.label, settings.most) < settings.most:
                taken[section.label] += 1
                examples.append((text, section.label))
    return examples


def train(examples: Examples, settings: Settings) -> Model:
    """Train LoRA and head by cross entropy, the rate falling to zero."""
    torch.manual_seed(settings.seed)
    shuffle = random.Random(settings.seed)
    labels = tuple(sorted({label for _, label in examples}))
    model = build(Design(labels, find_encoder().sha256, settings.rank, settings.tokens), seed=settings.seed)
    model.network.train()
    head = list(model.network.head.parameters())
    lora = [parameter for name, parameter in model.network.trained().items() if not name.startswith("head")]
    optimizer = torch.optim.AdamW(
        [{"params": lora, "lr": settings.lora_rate}, {"params": head, "lr": settings.head_rate}], weight_decay=0.01
    )
    steps = settings.epochs * -(-len(examples) // settings.batch)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 40, 1 - step / steps))
    for _ in range(settings.epochs):
        for batch in _batches(examples, settings.batch, shuffle):
            truth = torch.tensor([labels.index(label) for _, label in batch])
            logits = model.logits([text for text, _ in batch])
            loss = nn.functional.cross_entropy(logits, truth, label_smoothing=settings.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    model.network.eval()
    return model


def _batches(examples: Examples, size: int, shuffle: random.Random) -> Iterator[Examples]:
    """Batches of texts of about one length, in random order."""
    order = shuffle.sample(examples, len(examples))
    pools = [sorted(order[n : n + 10 * size], key=lambda own: len(own[0])) for n in range(0, len(order), 10 * size)]
    batches = [pool[n : n + size] for pool in pools for n in range(0, len(pool), size)]
    shuffle.shuffle(batches)
    yield from batches


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights" / "sections.safetensors")
    given = parser.parse_args(arguments)
    settings = Settings()
    save(train(read_examples(given.corpora, settings), settings), given.out)


if __name__ == "__main__":
    main()
