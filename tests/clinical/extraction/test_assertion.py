import pytest

from clinical.extraction import assert_phrase, read_note
from clinical.extraction.words import table

RULES = table("assertion")["rule"]


def status(marked):
    start, end = marked.index("["), marked.index("]")
    return assert_phrase(marked.replace("[", "").replace("]", ""), start, end - 1).status


@pytest.mark.parametrize("row", RULES, ids=[f"{number}-{row['says']}" for number, row in enumerate(RULES)])
def test_each_row_does_what_its_example_says_and_no_more(row):
    says = "present" if row["says"] in ("pseudo", "stop") else row["says"]
    assert any(cue.lower() in row["example"].lower() for cue in row["cues"])
    assert status(row["example"]) == says
    assert status(row["counter"]) != says


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("No fever. [Cough] since Monday.", "present"),
        ("No edema, the [lungs] are clear.", "present"),
        ("FAMILY HISTORY: [gout]", "family"),
        ("FAMILY HISTORY: no [gout]", "negated"),
        ("PMH: [gout], asthma", "historical"),
        ("HISTORY OF PRESENT ILLNESS: [cough]", "present"),
        ("In no [acute distress].", "negated"),
        ("Her mother had breast cancer but she has [asthma].", "present"),
        ("No wheezes,\nrales, or [rhonchi].", "negated"),
    ],
)
def test_scopes_end_where_the_thought_ends(marked, expected):
    assert status(marked) == expected


def test_the_cue_is_named_and_placed():
    text = "Plan.\nShe denies   chest pain."
    said = read_note(text).mentions[0].assertion
    assert (said.cue, text[said.cue_start : said.cue_end]) == ("denies", "denies")


def test_a_phrase_outside_its_sentence_is_refused():
    with pytest.raises(ValueError, match="start < end"):
        assert_phrase("No fever", 3, 30)
