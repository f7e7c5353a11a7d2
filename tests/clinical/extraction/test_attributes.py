import pytest

from clinical.extraction import read_note


def attributes(text):
    return [
        {own.kind: own.value for own in mention.attributes}
        for mention in read_note(text).mentions
        if mention.kind in ("medication", "test")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metoprolol 25 mg PO BID", [{"dose": "25", "unit": "mg", "route": "oral", "frequency": "bid"}]),
        ("Percocet 1 tab q6h prn", [{"dose": "1", "unit": "tablet", "frequency": "q6h prn"}]),
        ("ibuprofen 600mg every 6 to 8 hours as needed", [{"dose": "600", "unit": "mg", "frequency": "q6-8h prn"}]),
        ("aspirin, lisinopril 20 mg once daily", [{}, {"dose": "20", "unit": "mg", "frequency": "daily"}]),
        (
            "heparin 5,000 units SQ t.i.d.",
            [{"dose": "5000", "unit": "units", "route": "subcutaneous", "frequency": "tid"}],
        ),
        ("She takes aspirin. Walks 5 g daily.", [{}]),
        ("Metformin increased from 500 mg to 1000 mg BID", [{"dose": "1000", "unit": "mg", "frequency": "bid"}]),
        ("Lisinopril 10 mg daily -> 20 mg daily", [{"dose": "10", "unit": "mg", "frequency": "daily"}]),
        ("Lisinopril 10 mg -> 20 mg daily", [{"dose": "20", "unit": "mg", "frequency": "daily"}]),
        ("oxycodone 5 mg to 10 mg q4h prn", [{"dose": "5", "unit": "mg", "frequency": "q4h prn"}]),
        ("Stopped aspirin and started 500 mg of Tylenol", [{}, {"dose": "500", "unit": "mg"}]),
        ("metformin and 20 mg of lisinopril daily", [{}, {"dose": "20", "unit": "mg", "frequency": "daily"}]),
        ("aspirin, 20 mg lisinopril", [{}, {"dose": "20", "unit": "mg"}]),
        ("100 mg of Demerol, 3 mg of Versed", [{"dose": "100", "unit": "mg"}, {"dose": "3", "unit": "mg"}]),
        ("aspirin 81 mg lisinopril 20 mg", [{"dose": "81", "unit": "mg"}, {"dose": "20", "unit": "mg"}]),
        ("aspirin, 81 mg, lisinopril", [{"dose": "81", "unit": "mg"}, {}]),
        ("He takes metformin, his wife 50 mg of Fooxetine", [{}]),
        ("aspirin and IV vancomycin", [{}, {"route": "intravenous"}]),
        ("Warfarin 2,5 mg", [{"dose": "2.5", "unit": "mg"}]),
        ("metformin 1 000 mg", [{}]),
        ("metformin 1,000 mg", [{"dose": "1000", "unit": "mg"}]),
        ("vitamin b12 1000 mcg", [{"dose": "1000", "unit": "mcg"}]),
        ("Digoxin .125 mg daily", [{"dose": "0.125", "unit": "mg", "frequency": "daily"}]),
        ("propofol 50 μg/kg/min", [{"dose": "50", "unit": "mcg/kg/min"}]),
        ("vancomycin 15 mg/wombat", [{}]),
    ],
)
def test_what_is_written_behind_a_medication(text, expected):
    assert attributes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("K 5.2, Na 140", [{"value": "5.2"}, {"value": "140"}]),
        ("WBC: 14.3 K/uL", [{"value": "14.3", "unit": "K/uL"}]),
        ("BP 142/88", [{"value": "142/88"}]),
        ("troponin of 0.8 ng/mL", [{"value": "0.8", "unit": "ng/mL"}]),
        ("O2 sat 90-92%", [{"value": "90-92", "unit": "%"}]),
        ("T 38.6", [{"value": "38.6"}]),
        ("hemoglobin was 7.", [{"value": "7"}]),
        ("Cortisol: 2 out of 3 were normal", [{}]),
        ("PTT 60s", [{"value": "60"}]),
        ("PTT 60 s", [{"value": "60", "unit": "sec"}]),
        ("BP 120/\u200b80", [{}]),
        ("creatinine (Cr) .9, AST (SGOT) 90", [{"value": "0.9"}, {}, {"value": "90"}]),
        ("An MRI on 3/4/2019", [{}]),
        ("Chest CT was done", [{}]),
    ],
)
def test_the_value_of_a_test(text, expected):
    assert attributes(text) == expected
