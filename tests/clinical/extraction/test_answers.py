"""Answers of forms speak of their own question, each by a row of the table."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.extraction import assert_phrase, read_note
from clinical.extraction.answers import answer_to, find_answers
from clinical.extraction.words import table

ROWS = [row for rows in table("answers").values() for row in rows]


def asserted(marked, kind="finding"):
    start, end = marked.index("«"), marked.index("»") - 1
    return assert_phrase(marked.replace("«", "").replace("»", ""), start, end, kind)


def said(marked):
    """What the answer to a phrase says, whatever the cues say."""
    start, end = marked.index("«"), marked.index("»") - 1
    text = marked.replace("«", "").replace("»", "")
    found = answer_to(find_answers(text, [(start, end)]), start, end)
    return found and found.says


@pytest.mark.parametrize("row", ROWS, ids=[f"{number}-{row['says']}" for number, row in enumerate(ROWS)])
def test_each_row_does_what_its_example_says_and_no_more(row):
    assert any(own in row["example"].lower() for own in row["written"])
    assert (asserted(row["example"]).status, said(row["example"])) == (row["says"], row["says"])
    assert said(row["counter"]) != row["says"]


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("Diabetes: No\nHypertension: Yes\nStroke: Denies\nCancer: N", ["negated", "present", "negated", "negated"]),
        ("Diabetes (no)\nGout (yes)", ["negated", "present"]),
        ("Any chest pain: no\nRash", ["negated", "present"]),
        ("Smoking: never", ["negated"]),
        ("| Diabetes | No |\n| Hypertension | Yes |", ["negated", "present"]),
        ("Diabetes\tNo\nGout\tYes", ["negated", "present"]),
        ("Diabetes   No\nGout      Yes", ["negated", "present"]),
        ("Any chest pain? No\nAny cough?\nYes\nAny fever?\nNo\nRash", ["negated", "present", "negated", "present"]),
        ("Fever: No Cough: Yes Chills: No", ["negated", "present", "negated"]),
        ("Wheeze - no, cough - yes", ["negated", "present"]),
        ("Fever, chills or cough: no", ["negated"] * 3),
        ("Cough for a week, fever: no", ["present", "negated"]),
        ("Denies fever, cough: yes", ["negated", "present"]),
        ("Denies: rash, cough: yes", ["negated", "present"]),
        ("Smoking: no, rash for a week", ["negated", "present"]),
        ("Chest pain: no radiation", ["present", "negated"]),
        ("Intubation with a Macintosh blade (No.3)", ["present"]),
        ("Lungs: no wheezes Heart: murmur", ["present", "negated", "negated", "negated"]),
        ("Chest pain (-) Dyspnea (+) Nausea (-)", ["negated", "present", "negated"]),
        ("ROS: (-) fever, chills (+) cough (-) rash", ["negated", "negated", "present", "negated"]),
        ("ROS: +cough, -fever -chills", ["present", "negated", "negated"]),
        ("-fever\n-cough\nGrade 2+", ["present", "present"]),  # a list
        ("[x] Diabetes [ ] Stroke/TIA [x] Gout", ["present", "hypothetical", "hypothetical", "present"]),
        ("Stroke [ ] Diabetes [x]", ["hypothetical", "present"]),
        ("Gout: [x] Yes [ ] No\nStroke: [ ] Yes [x] No\nTIA: [ ] Yes [ ] No", ["present", "negated", "hypothetical"]),
        ("Negative: fever, cough", ["negated", "negated"]),
        ("PMH: gout: no, asthma: yes", ["negated", "historical"]),
        ("Family history of gout: yes\nFamily history of stroke: no", ["family", "negated"]),
        ("FAMILY HISTORY:\n[ ] gout", ["hypothetical"]),
        ("Troponin: negative, fever: no", ["present", "negated"]),
    ],
)
def test_a_form_is_read_question_by_question(note, expected):
    assert [mention.assertion.status for mention in read_note(note).mentions] == expected


def test_an_answer_is_named_as_the_cue_and_its_question_as_the_scope():
    text = "Fever: yes\nFamily history of gout: no\nRash"
    own = read_note(text).mentions[1].assertion
    assert (own.cue, text[own.cue_start : own.cue_end], own.also) == ("no", "no", ("family",))
    assert text[own.scope_start : own.scope_end].strip() == "Family history of gout:"


@given(
    st.lists(
        st.sampled_from(["no", "yes", ": ", "fever", "\n", "[ ] ", "[x] ", "(-)", "(+)", ", ", "? ", "|", " -", "+"])
    )
)
@settings(max_examples=200, deadline=None)
def test_answers_lie_in_the_text_and_apart_from_their_questions(pieces):
    text = "".join(pieces)
    for own in find_answers(text, []):
        assert 0 <= own.start < own.end <= len(text)
        assert 0 <= own.low <= own.high <= len(text)
        assert own.high <= own.start or own.end <= own.low
