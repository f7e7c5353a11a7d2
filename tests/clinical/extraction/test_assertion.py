import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.extraction import assert_phrase, read_note
from clinical.extraction.pipeline import assert_phrases
from clinical.extraction.words import table

RULES = table("assertion")["rule"]


def status(marked, kind="finding"):
    start, end = marked.index("["), marked.index("]")
    return assert_phrase(marked.replace("[", "").replace("]", ""), start, end - 1, kind).status


@pytest.mark.parametrize("row", RULES, ids=[f"{number}-{row['says']}" for number, row in enumerate(RULES)])
def test_each_row_does_what_its_example_says_and_no_more(row):
    says = "present" if row["says"] in ("pseudo", "stop") else row["says"]
    assert any(cue.lower() in re.sub(r"[\[\]]", "", row["example"].lower()) for cue in row["cues"])
    kind = row.get("of", ["finding"])[0]
    assert status(row["example"], kind) == says
    assert status(row["counter"], kind) != says


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
        ("Examination showed a [murmur], and edema was not seen.", "present"),
        ("Fever, cough, and [rash] were not observed.", "negated"),
        ("[Hypoxia] was not present.", "negated"),
        ("This is probably due to [sarcoidosis].", "uncertain"),
        ("PMH: [pneumonia], resolved", "resolved"),
        ("The [chest pain] on exertion has not resolved.", "conditional"),
        ("Her mother had breast cancer but she has [asthma].", "present"),
        ("No wheezes,\nrales, or [rhonchi].", "negated"),
        ("No wheezes, rales or [rhonchi] were heard.", "negated"),
        ("The report (slides not submitted) indicates [leukemia].", "present"),
        ("He has no (new) [rash].", "negated"),
        ("No bleeding before the [stroke].", "present"),
        ("She did not develop [fever].", "negated"),
        ("Mom denies any [diarrhea].", "negated"),
        ("He denies he has done any [physical therapy].", "negated"),
        ("He denies any symptoms associated with [infection].", "negated"),
    ],
)
def test_scopes_end_where_the_thought_ends(marked, expected):
    assert status(marked) == expected


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("Risks including bleeding, [infection] and stroke were discussed.", "hypothetical"),
        ("Explained the risks of bleeding, infection and [nerve injury].", "hypothetical"),
        ("All risks were discussed, which include, but are not limited to, [infection].", "hypothetical"),
        ("The risks of surgery in view of his [cirrhosis] were discussed.", "present"),
        ("Her risk factors include [hypertension].", "present"),
        ("He is at risk for [falls].", "hypothetical"),
        ("I warned her that [bleeding] may occur.", "hypothetical"),
        ("Her [headache] occurs daily.", "present"),
        ("Return if you develop fever, chills, or worsening [abdominal pain].", "hypothetical"),
        ("Call the office for redness or [drainage].", "hypothetical"),
        ("Should symptoms of [infection] develop, she will call.", "hypothetical"),
        ("She began to develop [numbness] in both hands.", "present"),
        ("Admitted to rule out [myocardial infarction].", "uncertain"),
    ],
)
def test_what_is_only_warned_of_is_not_there(marked, expected):
    assert status(marked) == expected


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("1) Possible pneumonia 2) [CHF] 3) COPD", "present"),
        ("1) Possible [pneumonia] 2) CHF 3) COPD", "uncertain"),
        ("3) [COPD] exacerbation 4) s/p CABG", "present"),
        ("3) COPD exacerbation 4) s/p [CABG]", "historical"),
        ("(a) hypertension (b) history of stroke (c) [gout]", "present"),
        ("r/o PE 4. [asthma]", "present"),
        ("#1 chest pain, resolved #2 [HTN]", "present"),
        ("#1 [chest pain], resolved #2 HTN", "resolved"),
        ("• no fever • [cough] • chills", "present"),
        ("Denies: 1) chest pain 2) [dyspnea]", "negated"),
        ("Denies the following: (a) fever (b) [chills]", "negated"),
        ("No (stage 4) kidney disease or [gout]", "negated"),
        ("History of gout 1) no fever 2) [cough]", "present"),
    ],
)
def test_an_item_of_a_list_ends_scopes_on_both_sides(marked, expected):
    assert status(marked) == expected


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("[Cirrhosis] (etiology not documented).", "present"),
        ("[Deep vein thrombosis] (DVT) was suspected.", "uncertain"),
        ("[Fever] (denied).", "negated"),
        ("His wife, who has [Parkinson disease], is here.", "family"),
        ("He denies, to me, any [fever].", "negated"),
        ("[Fever], HIV negative.", "present"),
        ("Husband José adds leg [edema].", "present"),
        ("Her husband has leg [edema].", "family"),
        ("[Knee pain] increased in the past several months.", "present"),
        ("Insulin with meals, [lispro] before them.", "present"),
    ],
)
def test_brackets_and_relative_clauses(marked, expected):
    assert status(marked) == expected


def test_a_cue_may_speak_of_medications_alone():
    assert status("Takes [lispro] with meals.", "medication") == "present"
    assert status("Has [heartburn] with meals.") == "conditional"
    assert (status("Stop [aspirin].", "medication"), status("Stop [aspirin].")) == ("resolved", "present")


def test_the_cue_is_named_and_placed():
    text = "Plan.\nShe denies   chest pain."
    said = read_note(text).mentions[0].assertion
    assert (said.cue, text[said.cue_start : said.cue_end]) == ("denies", "denies")


@pytest.mark.parametrize(
    ("marked", "scope"),
    [
        ("He denies chest pain or [cough], but has fever.", " chest pain or cough,"),
        ("Cough and [fever] were not observed.", "Cough and fever were"),
        ("[Gastritis] versus an ulcer.", "Gastritis versus an ulcer."),
        ("FAMILY HISTORY: [gout]", ": gout"),
    ],
)
def test_the_scope_of_the_cue_is_stated(marked, scope):
    start, end = marked.index("["), marked.index("]")
    text = marked.replace("[", "").replace("]", "")
    said = assert_phrase(text, start, end - 1)
    assert text[said.scope_start : said.scope_end].strip() == scope.strip()


def test_no_cue_says_something_and_nothing():
    pseudo = {cue for row in RULES if row["says"] == "pseudo" for cue in row["cues"]}
    assert not pseudo & {cue for row in RULES if row["says"] not in ("pseudo", "stop") for cue in row["cues"]}


def test_what_is_denied_may_be_past_as_well():
    said = assert_phrase("PMH: denies gout", 12, 16)
    assert (said.status, said.also) == ("negated", ("historical",))
    assert assert_phrase("Gout.", 0, 4).scope_start is None


@given(
    st.lists(
        st.sampled_from(["no ", "fever", ", ", "but ", "was not seen", ". ", "\n", "PMH: ", "PLAN\n", "\x00", "é"])
    )
)
@settings(max_examples=200, deadline=None)
def test_cue_and_scope_lie_in_the_text(pieces):
    text = "".join(pieces)
    spans = [match.span() for match in re.finditer("fever", text)]
    for (start, _), said in zip(spans, assert_phrases(text, spans), strict=True):
        if said.status != "present":
            assert text[said.cue_start : said.cue_end] == said.cue
            assert 0 <= said.scope_start <= start < said.scope_end <= len(text)


@pytest.mark.parametrize(
    "text", ["fever", "no fever " * 25_000, "NO FEVER, COUGH\n" * 12_000, "a|b\tc\n" * 30_000, "\x00\x1b" * 100_000]
)
def test_long_and_odd_texts_are_read(text):
    assert len(assert_phrases(text, [(0, 1)])) == 1


def test_a_phrase_outside_its_sentence_is_refused():
    with pytest.raises(ValueError, match="start < end"):
        assert_phrase("No fever", 3, 30)
