import pytest

from clinical.extraction.headings import composed_heading, is_part, known_heading


@pytest.mark.parametrize(
    ("heading", "label"),
    [
        ("Prior Surgical Procedures", "procedures"),
        ("Current Medication List", "medications"),
        ("Family Medical History", "fam/sochx"),
        ("Medical Problems", ""),
    ],
)
def test_words_that_are_known_make_a_heading(heading, label):
    composed = known_heading(heading) or composed_heading(heading)
    assert composed is not None
    assert composed.label == label


@pytest.mark.parametrize("heading", ["", "History", "Surgical Zebra", "and of the", "lungs", "a " * 40, "Lymph Nodes"])
def test_other_words_make_none(heading):
    assert composed_heading(heading) is None


def test_parts_and_headings_differ():
    assert is_part("LUNGS")
    assert known_heading("Past  medical-history:").label == "pastmedicalhx"
