"""The rules and the tagger together: what each adds, and that no identifier becomes a finding."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.entities.component import TaggedEntities
from clinical.extraction import read_note
from clinical.reading import load_pipeline, read_with_tagger
from clinical.sectioning import reader
from privacy.text.spans import Span as Identifier
from tests.clinical.entities.given import Given

NOTE = "Mr. Zorbel has no paramyotonia. Takes aspirin 81 mg daily."


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = load_pipeline().get_pipe("clinical_tagger")
    assert isinstance(pipe, TaggedEntities)
    finds = Given(("Zorbel", "maccrobat:Medication"), ("paramyotonia", "maccrobat:Sign"))
    monkeypatch.setattr(pipe, "tagger", finds)


def said(text: str, *identifiers: Identifier) -> list[tuple[str, str]]:
    return [(own.concept, own.assertion.status) for own in read_with_tagger(text, identifiers).mentions]


@pytest.mark.usefixtures("tagged")
def test_what_the_tagger_adds_is_judged_as_the_dictionarys_names_are() -> None:
    assert said(NOTE) == [("zorbel", "present"), ("paramyotonia", "negated"), ("aspirin", "present")]
    assert [own.concept for own in read_note(NOTE).mentions] == ["aspirin"]


@pytest.mark.usefixtures("tagged")
def test_a_name_is_no_finding_but_a_drug_that_looks_like_one_stays() -> None:
    name = Identifier(4, 10, "NAME", "test", 1.0)
    drug = NOTE.index("aspirin")
    assert said(NOTE, name) == [("paramyotonia", "negated"), ("aspirin", "present")]
    assert ("aspirin", "present") in said(NOTE, Identifier(drug, drug + 7, "NAME", "test", 1.0))


@pytest.mark.usefixtures("tagged")
def test_a_relation_goes_with_its_mention() -> None:
    text = "Zorbel 5 mg daily."
    assert any(own.head_start == 0 for own in read_with_tagger(text).relations)
    assert read_with_tagger(text, [Identifier(0, 6, "NAME", "test", 1.0)]).relations == ()


@pytest.mark.usefixtures("tagged")
@pytest.mark.parametrize("label", ["fam/sochx", "allergy", "pastmedicalhx"])
def test_a_label_that_is_read_from_the_text_changes_no_mention(monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    text = "# Gout\nDiabetes. Zorbel. Takes aspirin 81 mg daily.\nPMH: asthma"
    before = read_with_tagger(text)
    monkeypatch.setattr(reader, "label_texts", lambda texts: [label] * len(texts))
    after = read_with_tagger(text)
    assert [own.label for own in after.sections] == [label, "pastmedicalhx"]
    assert (after.mentions, after.relations) == (before.mentions, before.relations)
    assert (after.mentions[0].concept, after.mentions[0].assertion.status) == ("gout", "present")


def test_a_start_brings_neither_torch_nor_transformers() -> None:
    program = (
        "import sys, clinical.output, clinical.diagnosis.kept; from clinical.reading import load_pipeline;"
        "load_pipeline(); print(*(name for name, own in sys.modules.items() if own))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "spacy" in loaded
    assert not {"torch", "transformers"} & {*loaded}


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=200))
def test_every_text_is_read_and_what_the_dictionary_names_is_named(text: str) -> None:
    facts = read_with_tagger(text)
    assert all(text[own.start : own.end] == own.text for own in facts.mentions)
    for own in read_note(text).mentions:
        assert any(other.start < own.end and own.start < other.end for other in facts.mentions)


@pytest.mark.usefixtures("tagged")
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=6))
def test_what_touches_no_identifier_stays(drawn: list[tuple[int, int]]) -> None:
    identifiers = [Identifier(start, start + length, "NAME", "test", 1.0) for start, length in drawn]
    for word in ("Zorbel", "paramyotonia"):
        start = NOTE.index(word)
        free = all(own.end <= start or start + len(word) <= own.start for own in identifiers)
        assert free == (word.lower() in dict(said(NOTE, *identifiers)))
