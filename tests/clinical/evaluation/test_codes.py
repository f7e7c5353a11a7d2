import pytest

from clinical.coding.sources import OboTerm
from clinical.evaluation.codes import evaluate_codes, score_terms
from policies.errors import InputError

TERMS = [OboTerm("1", ("asthma", "bronchial asthma"), ("J45", "J45.9")), OboTerm("2", ("gout",), ("M10.0",))]


def test_first_among_five_and_category_are_counted_by_name():
    answers = {"asthma": ["J45.9"], "bronchial asthma": ["I10", "J45"], "gout": ["M10.9"]}
    scores = score_terms(TERMS, answers.__getitem__)
    shares = [own.share for own in (scores.first, scores.among_five, scores.category_first, scores.category_among_five)]
    assert shares == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1.0])
    assert (scores.names, scores.diseases) == (3, 2)


def test_a_file_is_read_and_looked_up(tmp_path):
    file = tmp_path / "x.obo"
    rows = "[Term]\nid: DOID:1\nname: asthma\nxref: ICD10CM:J45\n\n[Term]\nid: DOID:2\nname: x\nxref: ICD10CM:C00-C14\n"
    file.write_text(rows)
    scores = evaluate_codes(file)
    assert (scores.names, scores.unknown, scores.first.share) == (1, 1, 1.0)
    file.write_text("[Term]\nid: DOID:1\nname: asthma\n")
    with pytest.raises(InputError, match="no disease"):
        evaluate_codes(file)
    with pytest.raises(InputError, match="cannot be read"):
        evaluate_codes(tmp_path / "none")
