"""Every answer is a quotation of the record, denied things are quoted with their denial, and nothing is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical.record import spans
from clinical.record.ask import Conversation, Record, refers_back
from clinical.record.encoding import Encoding
from clinical.record.passages import Note
from clinical.record.spans import Found, whole_words

NOTE = "HPI: The patient denies fever and chills. She has a cough.\nFAMILY HISTORY: Mother with diabetes."
words = st.sampled_from(["fever", "cough", "denies", "patient", "no", ".", "\n", "5.1", "é", "-", "Ω"])


@given(st.lists(st.lists(words, max_size=60).map(" ".join), max_size=3), st.lists(words, max_size=6).map(" ".join))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_is_a_quotation(encoding: Encoding, texts: list[str], question: str) -> None:
    notes = {f"n{number}": text for number, text in enumerate(texts)}
    record = Record([Note(name, "", text) for name, text in notes.items()], encoding)
    answer = record.ask(question)
    assert 0 <= answer.score <= 1
    assert answer.stated or not answer.others
    for own in (*([answer.quotation] if answer.quotation else []), *answer.others):
        assert own.text and own.text == notes[own.record][own.start : own.end]


@pytest.mark.parametrize("notes", [[], [Note("a", "", "")], [Note("a", "", " \n\t")]])
def test_an_empty_record_states_nothing(encoding: Encoding, notes: list[Note]) -> None:
    answer = Record(notes, encoding).ask("Does she have a fever?")
    assert (answer.stated, answer.quotation, answer.score) == (False, None, 0.0)


def test_below_the_line_nothing_is_given(encoding: Encoding) -> None:
    strict = replace(encoding, reader=replace(encoding.reader, design=replace(encoding.reader.design, threshold=1e6)))
    answer = Record([Note("a", "", NOTE)], strict).ask("How is she?")
    assert answer.quotation is None and answer.score < 0.5 and answer.others == ()
    assert Record([Note("a", "", NOTE)], encoding).ask("How is she?").stated


@pytest.fixture
def answering(encoding: Encoding, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Record]:
    """A record in whose note the reader always finds these words."""

    def make(found: str) -> Record:
        start = NOTE.index(found)
        answers = [Found(0, start, start + len(found), 0.9)]
        monkeypatch.setattr(spans, "find_answers", lambda *_: answers)
        return Record([Note("a", "2025-01-14", NOTE)], encoding)

    return make


@pytest.mark.parametrize(
    ("found", "question", "quoted", "status"),
    [
        ("fever", "How bad is the fever?", "denies fever", "negated"),
        ("chills", "How bad are the chills?", "denies fever and chills", "negated"),
        ("fever and chills", "How bad are the chills?", "denies fever and chills", "negated"),
        ("a cough", "How bad is the cough?", "a cough", "present"),
        ("diabetes", "How bad is the diabetes?", "diabetes", "family"),
        ("The patient", "Who?", "The patient", None),
    ],
)
def test_what_is_denied_is_quoted_with_its_denial(
    answering: Callable[[str], Record], found: str, question: str, quoted: str, status: str | None
) -> None:
    answer = answering(found).ask(question)
    assert answer.quotation is not None
    assert answer.quotation.text.endswith(quoted) and answer.quotation.date == "2025-01-14"
    assert (answer.status, answer.by) == (status, "reader")


def test_a_denial_of_another_thing_is_no_answer(answering: Callable[[str], Record]) -> None:
    assert answering("fever and chills").ask("How bad is the back pain?").quotation is None


def test_a_list_that_the_rules_do_not_find_is_not_read(answering: Callable[[str], Record]) -> None:
    answer = answering("a cough").ask("Any operations?")
    assert (answer.quotation, answer.by) == (None, "rules")
    assert answering("a cough").ask("Any operation on the knee?").by == "reader"


def test_what_the_rules_read_is_asked_before_the_reader(answering: Callable[[str], Record]) -> None:
    answer = answering("a cough").ask("Any chills?")
    assert answer.quotation is not None and answer.quotation.text == "HPI: The patient denies fever and chills."
    assert (answer.status, answer.cue, answer.by, answer.score) == ("negated", "denies", "rules", 1.0)


@pytest.mark.parametrize("days", [("2025-01-14", "2025-02-03"), ("2025-02-03", "2025-01-14"), ("", "2025-01-14")])
def test_of_notes_that_say_the_same_the_newest_is_quoted(encoding: Encoding, days: tuple[str, str]) -> None:
    record = Record([Note(day, day, "He feels much better since the walk.") for day in days], encoding)
    answer = record.ask("How is he after walking?")
    assert answer.quotation is not None
    assert (answer.by, answer.quotation.date) == ("reader", max(days))


def test_the_newest_note_is_asked_first_by_rules_and_reader(encoding: Encoding) -> None:
    days = ("2025-01-14", "2025-02-03")
    record = Record([Note(day, day, "She denies fever.") for day in days], encoding)
    answer = record.ask("Any fever?")
    assert answer.quotation is not None and answer.quotation.date == days[1] and answer.others == ()
    search = record.index.search("How is she?")
    older, newer = sorted(
        spans.candidates_of(encoding.reader, record.index, search, "How is she?", 2), key=lambda own: own.note
    )
    assert search.order == (1, 0) and newer.rank > older.rank


def test_a_heading_answers_with_what_stands_under_it(answering: Callable[[str], Record]) -> None:
    answer = answering("FAMILY HISTORY").ask("Who is in her house?")
    assert answer.quotation is not None and answer.quotation.text == "FAMILY HISTORY: Mother with diabetes."


def test_a_question_that_points_back_is_asked_with_the_words_of_the_last() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    class Heard:
        def ask(self, question: str, context: tuple[str, ...] = ()) -> None:
            asked.append((question, context))

    talk = Conversation(Heard())  # type: ignore[arg-type]
    for question in ("Does she have a cough?", "Since when?", "Is it dry?", "Any chest pain?", "Since when?"):
        talk.ask(question)
    assert [context for _, context in asked] == [(), ("cough",), ("cough",), (), ("chest", "pain")]


def test_which_questions_point_back() -> None:
    assert all(map(refers_back, ("Since when?", "How was it treated?", "And the dose?")))
    assert not any(map(refers_back, ("Does she have a fever?", "What did the biopsy of the liver show?")))


@given(st.text(alphabet="ab é.-1", max_size=20), st.data())
def test_answers_are_whole_words(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, max(0, len(text) - 1)))
    end = data.draw(st.integers(min(start + 1, len(text)), len(text)))
    if start < end:
        low, high = whole_words(text, start, end)
        assert low < high and end <= high and text[start:end].lstrip(" .") in text[low:high]
        assert not (low and text[low - 1].isalnum() and text[low].isalnum())
        assert not (high < len(text) and text[high - 1].isalnum() and text[high].isalnum())
