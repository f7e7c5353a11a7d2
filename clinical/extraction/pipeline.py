"""The extraction pipeline: sections, sentences, entities, attributes, assertions and relations, as spaCy components."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from threading import Lock

# spaCy opens Presidio with its first pipeline, for Presidio offers it components. First, both come without torch and
# transformers, which nothing here uses: two thirds of a start.
import privacy.text.presidio  # isort: skip  # noqa: F401
import spacy
from spacy.language import Language

from clinical.extraction import assertion, attributes, entities, relations, sections, sentences  # noqa: F401  they register
from clinical.extraction.mentions import Assertion, Kind, Mention, NoteFacts
from clinical.extraction.sections import clinical_sections, sections_of
from clinical.extraction.sentences import clinical_sentences, sentences_of
from clinical.extraction.words import ClinicalTokenizer, required

RULES = (
    "clinical_sections",
    "clinical_sentences",
    "clinical_entities",
    "clinical_attributes",
    "clinical_assertion",
    "clinical_relations",
)

# One note at a time in a process: a memory zone forgets, at its end, the words that another thread still reads.
_TURN = Lock()


def build_pipeline(components: tuple[str, ...] = RULES) -> Language:
    """A new pipeline; by default of rules, without a trained model.

    Raises:
        ValueError: a component stands before one that assigns what it requires.
    """
    nlp = spacy.blank("en")
    nlp.tokenizer = ClinicalTokenizer(nlp.vocab)
    nlp.max_length = sys.maxsize  # every component is linear in the length of a note
    for name in components:
        nlp.add_pipe(name)
    problems = {name: missing for name, missing in nlp.analyze_pipes()["problems"].items() if missing}
    if problems:
        raise ValueError(f"components in the wrong order, missing before them: {problems}")
    return nlp


@cache
def load_pipeline() -> Language:
    """The pipeline of this process, built once."""
    return build_pipeline()


def read_note(text: str) -> NoteFacts:
    """What the rules alone read in one note; defined for every text, the empty one included."""
    return facts_of(load_pipeline(), text)


def facts_of(nlp: Language, text: str) -> NoteFacts:
    """What a pipeline reads in one note; it has all components of `RULES`. Threads wait for each other."""
    with _TURN, nlp.memory_zone():  # the words of a note are forgotten with it
        doc = nlp(text)
        return NoteFacts(sections_of(doc), sentences_of(doc), required(doc, "mentions"), required(doc, "relations"))


def assert_phrase(sentence: str, start: int, end: int, kind: Kind = "finding") -> Assertion:
    """The assertion of the phrase at `sentence[start:end]`, which need not be in the dictionary.

    Raises:
        ValueError: the offsets do not lie within the sentence.
    """
    return assert_phrases(sentence, [(start, end)], kind)[0]


def assert_phrases(text: str, spans: Sequence[tuple[int, int]], kind: Kind = "finding") -> tuple[Assertion, ...]:
    """The assertions of the phrases at `spans` of a sentence or a whole note, in their order. Threads wait.

    Args:
        kind: of what the phrases name: some cues speak of medications alone, or of findings.

    Raises:
        ValueError: offsets do not lie within the text.
    """
    if not all(0 <= start < end <= len(text) for start, end in spans):
        raise ValueError(f"start and end must satisfy 0 <= start < end <= {len(text)}")
    nlp = load_pipeline()
    with _TURN, nlp.memory_zone():
        doc = clinical_sentences(clinical_sections(nlp.make_doc(text)))
        doc._.mentions = tuple(Mention(start, end, text[start:end], kind, "") for start, end in spans)
        doc._.attributes_read = True  # what is given has none
        judged: tuple[Mention, ...] = nlp.get_pipe("clinical_assertion")(doc)._.mentions
    return tuple(mention.assertion for mention in judged)
