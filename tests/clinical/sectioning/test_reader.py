import pytest
from safetensors.numpy import save_file

from clinical.extraction.pipeline import build_pipeline
from clinical.sectioning import reader
from clinical.sectioning.model import load
from policies.errors import IntegrityError


@pytest.fixture
def labelled(monkeypatch):
    """The pipeline with a reader that answers "plan" and keeps what it was asked."""
    asked = []
    monkeypatch.setattr(reader, "label_texts", lambda texts: asked.extend(texts) or ["plan"] * len(texts))

    def run(text):
        doc = build_pipeline(("clinical_sections", "clinical_section_labels"))(text)
        return [(section.heading, section.label) for section in doc._.sections], asked

    return run


def test_a_heading_wins_over_the_text(labelled):
    sections, asked = labelled("# PMH\nWe will see him in a week.\n# Zebra\nReturn in a week.")
    assert sections == [("PMH", "pastmedicalhx"), ("Zebra", "plan")]
    assert asked == ["Return in a week."]


def test_nothing_is_asked_where_all_headings_are_known(labelled):
    assert labelled("PMH: gout") == ([("PMH", "pastmedicalhx")], [])


def test_labels_before_sections_are_an_error():
    with pytest.raises(ValueError, match="wrong order"):
        build_pipeline(("clinical_section_labels", "clinical_sections"))


def test_the_shipped_weights_tell_plain_sections_apart():
    texts = [
        "",
        "Denies fever, chills, cough, chest pain, nausea, and vomiting.",
        "Lisinopril 10 mg daily, aspirin.",
        "\x00",
    ]
    assert reader.label_texts(texts) == ["", "ros", "medications", ""]


def test_the_order_of_texts_does_not_matter():
    texts = [f"He had an appendectomy in {year}." + " He is well." * (year % 7) for year in range(1990, 2010)]
    together = reader.label_texts(texts)
    assert together == reader.label_texts(texts[::-1])[::-1]
    assert set(together) == {"pastsurgical"}


@pytest.mark.parametrize("header", [None, {"design": "{}"}, {"design": "[1]"}])
def test_other_weights_are_refused(tmp_path, header):
    import numpy as np

    path = tmp_path / "x.safetensors"
    save_file({"x": np.zeros(1, np.float32)}, path, metadata=header)
    with pytest.raises(IntegrityError, match="no section classifier"):
        load(path)


def test_weights_of_another_encoder_are_refused(tmp_path):
    import json

    import numpy as np

    path = tmp_path / "x.safetensors"
    design = {"labels": ["plan"], "encoder_sha256": "0" * 64, "rank": 1, "tokens": 8}
    save_file({"x": np.zeros(1, np.float32)}, path, metadata={"design": json.dumps(design)})
    with pytest.raises(IntegrityError, match="another encoder"):
        load(path)
