import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.extraction import NoteFacts, build_pipeline, load_pipeline, read_note
from clinical.extraction.pipeline import RULES, assert_phrases, facts_of

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


@pytest.mark.parametrize(
    "components",
    [
        ("sections", "sentences", "entities", "assertion", "attributes", "relations"),  # "no" would reach a result
        ("sections", "sentences", "entities", "attributes", "relations", "assertion"),
        ("sections", "sentences", "entities", "relations", "attributes", "assertion"),
    ],
)
def test_an_order_that_would_only_read_less_is_an_error_too(components):
    with pytest.raises(ValueError, match="wrong order"):
        build_pipeline(tuple(f"clinical_{own}" for own in components))


@pytest.mark.parametrize("late", ["clinical_entities", "clinical_attributes"])
def test_what_comes_after_the_step_that_reads_it_is_an_error(late):
    nlp = load_pipeline()
    with nlp.memory_zone(), pytest.raises(ValueError, match="must run after"):
        nlp.get_pipe(late)(nlp("No fever, aspirin 81 mg."))


def test_each_component_works_without_those_behind_it():
    for number in range(1, len(RULES) + 1):
        assert build_pipeline(RULES[:number])("PMH: gout. No fever.").text == "PMH: gout. No fever."


@pytest.mark.parametrize(
    "piece", ["No fever and no cough, ", "(", "PMH:", "# ", "1) no ", "a. ", "K 5.2, ", "No fever\n"]
)
def test_time_grows_with_the_note_and_not_with_its_square(piece):
    read_note(piece)

    def seconds(length):
        text = (piece * (length // len(piece) + 1))[:length]
        start = time.process_time()
        read_note(text)
        return time.process_time() - start

    assert seconds(100_000) < 16 * seconds(12_500) + 2.0


def test_threads_wait_for_each_other(monkeypatch):
    nlp, inside, most = load_pipeline(), [], []

    @contextmanager
    def watched():
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        yield
        inside.pop()

    monkeypatch.setattr(nlp, "memory_zone", watched)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: facts_of(nlp, "No fever."), range(4)))
        list(threads.map(lambda _: assert_phrases("No fever.", [(3, 8)]), range(4)))
    assert (len(most), max(most)) == (8, 1)
