"""Training the reader: cross entropy of the first and the last token of the answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from clinical.record.reader import Reader
from clinical.record.recipe.examples import Case, Example, Settings, examples_of


def train(reader: Reader, cases: Sequence[Case], settings: Settings, told: Callable[[int, float], None]) -> None:
    """Train LoRA and head in place, forward in bfloat16; the rate falls to zero in each cycle (Loshchilov and Hutter
    2017). From the second cycle on, the two passages of a question are compared as well."""
    torch.manual_seed(settings.seed)
    for module in reader.network.modules():
        if isinstance(module, nn.Dropout):
            module.p = settings.dropout
    for number, epochs in enumerate(settings.cycles):
        chosen = random.Random(f"{settings.seed} {number}")
        cycle(reader, cases, settings, told, epochs=epochs, compared=number > 0, chosen=chosen)


def cycle(
    reader: Reader,
    cases: Sequence[Case],
    settings: Settings,
    told: Callable[[int, float], None],
    *,
    epochs: int,
    compared: bool,
    chosen: random.Random,
) -> None:
    """Some epochs with a rate that rises quickly and falls to zero."""
    trained = reader.network.trained()
    lora = [parameter for name, parameter in trained.items() if "parametrizations" in name]
    head = [parameter for name, parameter in trained.items() if "parametrizations" not in name]
    groups = [{"params": lora, "lr": settings.rate}, {"params": head, "lr": settings.head_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = epochs * -(-len(cases) // settings.batch)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) / 30, max(0.0, 1 - step / steps)))
    reader.network.train()
    for epoch in range(epochs):
        losses = []
        for batch in _batches(reader, cases, settings, chosen):
            loss = _loss(reader, batch, compared)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained.values(), 1.0)
            optimizer.step()
            rate.step()
            losses.append(loss.item())
        told(epoch, sum(losses) / len(losses))
    reader.network.eval()


def _loss(reader: Reader, batch: Sequence[Example], compared: bool) -> Tensor:
    """Of passages that answer, in even rows, and of those that do not, in odd ones.

    Each passage is judged by itself against "not here"; and compared, the tokens of both passages of a question
    against each other, which makes scores of passages comparable (Clark and Gardner 2018).
    """
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = reader.logits([pair for pair, _ in batch])
    target = torch.tensor([own for _, own in batch])
    loss = sum((nn.functional.cross_entropy(logits[..., end], target[:, end]) for end in (0, 1)), torch.zeros(()))
    if compared:
        logits = logits.index_fill(1, torch.tensor([0]), float("-inf"))
        read = target[0::2, 0] > 0  # an answer behind the last token that is read is none
        both, right = torch.cat((logits[0::2], logits[1::2]), 1)[read], target[0::2][read]
        loss = loss + sum(nn.functional.cross_entropy(both[..., end], right[:, end]) for end in (0, 1))
    return loss


def _batches(
    reader: Reader, cases: Sequence[Case], settings: Settings, chosen: random.Random
) -> Iterator[list[Example]]:
    """Batches of questions whose passages are about as long, in random order; other passages in every epoch."""
    asked = [examples_of(case, reader, settings, chosen) for case in cases]
    chosen.shuffle(asked)
    size = settings.batch
    pools = [asked[start : start + 10 * size] for start in range(0, len(asked), 10 * size)]
    ordered = [sorted(pool, key=lambda own: max(len(pair.ids) for pair, _ in own)) for pool in pools]
    batches = [pool[start : start + size] for pool in ordered for start in range(0, len(pool), size)]
    chosen.shuffle(batches)
    yield from ([example for own in batch for example in own] for batch in batches)
