"""What one note says and may support: facts by rules, conditions by a model, and why there may be none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit

from clinical.diagnosis.argument import Arguments, Evidence, NotAsked
from clinical.diagnosis.calibration import Calibration
from clinical.diagnosis.located import Located, for_the_model
from clinical.diagnosis.model import ConditionModel
from clinical.extraction import NoteFacts, read_note
from clinical.extraction.language import other_language
from clinical.extraction.words import table
from clinical.reading import read_with_tagger
from policies.policy import Extraction as ExtractionPolicy
from privacy.text.spans import Span


class Deidentifier(Protocol):
    """What turns a note's identifiers into marks, as it was done to the notes that the model was trained on."""

    def find(self, text: str) -> Sequence[Span]: ...


@dataclass(frozen=True)
class Suggestion:
    """A condition that the note may support.

    Attributes:
        probability: with a calibration, that the condition is one of the note's; without, a share among the labels.
        evidence, against, not_asked: its basis.
        in_set: whether it belongs to the set that holds the note's conditions at the policy's level; None without a
            calibration.
    """

    label: str
    title: str
    probability: float
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...] = ()
    not_asked: tuple[NotAsked, ...] = ()
    in_set: bool | None = None


@dataclass(frozen=True)
class Standing:
    """How far the numbers of a note can be trusted: figures of this hospital, for its own eyes.

    Attributes:
        patients: held-back patients of the hospital, on whom they were fit.
        level, coverage: share of notes whose conditions the sets hold: as asked for, and between what it lies.
        error: expected calibration error with its 95 % interval.
        labels: titles of the set of this note, the likeliest first; it may be empty.
    """

    patients: int
    level: float
    coverage: tuple[float, float]
    error: tuple[float, float, float]
    labels: tuple[str, ...]

    def in_words(self) -> tuple[str, str]:
        """The set of this note, and how far it and the percentages can be trusted."""
        error, low, high = self.error
        figures = {"least": self.coverage[0], "most": self.coverage[1], "error": error, "low": low, "high": high}
        which = _say("set", level=self.level, labels=", ".join(self.labels)) if self.labels else _say("no_label")
        return which, _say("trust", patients=self.patients, **figures)


@dataclass(frozen=True)
class Extraction:
    """What was read in one note.

    Attributes:
        suggestions: conditions ranked by a signed model, each with a sentence that speaks for it; empty without a
            model, and where it is refused.
        unsupported: how many more were likely enough, and left out since no sentence speaks for them.
        refusal: why there are none, in words, or nothing.
        caution: why the numbers are no chances, in words, or nothing.
        standing: with a calibration that fits the policy.
    """

    facts: NoteFacts
    suggestions: tuple[Suggestion, ...]
    model: str
    refusal: str = ""
    caution: str = ""
    standing: Standing | None = None
    unsupported: int = 0

    def left_out(self) -> str:
        """What is said of them, or nothing."""
        return _say("unsupported", count=self.unsupported) if self.unsupported else ""


def extract(
    text: str,
    model: ConditionModel | None,
    deidentifier: Deidentifier,
    settings: ExtractionPolicy,
    calibration: Calibration | None = None,
) -> Extraction:
    """Read one note.

    The model reads it without its identifiers, as in training, and without what by the rules it denies or says of
    others; offsets are those of the note itself.

    Args:
        model: none gives facts without suggestions.
        calibration: of this model at this hospital, where there is one.
    """
    identifiers = deidentifier.find(text) if text.strip() else ()
    facts = read_with_tagger(text, identifiers)
    name = model.name if model else ""
    if language := other_language(text):
        return Extraction(facts, (), name, _say("language", language=language))
    if model is None:
        return Extraction(facts, (), "")
    note = for_the_model(text, read_note(text), identifiers)
    if refusal := _too_short(note, settings):
        return Extraction(facts, (), model.name, refusal)
    caution = "" if calibration else _say("uncalibrated")
    if calibration and not calibration.fits(settings):
        calibration, caution = None, _say("outdated")
    reading = model.read(note)
    if calibration and not calibration.familiar.holds(model.features(reading.whole)):
        share = f"{calibration.familiar.quantile:.0%}"
        return Extraction(facts, (), model.name, _say("outside", patients=calibration.patients, share=share))
    arguments = Arguments(model, reading, text, facts)
    likely = _suggestions(arguments, settings, calibration)
    shown = tuple(own for own in likely if own.evidence)
    standing = _standing(arguments, calibration)
    return Extraction(facts, shown, model.name, "", caution, standing, len(likely) - len(shown))


def intended_use() -> str:
    """What is said wherever suggestions are shown."""
    return str(table("diagnosis")["intended_use"])


def _say(what: str, **values: object) -> str:
    return str(table("diagnosis")["say"][what]).format(**values)


def _too_short(note: Located, settings: ExtractionPolicy) -> str:
    if not note.words:
        return _say("empty")
    few = note.words < settings.smallest_words
    return _say("short", words=note.words, least=settings.smallest_words) if few else ""


def _suggestions(
    arguments: Arguments, settings: ExtractionPolicy, calibration: Calibration | None
) -> tuple[Suggestion, ...]:
    model, odds = arguments.model, arguments.odds
    chance = calibration.scaling.probability(odds) if calibration else expit(odds)
    in_set = odds >= calibration.threshold if calibration else None
    shown = (chance >= settings.smallest_probability) | (in_set if in_set is not None else False)
    labels = [int(label) for label in np.argsort(-odds, kind="stable")[: settings.most_suggestions] if shown[label]]
    return tuple(
        Suggestion(
            model.labels[label],
            model.title(model.labels[label]),
            float(chance[label]),
            argument.evidence,
            argument.against,
            argument.not_asked,
            None if in_set is None else bool(in_set[label]),
        )
        for label, argument in zip(labels, arguments.of(labels), strict=True)
    )


def _standing(arguments: Arguments, calibration: Calibration | None) -> Standing | None:
    if calibration is None:
        return None
    model, odds = arguments.model, arguments.odds
    chosen = [model.title(model.labels[k]) for k in np.argsort(-odds) if odds[k] >= calibration.threshold]
    return Standing(calibration.patients, calibration.level, calibration.coverage, calibration.error, tuple(chosen))
