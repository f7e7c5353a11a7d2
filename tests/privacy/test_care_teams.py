"""Who treats whom is said by the hospital's own numbers, kept by pseudonym, and logged row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.care_team import EVERY, Member
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import Site
from policies.workspace import Workspace
from privacy.care_teams import add, import_list, known_as, members, remove
from privacy.vault.codes import CodeBook
from privacy.vault.originals import Vault
from privacy.vault.pseudonyms import Pseudonyms
from tests.policies.logs import happened
from tests.privacy.hospital import at, hospital

NUMBER, WITHOUT = "785-2774", "pat.9"  # of one patient, and the id of one who has no number


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return hospital(tmp_path / "w")


@pytest.fixture
def site(workspace: Workspace) -> Site:
    """North, as its IT opens it, with two patients."""
    site = at(workspace, "dave")
    Vault(site.home.vault, site.keys.wrapping).keys_of([numbered(site), unnumbered(site)])
    return site


def numbered(site: Site) -> str:
    return Pseudonyms(site.keys.pseudonyms).of("identifier", "7852774")


def unnumbered(site: Site) -> str:
    return Pseudonyms(site.keys.pseudonyms).of("Patient", WITHOUT)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "teams.csv"
    path.write_text("\n".join(("patient,account", *lines)) + "\n", "utf-8")
    return path


def test_a_patient_is_named_by_number_id_or_pseudonym_and_stands_by_pseudonym_alone(site: Site) -> None:
    for word in (NUMBER, "785 2774", numbered(site)):
        add(site, word, "alice")
    add(site, WITHOUT, EVERY)
    add(site, EVERY, "ehr")
    rows = {Member(numbered(site), "alice"), Member(unnumbered(site), EVERY), Member(EVERY, "ehr")}
    assert set(members(site)) == rows
    entries = [entry.details for entry in happened(site.home.audit, site.keys.public)]
    assert [(entry["change"], entry["account"]) for entry in entries] == [
        ("added", "alice"), ("added", EVERY), ("added", "ehr")
    ]  # fmt: skip
    assert [entry.get("patient") for entry in entries] == [numbered(site), unnumbered(site), None]
    kept = b"".join(path.read_bytes() for path in site.home.root.rglob("*") if path.is_file())
    assert not any(word.encode() in kept for word in (NUMBER, "7852774", WITHOUT))


def test_a_patient_of_a_random_code_is_known_by_it_too(site: Site) -> None:
    keyed = numbered(site)
    code = CodeBook(site.home.vault, site.keys.pseudonyms).translate([(keyed, keyed)])[keyed]
    assert known_as(site, [NUMBER], {code}) == {NUMBER: [code]}
    assert known_as(site, [NUMBER], {code, keyed}) == {NUMBER: [keyed, code]}


def test_a_word_that_is_a_number_of_one_and_the_id_of_another_means_nobody(site: Site) -> None:
    other = Pseudonyms(site.keys.pseudonyms).of("Patient", "7852774")
    assert known_as(site, ["7852774"], {numbered(site), other}) == {"7852774": []}


@pytest.mark.parametrize(("patient", "account"), [("12345", "alice"), ("", "alice"), (EVERY, ""), (EVERY, "a\0b")])
def test_nobody_is_told_which_number_was_wrong(site: Site, patient: str, account: str) -> None:
    with pytest.raises(InputError) as refused:
        add(site, patient, account)
    assert "12345" not in refused.value.message + refused.value.hint and members(site) == []


def test_a_row_is_taken_out_also_of_who_was_erased(site: Site) -> None:
    add(site, NUMBER, "alice")
    Vault(site.home.vault, site.keys.wrapping).erase(numbered(site))
    for wrong in ((NUMBER, "bob"), (EVERY, "alice"), (WITHOUT, "alice")):
        with pytest.raises(InputError, match="no such row"):
            remove(site, *wrong)
    assert remove(site, NUMBER, "alice") == [Member(numbered(site), "alice")] and members(site) == []
    assert happened(site.home.audit, site.keys.public)[-1].details["change"] == "removed"


def test_a_list_counts_but_for_its_bad_lines(site: Site, tmp_path: Path) -> None:
    lines = (f"{NUMBER}, alice", "999,alice", f"{WITHOUT},carol,x", "", f"{WITHOUT},", f"{NUMBER},alice")
    done = import_list(site, written(tmp_path, *lines))
    assert (done.lines, done.added, done.removed, sorted(done.bad)) == (5, 1, 0, [3, 4, 6])
    assert members(site) == [Member(numbered(site), "alice")] and "999" not in str(done.bad)
    again = import_list(site, written(tmp_path, f"{WITHOUT},carol"))
    assert (again.added, again.removed) == (1, 0)


def test_a_whole_list_takes_out_what_it_does_not_have(site: Site, tmp_path: Path) -> None:
    add(site, EVERY, EVERY)
    done = import_list(site, written(tmp_path, f"{NUMBER},alice"), whole=True)
    assert (done.added, done.removed) == (1, 1) and members(site) == [Member(numbered(site), "alice")]
    with pytest.raises(InputError, match="nothing was changed"):
        import_list(site, written(tmp_path, "999,alice"), whole=True)
    assert len(members(site)) == 1


@pytest.mark.parametrize("data", [b"", b"account,patient\n", b"patient;account\n", b"patient,account\n\xff,x\n"])
def test_a_file_that_is_no_list_changes_nothing(site: Site, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "teams.csv").write_bytes(data)
    with pytest.raises(InputError, match=r"teams\.csv"):
        import_list(site, tmp_path / "teams.csv")


@pytest.mark.parametrize("account", ["alice", "bob", "nobody"])
def test_who_may_not_say_it_is_denied(workspace: Workspace, account: str, tmp_path: Path) -> None:
    other = at(workspace, account)
    for act in (
        lambda: add(other, EVERY, account),
        lambda: remove(other, EVERY, account),
        lambda: members(other),
        lambda: import_list(other, written(tmp_path, "*,*")),
    ):
        with pytest.raises(AccessDenied):
            act()
    events = [entry.event for entry in happened(other.home.audit, other.keys.public)]
    assert Event.CARE_TEAM_CHANGED not in events
