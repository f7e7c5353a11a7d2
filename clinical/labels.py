"""Where the label of a note comes from: the coded condition of its encounter, or the category it was filed under."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from policies.errors import InputError


class LabelSource(StrEnum):
    CONDITION = "condition"  # Condition.code of the encounter that the note belongs to
    CATEGORY = "category"  # DocumentReference.category


@dataclass(frozen=True)
class LabelRule:
    """How codes become labels.

    Attributes:
        labels: the closed, public set; the order is that of the logits.
        mapping: code to label; a code that it does not name is its own label. Empty for none.
        titles: label to words for people; a label that it does not name is its own title.
    """

    source: LabelSource
    labels: tuple[str, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    def of(self, codes: Iterable[str]) -> frozenset[str]:
        """The labels of a note with these codes; codes outside the set give none."""
        return frozenset(self.mapping.get(code, code) for code in codes) & frozenset(self.labels)


def read_label_rule(path: Path, source: LabelSource) -> LabelRule:
    """Read a label set from a TOML file: `labels = [...]`, and where wanted the tables `[codes]` and `[titles]`.

    Raises:
        InputError: no such file, no TOML, no or repeated labels, or a row that names a label that is not listed.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError:
        raise InputError("no such label file", file=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"no TOML ({error})", file=path) from None
    if unknown := sorted(raw.keys() - {"labels", "codes", "titles"}):
        raise InputError(f"unknown key '{unknown[0]}'", "It may hold 'labels', [codes] and [titles].", file=path)
    labels, codes, titles = raw.get("labels"), raw.get("codes", {}), raw.get("titles", {})
    if not isinstance(labels, list) or len(labels) < 2 or not all(isinstance(label, str) for label in labels):
        raise InputError("'labels' must be a list of at least two names", file=path)
    if len(set(labels)) < len(labels):
        raise InputError("'labels' names one label twice", file=path)
    for key, label in [*codes.items(), *((label, label) for label in titles)]:
        if label not in labels:
            raise InputError(f"'{key}' belongs to '{label}', which 'labels' does not name", file=path)
    return LabelRule(source, tuple(labels), dict(codes), dict(titles))


def category_codes(document: Mapping[str, Any]) -> Iterator[str]:
    """The codes of DocumentReference.category."""
    for category in document.get("category", ()):
        yield from _codes(category)


def condition_codes(condition: Mapping[str, Any]) -> Iterator[str]:
    """The codes of Condition.code."""
    yield from _codes(condition.get("code", {}))


def _codes(concept: Mapping[str, Any]) -> Iterator[str]:
    for coding in concept.get("coding", ()):
        if "code" in coding:
            yield coding["code"]
