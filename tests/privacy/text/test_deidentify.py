import socket
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from privacy.text.deidentify import TextDeidentifier
from privacy.text.identifiers import rules
from privacy.text.replacement import Marks
from privacy.text.roster import roster_of

AS_OF = 2026
PATIENT = {"name": [{"family": "Kaczmarek", "given": ["Zofia"]}], "identifier": [{"system": "mrn", "value": "4471902"}]}
# Pieces that can meet in a note in any order: identifiers, look-alikes, marks of an earlier run, separators.
PIECES = st.sampled_from(
    [rule.example.replace("{", "").replace("}", "") for rule in rules()]
    + ["Zofia Kaczmarek", "4471902", "3/14", "12/12", "614-555-0182", "Dr.", "MRN:", "[NAME]", "[***]", "[DATE 2019]"]
    + ["on", "Foley", "May", "Smith", "[", "]", "*", "-", "\n", "\u200d", "é"]
)
NOTES = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "\n", ", ", ": "])), max_size=14).map(
    lambda pairs: "".join(piece + gap for piece, gap in pairs)
)


@cache
def engine(mode="tag", years=True):
    return TextDeidentifier(Marks(mode == "redact", years, AS_OF))


def deidentified(text, roster=None, mode="tag", years=True):
    spans = engine(mode, years).find(text, roster)
    return engine(mode, years).apply(text, spans), dict(sorted(Counter(s.category for s in spans).items()))


def tagged(text):
    return deidentified(text)[0]


def test_a_note_in_tags():
    text = "Patient: Kaczmarek, Zofia  MRN 447-1902\nSeen 3/14/2019 by Ewa Lis, MD. Kaczmarek was well; Lis agreed."
    output, findings = deidentified(text, roster_of(PATIENT))
    assert output == "Patient: [NAME]  MRN [MRN]\nSeen [DATE 2019] by [NAME], MD. [NAME] was well; [NAME] agreed."
    assert findings == {"DATE": 1, "MRN": 1, "NAME": 4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 03/14/2019.", "on [DATE 2019]."),
        ("on 14-Mar-87.", "on [DATE 1987]."),
        ("in 11/91.", "in [DATE 1991]."),
        ("on 3/14.", "on [DATE]."),
        ("DOB: 03/14/1930", "DOB: [DATE]"),  # 96 years old: the year would tell
        ("DOB: 03/14/1937", "DOB: [DATE 1937]"),
        ("due 03/14/2031", "due [DATE]"),
    ],
)
def test_a_date_keeps_its_year_unless_it_tells_an_age_over_89(text, expected):
    assert tagged(text) == expected


def test_years_go_where_the_policy_says_so():
    assert deidentified("on 03/14/2019.", years=False)[0] == "on [DATE]."


def test_redact_writes_one_mark_for_all():
    assert deidentified("Dr. Lis, 614-555-0182, 3/14/2019", mode="redact")[0] == "[***], [***], [*** 2019]"


def test_a_bracketed_word_of_the_note_is_no_mark():
    assert deidentified("[KACZMAREK] and [NAME]", roster_of(PATIENT))[0] == "[[NAME]] and [NAME]"


def test_overlapping_findings_become_one_over_all_they_cover():
    text = "Address: 88 Harbour View Lane, Columbus, OH 43215"
    spans = engine().find(text)
    assert [(text[s.start : s.end], s.category) for s in spans] == [(text[9:], "ADDRESS")]


def test_replacements_map_offsets():
    text = "Dr. Lis saw Ms. Nowak on 3/14/2019."
    spans, shift = engine().find(text), 0
    output = engine().apply(text, spans)
    for span in spans:
        start = span.start + shift
        assert output[start : start + len(span.replacement)] == span.replacement
        shift += len(span.replacement) - (span.end - span.start)
    assert len(output) == len(text) + shift


@pytest.mark.parametrize("mode", ["tag", "redact"])
@settings(max_examples=60, deadline=None)
@given(text=NOTES)
def test_twice_is_the_same_as_once(mode, text):
    once = deidentified(text, roster_of(PATIENT), mode)[0]
    assert deidentified(once, roster_of(PATIENT), mode) == (once, {})
    assert engine(mode).find(once) == ()


@settings(max_examples=60, deadline=None)
@given(text=NOTES)
def test_spans_are_in_order_and_never_overlap(text):
    spans = engine().find(text, roster_of(PATIENT))
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert all(0 <= s.start < s.end <= len(text) for s in spans)


@settings(max_examples=60, deadline=None)
@given(before=NOTES, after=NOTES)
def test_a_known_identifier_never_survives(before, after):
    assume("Kaczmarek" not in before + after)  # a name glued to another word is a word of its own
    output = deidentified(f"{before} Zofia Kaczmarek 447-1902 {after}", roster_of(PATIENT))[0]
    assert "Kaczmarek" not in output
    assert "447-1902" not in output


def test_what_hides_an_identifier_is_looked_through():
    text = "Seen: Zof\u200dia Kacz\u200bmarek, MRN 447\u00a01902."
    spans = engine().find(text, roster_of(PATIENT))
    assert [text[s.start : s.end] for s in spans] == ["Zof\u200dia Kacz\u200bmarek", "447\u00a01902"]


def test_a_category_that_may_stay_stays():
    kept = TextDeidentifier(Marks(False, True, AS_OF), frozenset({"DATE"}))
    assert [s.category for s in kept.find("Seen 3/14/2019 by Ewa Lis, MD.")] == ["NAME"]


def test_nothing_asks_the_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text = "Write to j.okoro@mail.example.org."
    fresh = TextDeidentifier(Marks(False, True, AS_OF))
    assert fresh.apply(text, fresh.find(text)) == "Write to [EMAIL]."
