"""A private step beside a plain one, and an epoch over cached states beside one that runs the frozen trunk anew."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.report import (
    Contestant,
    Match,
    Work,
    digits,
    json_line,
    medians,
    memory_rows,
    play,
    ratio_text,
    start,
)
from dashboard.console import say, table

if TYPE_CHECKING:
    from torch import Tensor

    from clinical.encoder import Classifier
    from privacy.training.dpsgd import Rows

    Source = Callable[[Sequence[int]], Rows]

THREADS = 1  # with two, small operations wait for the other thread, and a busy machine is what is measured
PATIENTS, WINDOW, LABELS = 128, 64, 24
RANK, SCALE, LAYERS = 8, 0.1, 1
SIGMA, CLIP = 2.0, 1.0
LEARNING_RATE = 0.1
PAIRS, PAIRS_QUICK = 25, 2
EPOCH_PAIRS, EPOCH_PAIRS_QUICK = 9, 1
SEED = 1


def private_step() -> Work:
    """One private step over the cached states of all patients, as a site takes it in a round; also an epoch."""
    classifier = _classifier()
    return _private(classifier, _cached(classifier))


def private_step_anew() -> Work:
    """The same step, with the frozen trunk run again for its rows."""
    classifier = _classifier()
    return _private(classifier, _anew(classifier))


def plain_step() -> Work:
    """The same rows through the same LoRA and head, in chunks of the same size, without clipping or noise."""
    import torch

    from clinical.classifier import soft_cross_entropy
    from privacy.training.dpsgd import PATIENTS_AT_ONCE

    classifier = _classifier()
    rows = _cached(classifier)
    optimizer = torch.optim.SGD(classifier.tail.trained().values(), lr=LEARNING_RATE / PATIENTS)

    def work(_: int) -> float:
        total = 0.0
        optimizer.zero_grad()
        for first in range(0, PATIENTS, PATIENTS_AT_ONCE):
            own = rows(range(first, min(first + PATIENTS_AT_ONCE, PATIENTS)))
            loss = soft_cross_entropy(classifier.tail(*own.inputs), own.targets).sum()
            loss.backward()
            total += float(loss.detach())
        optimizer.step()
        return total / PATIENTS

    classifier.tail.train()
    return work


def _private(classifier: Classifier, rows: Source) -> Work:
    from clinical.classifier import soft_cross_entropy
    from privacy.training.dpsgd import StepSettings, private_gradient

    settings = StepSettings(SIGMA, CLIP, 1.0, PATIENTS)
    return lambda _: private_gradient(classifier.tail, soft_cross_entropy, rows, range(PATIENTS), settings).loss


def _classifier() -> Classifier:
    import torch

    from clinical.encoder import Design, build_classifier
    from privacy.encoders import find_encoder

    torch.set_num_threads(THREADS)
    titles = tuple(f"label {number}" for number in range(LABELS))
    return build_classifier(find_encoder(), Design(titles, LAYERS, RANK, SCALE, SEED, WINDOW, 1, 0.0, False))


def _cohort(classifier: Classifier) -> tuple[Tensor, Tensor, Tensor]:
    """One full window of made-up tokens and one label a patient; what they say changes no time."""
    import torch

    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(len(classifier.tokenizer), (PATIENTS, WINDOW), generator=generator)
    labels = torch.randint(LABELS, (PATIENTS,), generator=generator)
    return ids, torch.ones_like(ids), torch.eye(LABELS)[labels]


def _cached(classifier: Classifier) -> Source:
    import numpy as np

    from clinical.classifier import PatientStates, note_rows, trunk_states
    from clinical.windows import Windows
    from privacy.training.randomness import SecureRandom

    ids, mask, targets = (part.numpy() for part in _cohort(classifier))
    windows = [Windows(ids[row : row + 1], mask[row : row + 1]) for row in range(PATIENTS)]
    first_note = np.zeros(1, np.int32)
    patients = [
        PatientStates(states, seen, first_note, targets[row : row + 1])
        for row, (states, seen) in enumerate(trunk_states(classifier, windows))
    ]
    return note_rows(patients, 1, SecureRandom())


def _anew(classifier: Classifier) -> Source:
    import torch

    from privacy.training.dpsgd import Rows

    ids, mask, targets = _cohort(classifier)

    def rows(sample: Sequence[int]) -> Rows:
        chosen = list(sample)
        states = classifier.trunk(ids[chosen], mask[chosen]).clone()
        return Rows((states[:, None], mask[chosen][:, None]), targets[chosen], torch.arange(len(chosen)))

    return rows


def run(chosen: Namespace) -> None:
    """Compare twice, and print tables and, if asked, a line of JSON."""
    steps, epochs = (PAIRS_QUICK, EPOCH_PAIRS_QUICK) if chosen.quick else (PAIRS, EPOCH_PAIRS)
    with Contestant(private_step) as ours, Contestant(plain_step) as plain, Contestant(private_step_anew) as anew:
        anew.ready()
        step = play("private step, plain step", ours, plain, steps)
        epoch = play("epoch over cached states, epoch with the trunk", ours, anew, epochs)
    say(f"{PATIENTS} patients, one window of {WINDOW} tokens each, {LABELS} labels, threads: {THREADS}.")
    say(f"{steps} pairs of steps, {epochs} pairs of epochs.")
    _show("One step, medians of pairs", (f"private, sigma {SIGMA:g}", "plain"), step)
    _show("One private epoch, medians of pairs", ("cached states", "trunk anew"), epoch)
    if chosen.json:
        say(json_line("training", chosen.quick, step=summary(step), epoch=summary(epoch)))


def summary(match: Match) -> dict[str, Any]:
    """The figures of a finished comparison, by name; in lists of two, ours stands first."""
    time = medians(match.pairs)
    return {
        "seconds": time,
        "patients_per_second": [PATIENTS / time.ours, PATIENTS / time.peer],
        "memory_mib": [match.ours, match.peer],
        "first_loss": [match.warm.ours.result, match.warm.peer.result],
    }


def _show(title: str, sides: tuple[str, str], match: Match) -> None:
    time, losses = medians(match.pairs), (match.warm.ours.result, match.warm.peer.result)
    rows = [
        ("seconds", digits(time.ours), digits(time.peer), ratio_text(time.ratio)),
        *memory_rows(match),
        ("loss of the first turn", f"{losses[0]:.4f}", f"{losses[1]:.4f}", ""),
    ]
    table(title, ("", *sides, "ratio"), rows)


if __name__ == "__main__":
    start("Training: a private step beside a plain one, cached states beside the whole encoder.", run)
