import sqlite3
import stat

import pytest

from policies.errors import IntegrityError
from privacy.vault import Vault

KEK = bytes(range(32))
CANARY = b"Zebulon Quist was seen"


@pytest.fixture
def vault(tmp_path):
    vault = Vault(tmp_path / "vault", KEK)
    vault.put([("p1", "r1", CANARY), ("p1", "r2", b"two"), ("p2", "r3", b"three")])
    return vault


def change(tmp_path, statement):
    with sqlite3.connect(tmp_path / "vault" / "originals.sqlite") as rows:
        rows.execute(statement)


def test_what_was_put_comes_back_also_from_a_new_vault(vault, tmp_path):
    assert vault.get("p1", "r1") == CANARY
    assert Vault(tmp_path / "vault", KEK).get("p2", "r3") == b"three"


def test_a_later_original_replaces_an_earlier(vault):
    vault.put([("p1", "r1", b"again")])
    assert vault.get("p1", "r1") == b"again"
    assert vault.get("p1", "r2") == b"two"


def test_nothing_readable_lies_on_the_disk_and_only_the_owner_may_look(vault, tmp_path):
    for path in (tmp_path / "vault").iterdir():
        assert b"Zebulon" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "vault").stat().st_mode) == 0o700


def test_erasing_one_patient_leaves_the_others(vault):
    vault.erase("p1")
    with pytest.raises(IntegrityError, match="erased"):
        vault.get("p1", "r1")
    assert vault.get("p2", "r3") == b"three"


def test_erasing_destroys_the_wrapped_key_on_the_disk(vault, tmp_path):
    path = tmp_path / "vault" / "originals.sqlite"
    with sqlite3.connect(path) as rows:
        (wrapped,) = rows.execute("SELECT wrapped FROM keys WHERE patient = 'p1'").fetchone()
    assert wrapped in path.read_bytes()
    vault.erase("p1")
    assert wrapped not in path.read_bytes()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE originals SET sealed = (SELECT sealed FROM originals WHERE record = 'r2') WHERE record = 'r1'",
        "UPDATE originals SET sealed = zeroblob(60) WHERE record = 'r1'",
        "UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE patient = 'p2') WHERE patient = 'p1'",
    ],
)
def test_what_was_moved_or_altered_does_not_open(vault, tmp_path, statement):
    change(tmp_path, statement)
    with pytest.raises(IntegrityError):
        vault.get("p1", "r1")


def test_another_wrapping_key_opens_nothing(vault, tmp_path):
    with pytest.raises(IntegrityError, match="another key"):
        Vault(tmp_path / "vault", bytes(32)).get("p1", "r1")


def test_a_batch_that_fails_leaves_nothing_behind(vault):
    def batch():
        yield "p3", "r4", b"four"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        vault.put(batch())
    with pytest.raises(IntegrityError, match="no original"):
        vault.get("p3", "r4")
