import pytest

from privacy.formats.areas import area


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        ("OH", "45402", {"state": "OH", "postalCode": "454"}),
        ("Ohio", "45402-1234", {"state": "Ohio", "postalCode": "454"}),
        ("VT", "05901", {"state": "VT", "postalCode": "000"}),  # 059: 20,000 people or fewer
        ("OH", "4540", {"state": "OH"}),
        ("12 Main St, Dayton", "SW1A 1AA", {}),
        ("", "", {}),
        ("D.C.", "", {"state": "D.C."}),
        ("puerto  rico", "", {"state": "puerto  rico"}),
        ("Dayton", "", {}),
        ("Zebulon Quist", "", {}),
        ("ZZ", "", {}),
    ],
)
def test_the_state_and_three_digits_stay_where_many_live(state, code, expected):
    assert area(state, code) == expected
