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
            [{"dose": "5,000", "unit": "units", "route": "subcutaneous", "frequency": "tid"}],
        ),
        ("She takes aspirin. Walks 5 g daily.", [{}]),
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
        ("An MRI on 3/4/2019", [{}]),
        ("Chest CT was done", [{}]),
    ],
)
def test_the_value_of_a_test(text, expected):
    assert attributes(text) == expected
