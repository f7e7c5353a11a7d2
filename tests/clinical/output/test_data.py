"""JSON says of each label what it was told from, and of each mention its codes."""

from __future__ import annotations

from clinical.diagnosis import Extraction
from clinical.extraction.mentions import Mention, NoteFacts, Section
from clinical.output import as_data

TEXT = "PMH: gout\nZEBRA: gout and an ankle\nQUAGGA: -"
SECTIONS = (Section(0, 10, "PMH", "pastmedicalhx"), Section(10, 35, "ZEBRA", "plan"), Section(35, 44, "QUAGGA", ""))
MENTIONS = (Mention(5, 9, "gout", "problem", "gout"), Mention(17, 21, "gout", "problem", "gout"),
            Mention(29, 34, "ankle", "anatomy", "ankle"))  # fmt: skip


def test_labels_and_codes() -> None:
    facts = as_data(TEXT, Extraction(NoteFacts(SECTIONS, ((0, 44),), MENTIONS), (), ""))["facts"]
    assert [own["label_from"] for own in facts["sections"]] == ["heading", "text", None]
    assert [[code["code"] for code in own["codes"]] for own in facts["mentions"]] == [["M10"], ["M10"], []]
