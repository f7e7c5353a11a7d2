"""Train a tagger on marked notes and measure it on others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from privacy.tagger.design import OUTSIDE, spans_of
from privacy.tagger.model import Model, TokenTagger
from privacy.tagger.recipe.compose import Marked
from privacy.tagger.skip import may_hold_name
from privacy.tagger.words import SHAPES, Batch, Common, Window, Words, batch_of, windows_of, words_of

_IGNORED = -100
_COMMON = SHAPES.index("common")


@dataclass(frozen=True)
class Example:
    """A window of a note with the tag of every token, `[L]`, by number within its head; a word's first token counts.

    `shapes` and `spelling` are those of all words of the note, with the marks that a recipe adds.
    """

    window: Window
    shapes: NDArray[np.uint8]
    targets: NDArray[np.int64]
    spelling: NDArray[np.uint8] | None = None
    head: str = ""


@dataclass(frozen=True)
class Settings:
    """How long and how hard to train."""

    epochs: int = 1
    rate: float = 1e-3
    tokens: int = 1536  # of one step
    steps: int | None = None  # after which training ends, whatever is left of the epochs
    warm: float = 0.06  # share of the steps
    steady: float = 0.0  # share of the steps, the warm ones included, before the rate begins to fall
    hide_common: float = 0.1  # share of windows that do not say which words are common
    hide_marks: float = 0.0  # share of windows without the marks that the recipe adds
    hide_words: float = 0.0  # share of tokens that are neither read nor spelt
    dropout: float = 0.0  # of the encoder's layers
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
    return [Example(window, words.shapes, targets_of(window, tags)) for window in windows]


def targets_of(window: Window, tags: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tag numbers of a window's tokens, of the tags of all words; those that do not count are ignored."""
    targets = np.full(len(window.word), _IGNORED, np.int64)
    targets[window.first] = tags[window.word[window.first]]
    return targets


def _batches(examples: Sequence[Example], tokens: int, rng: Random) -> list[list[int]]:
    """Windows of one head and of like length together, in random order."""
    order = sorted(
        range(len(examples)), key=lambda i: (examples[i].head, len(examples[i].window.ids) // 6, rng.random())
    )
    batches: list[list[int]] = [[]]
    for index in order:
        longest = len(examples[index].window.ids) + 6
        full = (len(batches[-1]) + 1) * longest > tokens
        if batches[-1] and (full or examples[batches[-1][0]].head != examples[index].head):
            batches.append([])
        batches[-1].append(index)
    rng.shuffle(batches)
    return batches


def _stack(model: Model, own: Sequence[Example]) -> tuple[Batch, torch.Tensor]:
    spellings = [e.spelling for e in own if e.spelling is not None] or None
    batch = batch_of([e.window for e in own], [e.shapes for e in own], model.subwords.padding, spellings)
    targets = np.full(batch.ids.shape, _IGNORED, np.int64)
    for row, example in zip(targets, own, strict=True):
        row[: len(example.targets)] = example.targets
    return batch, torch.from_numpy(targets)


def logits_of(model: Model, batch: Batch) -> torch.Tensor:
    """What the network says of a batch, `[B, L, K]`."""
    logits: torch.Tensor = model.network(**{name: torch.from_numpy(part) for name, part in batch.inputs().items()})
    return logits


def _hide(batch: Batch, settings: Settings, mask: int, rng: Random) -> None:
    """Leave out of a batch what training must not lean on."""
    for row in range(len(batch.ids)):
        if rng.random() < settings.hide_common:
            batch.shapes[row, :, _COMMON] = 0
        if settings.hide_marks and rng.random() < settings.hide_marks:
            batch.shapes[row, :, len(SHAPES) :] = 0
    if settings.hide_words and batch.spelling is not None:
        drawn = np.random.default_rng(rng.randrange(2**32)).random(batch.ids.shape)
        hidden = (drawn < settings.hide_words) & batch.spelling.any(-1)
        batch.ids[hidden] = mask
        batch.spelling[hidden] = 0


def _set_dropout(network: nn.Module, share: float) -> None:
    """Dropout of hidden states alone: that of attention costs three times the whole step on a CPU."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Dropout) and not name.endswith("self.dropout"):
            module.p = share


def train(
    model: Model, examples: Sequence[Example], settings: Settings, told: Callable[[int, int, float], None]
) -> None:
    """Train in place.

    Args:
        told: called every fifty steps with the step, the number of steps and the mean loss since.
    """
    with _fast(model.network, settings.dropout):
        _train(model, examples, settings, told)
    model.network.eval()


@contextmanager
def _fast(network: TokenTagger, dropout: float) -> Iterator[None]:
    """While it trains: frozen weights in bfloat16, and attention by plain products, are 1.7 times as fast on a CPU."""
    frozen = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    exact = [parameter.data for parameter in frozen]
    for parameter in frozen:
        parameter.data = parameter.data.bfloat16()
    network.encoder.set_attn_implementation("eager")
    _set_dropout(network, dropout)
    try:
        yield
    finally:
        for parameter, data in zip(frozen, exact, strict=True):
            parameter.data = data
        network.encoder.set_attn_implementation("sdpa")


def _train(
    model: Model, examples: Sequence[Example], settings: Settings, told: Callable[[int, int, float], None]
) -> None:
    rng = Random(settings.seed)
    torch.manual_seed(settings.seed)
    epochs = (_batches(examples, settings.tokens, rng) for _ in range(settings.epochs))
    plan = [batch for batches in epochs for batch in batches][: settings.steps]
    network = model.network.train()
    optimizer = torch.optim.AdamW(network.trained().values(), lr=settings.rate, weight_decay=0.01)
    warm = max(1, int(settings.warm * len(plan)))
    falling = max(1, len(plan) - max(warm, int(settings.steady * len(plan))))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warm, max(0.02, (len(plan) - step) / falling))
    )
    losses: list[float] = []
    for step, rows in enumerate(plan):
        batch, targets = _stack(model, [examples[row] for row in rows])
        _hide(batch, settings, model.subwords.unknown, rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = logits_of(model, batch)[..., model.design.columns(examples[rows[0]].head)]
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=_IGNORED)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.trained().values(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            told(step + 1, len(plan), float(np.mean(losses[-50:])))


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
        logits = logits_of(model, batch)
        for row, example in enumerate(own):
            columns = model.design.columns(example.head)
            where, tags = targets[row] != _IGNORED, model.design.tags[columns]
            best = logits[row, where, columns].argmax(-1)
            yield [tags[i] for i in targets[row][where]], [tags[i] for i in best]


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
