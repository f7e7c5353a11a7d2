"""De-identified notes with labels, indexed by patient, and the split into training and held-back patients."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical.labels import LabelRule, LabelSource, category_codes, condition_codes
from policies.errors import InputError

_Encounter = tuple[str, str]  # with its patient: one patient's condition must not label another's note


@dataclass(frozen=True)
class LabelledNote:
    """One de-identified note; `labels` is never empty."""

    record: str
    text: str = field(repr=False)
    labels: frozenset[str]


@dataclass(frozen=True)
class Dataset:
    """Notes by patient pseudonym; a patient stands in it only with at least one labelled note."""

    notes: Mapping[str, tuple[LabelledNote, ...]] = field(repr=False)
    rule: LabelRule

    @property
    def patients(self) -> tuple[str, ...]:
        return tuple(sorted(self.notes))

    def only(self, patients: Sequence[str]) -> Dataset:
        """The part of it that belongs to these patients."""
        return Dataset({patient: self.notes[patient] for patient in patients}, self.rule)


def read_dataset(folder: Path, rule: LabelRule) -> Dataset:
    """Read what 'confide deid' wrote.

    Notes without a label of the set are left out; so are patients without such notes.

    Raises:
        InputError: the folder holds no de-identified documents.
    """
    by_encounter: dict[_Encounter, list[str]] = defaultdict(list)
    if rule.source is LabelSource.CONDITION:
        for condition in resources(folder, "Condition"):
            encounter = condition.get("encounter", {}).get("reference")
            if encounter:
                by_encounter[subject_of(condition), encounter].extend(condition_codes(condition))
    notes: dict[str, list[LabelledNote]] = defaultdict(list)
    documents = 0
    for document in resources(folder, "DocumentReference"):
        documents += 1
        labels = rule.of(_codes_of(document, rule.source, by_encounter))
        if labels:
            patient = subject_of(document).removeprefix("Patient/")
            notes[patient].append(LabelledNote(document["id"], document_text(document), labels))
    if not documents:
        raise InputError("no de-identified documents here", "Run 'confide deid IN OUT' first.", file=folder)
    ordered = {patient: tuple(sorted(own, key=lambda note: note.record)) for patient, own in notes.items()}
    return Dataset(ordered, rule)


def split(dataset: Dataset, key: str, held_back: float) -> tuple[Dataset, Dataset]:
    """Training and held-back patients, by a keyed hash of each patient's own pseudonym and nothing else.

    Args:
        key: from the plan.
        held_back: share of patients to hold back, in [0, 1).
    """
    back = [patient for patient in dataset.patients if keyed_share(patient, key) < held_back]
    train = [patient for patient in dataset.patients if keyed_share(patient, key) >= held_back]
    return dataset.only(train), dataset.only(back)


def keyed_share(patient: str, key: str) -> float:
    """A number in [0, 1) that only this patient's pseudonym and the key decide (HMAC-SHA256)."""
    digest = hmac.new(key.encode(), patient.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def target(labels: frozenset[str], rule: LabelRule) -> NDArray[np.float32]:
    """Labels of one note as a distribution over the label set, `[K]`, summing to 1."""
    hot = np.fromiter((label in labels for label in rule.labels), np.float32, len(rule.labels))
    return hot / hot.sum()


def subject_of(resource: Mapping[str, Any]) -> str:
    """The reference of the patient whom a resource is about, "Patient/ID"."""
    return str(resource["subject"]["reference"])


def _codes_of(
    document: Mapping[str, Any], source: LabelSource, by_encounter: Mapping[_Encounter, list[str]]
) -> Iterator[str]:
    if source is LabelSource.CATEGORY:
        yield from category_codes(document)
        return
    context = document.get("context", {})  # of R5 the encounters themselves, of R4 what holds them
    for encounter in context if isinstance(context, list) else context.get("encounter", ()):
        yield from by_encounter.get((subject_of(document), encounter.get("reference", "")), ())


def document_text(document: Mapping[str, Any]) -> str:
    """The text of a DocumentReference as Confide writes it, its attachments one below the other."""
    parts = (content["attachment"].get("data", "") for content in document["content"])
    return "\n".join(base64.b64decode(part).decode() for part in parts)


def resources(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Every resource of a type in a folder that 'confide deid' wrote."""
    for path in sorted(folder.glob("*.ndjson")):
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                resource = json.loads(line)
                if resource.get("resourceType") != kind:
                    break  # one kind of resource to a file, as 'confide deid' writes them
                yield resource
