import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.extraction import NoteFacts, build_pipeline, load_pipeline, read_note
from clinical.extraction.pipeline import RULES

PIECES = [
    "PMH: ",
    "# Plan",
    "\n",
    "\n\n- ",
    "no ",
    "fever",
    ", ",
    "K 5.2 ",
    "\x00",
    "é",
    "\u2028",
    "Dr. ",
    "aspirin 81 mg po bid",
    "'s",
    "-",
]
NOTES = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))


def ordered(spans, length):
    edges = [offset for span in spans for offset in span]
    return edges == sorted(edges) and all(0 <= start < end <= length for start, end in spans)


@given(NOTES)
@settings(deadline=None, max_examples=150)
def test_facts_of_any_text_lie_where_they_say(text):
    facts = read_note(text)
    assert ordered([(section.start, section.end) for section in facts.sections], len(text))
    assert ordered(facts.sentences, len(text))
    assert ordered([(mention.start, mention.end) for mention in facts.mentions], len(text))
    assert all(text[mention.start : mention.end] == mention.text for mention in facts.mentions)
    assert all(any(a <= mention.start and mention.end <= b for a, b in facts.sentences) for mention in facts.mentions)


@pytest.mark.parametrize("text", ["", " ", "\n\r\t", "\x00\x01"])
def test_a_note_without_words_has_no_mentions(text):
    assert read_note(text).mentions == ()
    assert read_note("") == NoteFacts()


def test_components_in_the_wrong_order_are_an_error():
    with pytest.raises(ValueError, match="wrong order"):
        build_pipeline(RULES[::-1])
    with pytest.raises(ValueError, match="must run before"):
        load_pipeline().get_pipe("clinical_assertion")(load_pipeline().make_doc("No fever"))


def test_each_component_works_without_those_behind_it():
    for number in range(1, len(RULES) + 1):
        assert build_pipeline(RULES[:number])("PMH: gout. No fever.").text == "PMH: gout. No fever."


@pytest.mark.parametrize("piece", ["No fever and no cough, ", "(", "PMH:", "# ", "a. ", "K 5.2, ", "No fever\n"])
def test_time_grows_with_the_note_and_not_with_its_square(piece):
    read_note(piece)

    def seconds(length):
        text = (piece * (length // len(piece) + 1))[:length]
        start = time.process_time()
        read_note(text)
        return time.process_time() - start

    assert seconds(100_000) < 16 * seconds(12_500) + 2.0
