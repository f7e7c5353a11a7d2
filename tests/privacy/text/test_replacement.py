import os

import pytest

from privacy.text.replacement import BareYears, Marks, Tokens, by_category
from privacy.text.spans import Span
from privacy.vault.sealing import open_value

AS_OF = 2026


def span(category):
    return Span(0, 1, category, "", 1.0)


@pytest.mark.parametrize(
    ("date", "year"),
    [
        ("03/14/2019", 2019),
        ("14-Mar-87", 1987),
        ("11/91", 1991),
        ("3/14", None),
        ("03/14/1930", None),
        ("5/2031", None),
    ],
)
def test_a_mark_keeps_a_year_that_tells_no_age_over_89(date, year):
    expected = f"[DATE {year}]" if year else "[DATE]"
    assert Marks(False, True, AS_OF)(date, span("DATE")) == expected
    assert Marks(True, True, AS_OF)(date, span("DATE")) == expected.replace("DATE", "***")
    assert Marks(False, False, AS_OF)(date, span("DATE")) == "[DATE]"
    assert BareYears(Marks(False, True, AS_OF))(date, span("DATE")) == (str(year) if year else "[DATE]")


def test_a_token_opens_under_its_key_alone():
    key = os.urandom(64)
    token = Tokens(key, "p")("Ewa Lis", span("NAME"))
    assert token.startswith("[NAME:")
    assert "Lis" not in token
    assert open_value(key, "p", token[6:-1]) == "Ewa Lis"
    assert Tokens(key, "p")("Ewa Lis", span("NAME")) == token


def test_some_categories_have_a_replacement_of_their_own():
    chosen = by_category({"DATE": lambda original, span: "then"}, Marks(False, True, AS_OF))
    assert (chosen("3/14/2019", span("DATE")), chosen("Ewa", span("NAME"))) == ("then", "[NAME]")
