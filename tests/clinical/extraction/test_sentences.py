import pytest

from clinical.extraction.sections import find_sections
from clinical.extraction.sentences import find_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["Dr. Smith saw Mr. J. Doe at 8 a.m. today.", "He is well."],
        ["Lisinopril 2.5 mg p.o. daily.", "K was 4.1."],
        ["Take one tab q.i.d. as needed.", "Return in 2 wks. if worse."],
        ["Is she ill?", "Yes!", "(Seen with Dr. Who.)", "Home."],
        ["Cough vs. wheeze, e.g. at night, i.e. asthma.", "Plan: rest."],
        ["1. Cough.", "2. Fever."],
    ],
)
def test_marks_that_end_a_sentence_and_marks_that_do_not(sentences):
    text = " ".join(sentences)
    assert [text[start:end] for start, end in find_sentences(text)] == sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["MEDICATIONS:", "- aspirin", "- lisinopril"],
        ["1) cough", "2) fever"],
        ["Cough", "Fever", "Rash"],
        ["The patient has had a dry cough and a low fever for three\ndays and feels well.", "Plan is rest"],
        ["He was seen by Dr.\nSmith."],
        ["He denies cough,\nFever or rash"],
        ["First", "Second"],
        ["Diabetes: No", "Stroke: Denies", "Any cough?", "no", "| Gout | No |", "[ ] TIA"],
        ["Seen at the clinic for headache, which she did\nnot mention", "Plan is rest"],
    ],
)
def test_lines_that_are_items_and_lines_that_wrap(sentences):
    text = "\n".join(sentences)
    assert [text[start:end] for start, end in find_sentences(text)] == sentences


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_a_line_ends_whatever_system_wrote_it(line_end):
    text = line_end.join(["No fever", "Chest pain.", "PLAN", "", "Rest"])
    assert [text[start:end] for start, end in find_sentences(text)] == ["No fever", "Chest pain.", "PLAN", "Rest"]
    assert [section.heading for section in find_sections(text)] == ["PLAN"]
    wrapped = f"The patient has had a dry cough and a low fever for three{line_end}days and feels well."
    assert len(find_sentences(wrapped)) == 1
