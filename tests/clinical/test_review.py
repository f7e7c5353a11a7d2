"""A review from the draw to the signed statement."""

from __future__ import annotations

import json

import pytest

from clinical.manifest import write_manifest
from clinical.review import (
    certified_site,
    draw,
    marks_of,
    next_note,
    open_review,
    progress,
    read_certificate,
    reviews,
    sign,
    submit,
)
from policies.audit import read_entries
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.guard import open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from tests.clinical.outputs import FACTS, write_output

TEXTS = ["[NAME] was seen. [DATE 2019]", "Zebulon Quist was here.", *(f"Note {n} of [NAME]." for n in range(10))]


@pytest.fixture
def accounts(tmp_path):
    """The same site for an officer, two clinicians and somebody of IT."""
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    text = default_policy_text("olga")
    every = next(line for line in text.splitlines() if line.startswith(('"olga"', "olga")))
    people = {"olga": "compliance_officer", "anna": "clinician", "b/ob": "clinician", "ivan": "hospital_it"}
    text = text.replace(every, "\n".join(f'"{name}" = ["{role}"]' for name, role in people.items()))
    workspace.policy.write_text(text)
    return {name: open_site(workspace, "north", name) for name in people}


@pytest.fixture
def drawn(accounts, tmp_path):
    return draw(accounts["olga"], write_output(tmp_path / "out", accounts["olga"].keys, TEXTS), 100)


def test_a_row_that_only_says_whose_a_text_is_is_no_note(accounts, tmp_path):
    keys, out = accounts["olga"].keys, write_output(tmp_path / "out", accounts["olga"].keys, TEXTS)
    (out / "table-0001.csv").write_text("file,mrn\na.txt,b\n")
    (out / "table-0002.csv").write_text("note,mrn\nSeen.,b\n")
    write_manifest(out, keys, FACTS | {"tables_without_text": ["table-0001.csv"]})
    sample = draw(accounts["olga"], out, 100)
    assert sample.sample.notes == len(TEXTS) + 1
    assert {note.file for note in sample.drawn} == {"DocumentReference.ndjson", "table-0002.csv"}


def review_all(site, review, found=lambda text: []):
    while note := next_note(site, review):
        submit(site, review, note.record, found(note.text))


def names_in(text):
    return [(0, 13, "NAME")] if text.startswith("Zebulon") else []


def events(site, event):
    return [e.details for e in read_entries(site.home.audit, site.keys.public) if e.event == event]


def test_two_accounts_review_and_the_statement_is_signed(accounts, drawn):
    review_all(accounts["anna"], drawn, names_in)
    review_all(accounts["b/ob"], drawn)
    site = accounts["olga"]
    path = sign(site, drawn)
    told = read_certificate(path, site.keys.public)
    assert certified_site(path) == told["site"] == "north"
    assert (told["population"], told["sample"], told["thinnest"]) == (12, 12, "1.000")
    assert told["reviewers"] == ["anna", "b/ob"] and told["signed_by"] == "olga"
    assert told["all_categories"] == {"leaks": 1, "notes": 1, "notes_per_1000": "338.7", "leaks_per_1000": "395.4"}
    assert told["categories"]["NAME"]["leaks"] == 1 and told["categories"]["PHONE"]["notes_per_1000"] == "221.0"
    assert "PHONE" in told["zero_support"] and not {"NAME", "DATE"} & set(told["zero_support"])
    assert told["agreement"] == {"notes": "0.917", "kappa": "0.000"}
    assert told["manifest"] == drawn.manifest and told["legal_basis"] == "expert_determination"
    (entry,) = events(site, Event.CERTIFICATE_SIGNED)
    assert entry["manifest"] == drawn.manifest and entry["leaks_per_1000"] == "395.4"


def test_an_edited_statement_does_not_verify(accounts, drawn):
    for name in ("anna", "b/ob"):
        review_all(accounts[name], drawn, names_in)
    site = accounts["olga"]
    path = sign(site, drawn)
    path.write_bytes(path.read_bytes().replace(b'"leaks":1', b'"leaks":0'))
    with pytest.raises(IntegrityError, match="edited"):
        read_certificate(path, site.keys.public)
    with pytest.raises(InputError):
        certified_site(path.with_name("review.json"))


def test_one_account_is_not_two(accounts, drawn):
    review_all(accounts["anna"], drawn)
    site = accounts["olga"]
    with pytest.raises(InputError, match="1 of 2"):
        sign(site, drawn)
    note = next_note(accounts["b/ob"], drawn)
    submit(accounts["b/ob"], drawn, note.record, [])
    with pytest.raises(InputError, match="1 of 2"):
        sign(site, drawn)
    assert [(p.reviewer, p.done, p.of) for p in progress(site, drawn)] == [("anna", 12, 12), ("b/ob", 1, 12)]


def test_a_third_account_that_stopped_half_way_still_counts(accounts, drawn):
    review_all(accounts["anna"], drawn)
    review_all(accounts["b/ob"], drawn)
    olga = accounts["olga"]
    record = next(n.record for n in drawn.drawn if n.sha256 == _digest(TEXTS[1]))
    submit(olga, drawn, record, [(0, 7, "NAME")])
    assert read_certificate(sign(olga, drawn), olga.keys.public)["all_categories"]["leaks"] == 1


def _digest(text):
    from policies.files import sha256_hex

    return sha256_hex(text.encode())


def test_reviewers_are_blind_to_each_other(accounts, drawn, tmp_path):
    first = next_note(accounts["anna"], drawn)
    submit(accounts["anna"], drawn, first.record, [(0, 4, "NAME")])
    assert next_note(accounts["b/ob"], drawn) == first and next_note(accounts["anna"], drawn).number == 2
    sealed = [p.read_bytes() for p in accounts["anna"].home.marks(drawn.id, "anna").iterdir()]
    assert len(sealed) == 1 and b"NAME" not in sealed[0] and b"anna" not in sealed[0]
    (entry,) = events(accounts["anna"], Event.NOTE_REVIEWED)
    assert set(entry) == {"review", "record", "policy"}
    anna, bob = (accounts["anna"].home.marks(drawn.id, name) for name in ("anna", "b/ob"))
    anna.rename(bob)  # marks that are passed off as another's
    with pytest.raises(IntegrityError):
        next_note(accounts["b/ob"], drawn)


def test_a_judgement_cannot_be_changed_and_a_mark_must_be_one(accounts, drawn):
    site = accounts["anna"]
    note = next_note(site, drawn)
    for leaks in ([(0, 10_000, "NAME")], [(3, 3, "NAME")], [(0, 2, "SHOE")]):
        with pytest.raises(InputError):
            submit(site, drawn, note.record, leaks)
    submit(site, drawn, note.record, [])
    for record in (note.record, "DocumentReference.ndjson#99999"):
        with pytest.raises(InputError, match="judged already"):
            submit(site, drawn, record, [(0, 2, "NAME")])


def test_words_are_marked_wherever_they_stand():
    assert marks_of("Quist (b. 1) and Quist (b.", " Quist (b. ", "NAME") == [(0, 9, "NAME"), (17, 26, "NAME")]
    for words in ("", "  ", "quist", "Q.ist"):
        with pytest.raises(InputError, match="do not stand"):
            marks_of("Quist", words, "NAME")


def test_each_step_asks_the_access_policy(accounts, drawn, tmp_path):
    it, anna = accounts["ivan"], accounts["anna"]
    for refused in (
        lambda: next_note(it, drawn),
        lambda: submit(it, drawn, "x", []),
        lambda: progress(it, drawn),
        lambda: sign(anna, drawn),
        lambda: draw(anna, tmp_path / "out", 10),
    ):
        with pytest.raises(AccessDenied):
            refused()


def test_a_review_is_taken_up_again_and_is_what_was_drawn(accounts, drawn, tmp_path):
    site = accounts["olga"]
    assert open_review(site, drawn.id) == drawn and reviews(site) == (drawn,)
    assert draw(site, tmp_path / "out", 6, drawn.seed).drawn == draw(site, tmp_path / "out", 6, drawn.seed).drawn
    with pytest.raises(InputError, match="no review"):
        open_review(site, "other")
    path = site.home.review(drawn.id)
    path.write_bytes(path.read_bytes().replace(b'"mode":"tag"', b'"mode":"tug"'))
    with pytest.raises(IntegrityError):
        open_review(site, drawn.id)


def test_an_output_that_was_changed_is_not_reviewed(accounts, drawn, tmp_path):
    file = tmp_path / "out" / "DocumentReference.ndjson"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        line["content"][0]["attachment"]["data"] = "Tm90aGluZy4="
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    with pytest.raises(IntegrityError, match="not the one that was drawn"):
        next_note(accounts["anna"], drawn)
    with pytest.raises(IntegrityError):
        draw(accounts["olga"], tmp_path / "out", 10)


def test_what_the_policy_keeps_is_no_leak_and_made_up_values_are_counted_by_the_manifest(accounts, tmp_path):
    site = accounts["olga"]
    folder = write_output(tmp_path / "kept", site.keys, ["Text."], mode="surrogate", dates="keep")
    review = draw(site, folder, 10)
    assert "DATE" not in review.categories and "NAME" in review.categories
    for name in ("anna", "b/ob"):
        review_all(accounts[name], review)
    told = read_certificate(sign(site, review), site.keys.public)
    assert told["support_from"] == "findings in the whole output"
    assert "NAME" not in told["zero_support"] and "PHONE" in told["zero_support"]
