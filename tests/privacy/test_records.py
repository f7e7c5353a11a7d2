from privacy.records import DeidentifiedRecord, Format, RawRecord


def test_repr_shows_no_content_and_no_identifier():
    raw = RawRecord(Format.FHIR, "Patient", "p-77", "r-88", {"name": "Zebulon"}, "Zebulon Quist", "in.ndjson", 3)
    assert "in.ndjson" in repr(raw)
    for secret in ("Zebulon", "Quist", "p-77", "r-88"):
        assert secret not in repr(raw)


def test_a_deidentified_record_shows_no_text():
    done = DeidentifiedRecord(Format.TEXT, "Document", "p", "r", "[NAME] was here", "[NAME] was here", {"NAME": 1}, 0)
    assert "was here" not in repr(done)
