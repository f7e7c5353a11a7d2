import pytest

from clinical.evaluation.sections import LAYOUTS, evaluate_sections, in_layout, score_labels
from clinical.extraction.sections import find_sections
from policies.errors import InputError

NOTE = "CHIEF COMPLAINT\n\nCough.\n\nPAST MEDICAL HISTORY\n\nGout.\nAsthma.\n"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_headings_are_found_in_every_layout_and_placed(layout):
    text, starts = in_layout(NOTE, layout)
    assert {text[start:].lower().split()[0] for start in starts} == {"chief", "past"}
    assert {section.start for section in find_sections(text)} == starts


def test_a_missed_heading_costs(tmp_path):
    file = tmp_path / "notes.csv"
    file.write_text('note\n"' + NOTE + 'x\n\nZEBRA FACTS\n\ny\n"\n')
    scores = evaluate_sections(file)
    assert (scores.layouts["title, colon"].marked, scores.layouts["title, colon"].right) == (3, 2)


def test_accuracy_counts_equal_labels():
    scores = score_labels(["plan", "plan", "cc"], ["a", "b", "c"], lambda text: "plan")
    assert scores.accuracy == pytest.approx(2 / 3)
    assert (scores.labels["cc"].right, scores.labels["plan"].right, scores.commonest) == (0, 2, scores.accuracy)


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="neither"):
        evaluate_sections(file)
