"""What is known of a tagger without its network: its labels, its encoder, how tags become spans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.errors import IntegrityError

OUTSIDE = "O"


@dataclass(frozen=True)
class Design:
    """What has to be known to build the model before its weights are read.

    Attributes:
        labels: the kinds of span, each of which has a B- and an I- tag; those of one head are written "head:label",
            and each head tags every word by itself.
        encoder: name of the base encoder.
        encoder_sha256: of its weights.
        rank: of LoRA.
        hidden: width of the one hidden layer under the heads.
        marks: how many features a caller adds to the shapes of each word.
        characters: channels of the convolution over a word's characters; 0 for none.
    """

    labels: tuple[str, ...]
    encoder: str
    encoder_sha256: str
    rank: int = 32
    hidden: int = 128
    marks: int = 0
    characters: int = 0

    @property
    def heads(self) -> dict[str, tuple[str, ...]]:
        """The labels of each head, in the order of the logits; one head named "" where labels name none."""
        found: dict[str, tuple[str, ...]] = {}
        for label in self.labels:
            name = label.rpartition(":")[0]
            found[name] = (*found.get(name, ()), label)
        return found

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags in the order of the logits; each head's begin with its own "O"."""
        return tuple(
            tag
            for labels in self.heads.values()
            for tag in (OUTSIDE, *(f"{place}-{label}" for label in labels for place in "BI"))
        )

    def columns(self, head: str = "") -> slice:
        """Which of the tags are those of one head."""
        sizes = {name: 1 + 2 * len(labels) for name, labels in self.heads.items()}
        names = list(sizes)
        start = sum(sizes[name] for name in names[: names.index(head)])
        return slice(start, start + sizes[head])


def read_design(path: Path) -> Design:
    """The design in the header of a weights file.

    Raises:
        IntegrityError: the file is no tagger of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            fields = json.loads(file.metadata()["design"])
        return Design(**{**fields, "labels": tuple(fields["labels"])})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise IntegrityError(f"{path.name} holds no tagger", "Install Confide again.") from None


def spans_of(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Runs of one label in a sequence of B-, I- and O tags, as (first, end, label)."""
    spans: list[tuple[int, int, str]] = []
    for index, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        place, _, label = tag.partition("-")
        if place == "I" and spans and spans[-1][1] == index and spans[-1][2] == label:
            spans[-1] = (spans[-1][0], index + 1, label)
        else:
            spans.append((index, index + 1, label))
    return spans
