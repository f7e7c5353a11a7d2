import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.coding.words import light, spelled, words_of
from clinical.extraction.words import table


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("renal failure", "Kidney failures"),
        ("lung cancer", "Malignant neoplasm of the lung"),
        ("anaemia", "anemia"),
        ("Crohn's disease", "crohn"),
        ("tuberculous meningitis", "tuberculosis meningitis"),
        ("Ménière disease", "meniere"),
    ],
)
def test_names_of_one_thing_have_the_same_words(one, other):
    assert set(words_of(one)) == set(words_of(other))


@pytest.mark.parametrize(("one", "other"), [("arthritis", "arthrosis"), ("gastritis", "gastric"), ("left", "right")])
def test_names_of_other_things_do_not(one, other):
    assert set(words_of(one)) != set(words_of(other))


def test_each_word_knows_how_it_was_written():
    assert spelled("Hepatic Cancers") == {"liver": "hepatic", "malignant": "cancers", "neoplasm": "cancers"}


@given(st.text(max_size=40))
def test_any_text_has_words(text):
    assert len(set(words_of(text))) == len(words_of(text))


def test_rows_of_the_table_lead_to_other_words_and_no_further():
    rows = table("coding")
    assert not set(rows["means"]) & set(rows["stop"])
    assert all(word for word in light())
