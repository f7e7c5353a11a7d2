import hashlib
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from policies.errors import IntegrityError
from privacy.vault.originals import Holding, Vault

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


def test_erasing_destroys_the_ciphertexts_as_well_and_says_what_went(vault, tmp_path):
    path = tmp_path / "vault" / "originals.sqlite"
    with sqlite3.connect(path) as rows:
        (wrapped,) = rows.execute("SELECT wrapped FROM keys WHERE patient = 'p1'").fetchone()
        sealed = [row[0] for row in rows.execute("SELECT sealed FROM originals WHERE patient = 'p1'")]
    held = vault.holding("p1")
    assert held == Holding(hashlib.sha256(wrapped).hexdigest(), 2)
    assert vault.erase("p1") == held
    assert vault.holding("p1") is None and vault.erase("p1") is None
    assert vault.patients() == ["p2"]
    assert not any(one in path.read_bytes() for one in sealed)


def test_keys_of_values_are_made_once_and_go_with_their_patient(vault, tmp_path):
    keys = vault.keys_of(["p1", "p9"])
    assert keys == Vault(tmp_path / "vault", KEK).keys_of(["p9", "p1"])
    assert vault.key_of("p9") == keys["p9"] != keys["p1"]
    assert vault.get("p1", "r1") == CANARY
    vault.erase("p9")
    with pytest.raises(IntegrityError, match="erased"):
        vault.key_of("p9")
    assert vault.keys_of(["p9"]) != {"p9": keys["p9"]}


def test_two_threads_that_need_a_key_get_the_same(tmp_path):
    vaults = [Vault(tmp_path / "vault", KEK) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda vault: [vault.keys_of([str(n)]) for n in range(20)], vaults))
    assert all(keys == found[0] for keys in found)


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
    with pytest.raises(IntegrityError, match="never made"):
        vault.get("p3", "r4")
    with pytest.raises(IntegrityError, match="no original of record r4"):
        vault.get("p1", "r4")


NEXT = bytes(range(1, 33))


def test_after_rewrapping_the_new_key_opens_everything_and_the_old_one_nothing(vault, tmp_path):
    vault.erase("p2")
    assert vault.rewrap(NEXT) == 1
    assert Vault(tmp_path / "vault", NEXT).get("p1", "r1") == CANARY
    with pytest.raises(IntegrityError, match="another key"):
        vault.get("p1", "r1")
    with pytest.raises(IntegrityError, match="another key"):  # or it would add what the new key cannot open
        vault.put([("p3", "r4", b"four")])


def test_rewrapping_again_goes_on_and_tokens_stay(vault, tmp_path):
    before = vault.key_of("p1")
    assert vault.rewrap(NEXT) == vault.rewrap(NEXT) == 2
    assert Vault(tmp_path / "vault", NEXT).key_of("p1") == before


def test_rewrapping_is_all_or_nothing(vault, tmp_path):
    change(tmp_path, "UPDATE keys SET wrapped = zeroblob(60) WHERE patient = 'p2'")
    with pytest.raises(IntegrityError):
        vault.rewrap(NEXT)
    assert vault.get("p1", "r1") == CANARY
