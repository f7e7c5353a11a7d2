"""Ranked conditions for one note, each with the sentences that speak for it.

Diagnosis support whose basis is laid open for a professional's own review; never a diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from clinical.classifier import predict_texts, set_model_weights
from clinical.encoder import Classifier, Design, build_classifier
from clinical.extraction import NoteFacts, read_note
from clinical.labels import LabelRule, LabelSource
from policies.errors import IntegrityError
from policies.models import SignedModel
from policies.policy import Extraction as ExtractionPolicy
from privacy.encoders import find_encoder
from privacy.text.spans import Span

MOST_EVIDENCE = 3
_LEAST_WEIGHT, _LEAST_SHARE = 0.1, 0.1  # log-odds, and share of the strongest sentence's; less is no evidence
_MOST_SENTENCES = 60  # of one note that are weighed one by one


class Deidentifier(Protocol):
    """What turns a note's identifiers into marks, as it was done to the notes that the model was trained on."""

    def find(self, text: str) -> Sequence[Span]: ...


@dataclass(frozen=True)
class Evidence:
    """A sentence at `[start, end)` of the note; without it the condition's log-odds would be lower by `weight`."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Suggestion:
    """A condition that the note may support, with its probability among the model's labels."""

    label: str
    title: str
    probability: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Extraction:
    """What was read in one note: facts by rules, and conditions ranked by a signed model (empty without one)."""

    facts: NoteFacts
    suggestions: tuple[Suggestion, ...]
    model: str


class ConditionModel:
    """A verified model, ready to read notes.

    Args:
        signed: from `policies.models.open_model`, so its signature was checked.

    Raises:
        IntegrityError: the encoder on this machine, or the weights, are not those of the card.
    """

    def __init__(self, signed: SignedModel) -> None:
        plan: Mapping[str, Any] = signed.card["plan"]
        files = find_encoder(plan["encoder"])
        if files.sha256 != plan["encoder_sha256"]:
            raise IntegrityError(f"model {signed.name} wants another '{plan['encoder']}' than this machine has")
        self.name = signed.name
        self.labels: tuple[str, ...] = tuple(plan["labels"])
        self.rule = LabelRule(
            LabelSource(plan["label_source"]), self.labels, plan["label_mapping"], plan["label_titles"]
        )
        self.split_key, self.held_back = str(plan["split_key"]), float(plan["held_back"])
        self.classifier: Classifier = build_classifier(files, Design.of(plan))
        try:
            set_model_weights(self.classifier, load_file(signed.weights))
        except ValueError:
            raise IntegrityError(f"model {signed.name}: its weights do not fit its plan") from None

    def title(self, label: str) -> str:
        return self.rule.titles.get(label, label)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Of de-identified texts, `[N, K]`."""
        return predict_texts(self.classifier, texts)

    def _log_odds(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        wide = logits.astype(np.float64)
        if self.classifier.design.multi_label:
            return wide
        shifted = np.exp(wide - wide.max(-1, keepdims=True))
        share = np.clip(shifted / shifted.sum(-1, keepdims=True), 1e-12, 1 - 1e-12)
        return np.log(share) - np.log1p(-share)

    def rank(
        self, sentences: Sequence[str], most: int, smallest: float
    ) -> list[tuple[str, float, NDArray[np.float64]]]:
        """Labels by falling probability, each with a weight for every sentence.

        A sentence's weight is the log-odds that the label loses when the sentence is taken out (occlusion, Zeiler and
        Fergus 2014, section 4.2).
        """
        weighed = list(sentences[:_MOST_SENTENCES])
        rest = list(sentences[_MOST_SENTENCES:])
        without = ["\n".join(weighed[:place] + weighed[place + 1 :] + rest) for place in range(len(weighed))]
        odds = self._log_odds(self.logits(["\n".join(sentences), *without]))
        order = np.argsort(-odds[0])[:most]
        probability = 1.0 / (1.0 + np.exp(-odds[0]))
        return [
            (self.labels[index], float(probability[index]), odds[0, index] - odds[1:, index])
            for index in order
            if probability[index] >= smallest
        ]


def extract(
    text: str, model: ConditionModel | None, deidentifier: Deidentifier, settings: ExtractionPolicy
) -> Extraction:
    """Read one note.

    The model sees each sentence without its identifiers, as in training; offsets are those of the note itself.

    Args:
        model: none gives facts without suggestions.
    """
    facts = read_note(text)
    if model is None or not text.strip():
        return Extraction(facts, (), model.name if model else "")
    spans = deidentifier.find(text)
    sentences = [_without_identifiers(text, start, end, spans) for start, end in facts.sentences]
    suggestions = [
        Suggestion(label, model.title(label), probability, _evidence(facts.sentences, weights))
        for label, probability, weights in model.rank(
            sentences, settings.most_suggestions, settings.smallest_probability
        )
    ]
    return Extraction(facts, tuple(suggestions), model.name)


def _evidence(sentences: Sequence[tuple[int, int]], weights: NDArray[np.float64]) -> tuple[Evidence, ...]:
    least = max(_LEAST_WEIGHT, _LEAST_SHARE * float(weights.max(initial=0.0)))
    best = [int(index) for index in np.argsort(-weights)[:MOST_EVIDENCE] if weights[index] >= least]
    return tuple(Evidence(*sentences[index], float(weights[index])) for index in best)


def _without_identifiers(text: str, start: int, end: int, spans: Sequence[Span]) -> str:
    parts, place = [], start
    for span in spans:
        if start <= span.start < end:
            parts += [text[place : span.start], span.replacement]
            place = max(place, min(span.end, end))
        elif span.start < start < span.end:  # an identifier that began in the sentence before
            place = max(place, min(span.end, end))
    return "".join([*parts, text[place:end]])
