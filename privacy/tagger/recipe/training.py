"""Train a tagger on marked notes and measure it on others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from privacy.tagger.design import OUTSIDE, spans_of
from privacy.tagger.model import Model
from privacy.tagger.recipe.compose import Marked
from privacy.tagger.skip import may_hold_name
from privacy.tagger.words import SHAPES, Batch, Common, Window, Words, batch_of, windows_of, words_of

_TOKENS = 1536  # of one step
_IGNORED = -100
_COMMON = SHAPES.index("common")


@dataclass(frozen=True)
class Example:
    """A window of a note with the tag of every token, `[L]`; only a word's first token counts."""

    window: Window
    shapes: NDArray[np.uint8]
    targets: NDArray[np.int64]


@dataclass(frozen=True)
class Settings:
    """How long and how hard to train."""

    epochs: int = 1
    rate: float = 1e-3
    warm: float = 0.06  # share of the steps
    hide_common: float = 0.1  # share of windows that do not say which words are common
    seed: int = 3


def tags_of(words: Words, marked: Marked) -> list[str]:
    """The tag of every word of a marked text; "Reed", "Ann" side by side are one name."""
    tags = [OUTSIDE] * len(words)
    for start, end, label in marked.spans:
        for index in np.flatnonzero((words.ends > start) & (words.starts < end)):
            tags[index] = f"{'I' if index and tags[index - 1].endswith(label) else 'B'}-{label}"
    return tags


def examples_of(model: Model, marked: Marked, length: int, common: Common, *, skip: bool) -> list[Example]:
    """The windows of one note."""
    words = words_of(marked.text, common)
    number = {tag: index for index, tag in enumerate(model.design.tags)}
    tags = np.array([number[tag] for tag in tags_of(words, marked)], np.int64)
    windows = windows_of(model.subwords, words, length, may_hold_name if skip else None)
    return [Example(window, words.shapes, _targets(window, tags)) for window in windows]


def _targets(window: Window, tags: NDArray[np.int64]) -> NDArray[np.int64]:
    targets = np.full(len(window.word), _IGNORED, np.int64)
    targets[window.first] = tags[window.word[window.first]]
    return targets


def _batches(examples: Sequence[Example], rng: Random) -> list[list[int]]:
    """Windows of like length together, in random order."""
    order = sorted(range(len(examples)), key=lambda i: (len(examples[i].window.ids) // 6, rng.random()))
    batches: list[list[int]] = [[]]
    for index in order:
        longest = len(examples[index].window.ids) + 6
        if batches[-1] and (len(batches[-1]) + 1) * longest > _TOKENS:
            batches.append([])
        batches[-1].append(index)
    rng.shuffle(batches)
    return batches


def _stack(model: Model, own: Sequence[Example]) -> tuple[Batch, torch.Tensor]:
    batch = batch_of([e.window for e in own], [e.shapes for e in own], model.subwords.padding)
    targets = np.full(batch.ids.shape, _IGNORED, np.int64)
    for row, example in zip(targets, own, strict=True):
        row[: len(example.targets)] = example.targets
    return batch, torch.from_numpy(targets)


def logits_of(model: Model, batch: Batch) -> torch.Tensor:
    """What the network says of a batch, `[B, L, K]`."""
    logits: torch.Tensor = model.network(
        torch.from_numpy(batch.ids), torch.from_numpy(batch.mask), torch.from_numpy(batch.shapes)
    )
    return logits


def train(
    model: Model, examples: Sequence[Example], settings: Settings, told: Callable[[int, int, float], None]
) -> None:
    """Train in place.

    Args:
        told: called every fifty steps with the step, the number of steps and the mean loss since.
    """
    rng = Random(settings.seed)
    torch.manual_seed(settings.seed)
    plan = [batch for _ in range(settings.epochs) for batch in _batches(examples, rng)]
    network = model.network.train()
    optimizer = torch.optim.AdamW(network.trained().values(), lr=settings.rate, weight_decay=0.01)
    warm = max(1, int(settings.warm * len(plan)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.02, (len(plan) - step) / (len(plan) - warm)))
    )
    losses: list[float] = []
    for step, rows in enumerate(plan):
        batch, targets = _stack(model, [examples[row] for row in rows])
        for row in range(len(rows)):
            if rng.random() < settings.hide_common:
                batch.shapes[row, :, _COMMON] = 0
        with torch.autocast("cpu", torch.bfloat16):
            logits = logits_of(model, batch)
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=_IGNORED)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.trained().values(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            told(step + 1, len(plan), float(np.mean(losses[-50:])))
    network.eval()


@dataclass(frozen=True)
class Score:
    """Spans found exactly: counts, precision, recall and their harmonic mean."""

    gold: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.gold if self.gold else 1.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@torch.inference_mode()
def _predicted(model: Model, examples: Sequence[Example]) -> Iterator[tuple[list[str], list[str]]]:
    for start in range(0, len(examples), 32):
        own = examples[start : start + 32]
        batch, targets = _stack(model, own)
        best = logits_of(model, batch).argmax(-1)
        for row in range(len(own)):
            where = targets[row] != _IGNORED
            tags = model.design.tags
            yield [tags[i] for i in targets[row][where]], [tags[i] for i in best[row][where]]


def measure(model: Model, examples: Sequence[Example]) -> dict[str, Score]:
    """Exact spans by label, and under "words" the words of any label against any label."""
    counts = {label: [0, 0, 0] for label in (*model.design.labels, "words")}
    for gold, ours in _predicted(model, examples):
        expected, given = set(spans_of(gold)), set(spans_of(ours))
        for label in model.design.labels:
            own = [{span for span in spans if span[2] == label} for spans in (expected, given)]
            sizes = (len(own[0]), len(own[1]), len(own[0] & own[1]))
            counts[label] = [a + b for a, b in zip(counts[label], sizes, strict=True)]
        marked = [(a != OUTSIDE, b != OUTSIDE) for a, b in zip(gold, ours, strict=True)]
        sizes = (sum(a for a, _ in marked), sum(b for _, b in marked), sum(a and b for a, b in marked))
        counts["words"] = [a + b for a, b in zip(counts["words"], sizes, strict=True)]
    return {label: Score(*numbers) for label, numbers in counts.items()}
