from privacy.records import DeidentifiedRecord, RawRecord

CANARY = "Zebulon Quist"


def test_repr_shows_no_content_and_no_identifier():
    raw = RawRecord(CANARY, CANARY, CANARY, {"name": CANARY}, "notes.ndjson", 3)
    assert CANARY not in repr(raw)
    assert "notes.ndjson" in repr(raw)


def test_repr_of_deidentified_record_shows_no_text():
    assert CANARY not in repr(DeidentifiedRecord("p", "r", CANARY, {"x": CANARY}, {"NAME": 1}))
