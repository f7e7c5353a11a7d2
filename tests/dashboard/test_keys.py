"""'confide keys': what was sealed, signed and wrapped before a change of keys still holds after it, and kill -9 spoils
nothing."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dashboard.cli import app
from policies.audit import read_entries, verify
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.guard import open_site
from policies.keys import open_public, public_key_from_pem
from policies.notes import Verifier
from privacy.vault.erasure import erase_patient, verify_erasure
from privacy.vault.originals import Vault

PASSPHRASE = "correct horse battery"


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


def originals(site):
    vault = Vault(site.home.vault, site.keys.wrapping)
    return {place: vault.get(*place) for place in vault.kept()}


def test_the_list_says_how_keys_are_kept_and_shows_no_secret(site):
    rows = {row["holder"]: row for row in json.loads(run("keys", "list", "--json"))}
    assert set(rows) == {"north", "server"}
    assert rows["north"] == {
        "holder": "north", "kept": "file", "public key": Verifier(site.keys.public).id.hex(), "former keys": "0",
        "to do": "",
    }  # fmt: skip


def test_a_passphrase_is_put_on_and_off_and_needed_in_between(workspace, site, tmp_path, monkeypatch):
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    file.chmod(0o600)
    run("keys", "protect", "north", "--passphrase-file", str(file))
    assert "passphrase" in run("keys", "list")
    run("audit", "verify")  # whoever only verifies needs no secret
    with pytest.raises(IntegrityError, match="under a passphrase, and none was given"):
        open_site(workspace, "north")
    monkeypatch.setenv("CONFIDE_PASSPHRASE_FILE", str(file))
    assert originals(open_site(workspace, "north")) == originals(site)
    run("keys", "protect", "north", "--off")
    monkeypatch.delenv("CONFIDE_PASSPHRASE_FILE")
    assert open_site(workspace, "north").keys.secrets == site.keys.secrets


def test_a_passphrase_is_logged_before_it_is_put_on_and_not_where_it_is_refused(site, events, tmp_path, monkeypatch):
    file = tmp_path / "passphrase"
    file.write_text("short")
    file.chmod(0o600)
    with pytest.raises(InputError, match="too short"):
        run("keys", "protect", "north", "--passphrase-file", str(file))
    assert events(Event.KEY_ROTATED) == []
    before = site.home.ring.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("policies.rotation.write_secrets", killed)
    file.write_text(PASSPHRASE)
    with suppress(BaseException):
        run("keys", "protect", "north", "--passphrase-file", str(file))
    assert site.home.ring.read_bytes() == before
    assert [details["kind"] for details in events(Event.KEY_ROTATED)] == ["protection"]


def test_a_new_passphrase_without_a_terminal_wants_a_file(site):
    with pytest.raises(InputError, match="no new passphrase was given"):
        run("keys", "protect", "north")


def test_all_vaults_open_under_the_new_wrapping_key_alone(workspace, site):
    cache = site.home.cache("a" * 16)
    Vault(cache, site.keys.wrapping).put([("p1", "states", b"1")])
    before, data_keys = originals(site), len(Vault(site.home.vault, site.keys.wrapping).patients()) + 1
    run("keys", "rotate", "north", "--wrapping")
    again = open_site(workspace, "north")
    assert originals(again) == before
    assert Vault(cache, again.keys.wrapping).get("p1", "states") == b"1"
    for folder, (patient, record) in ((site.home.vault, next(iter(before))), (cache, ("p1", "states"))):
        with pytest.raises(IntegrityError, match="another key"):
            Vault(folder, site.keys.wrapping).get(patient, record)
    (rotated,) = [e.details for e in read_entries(again.home.audit, again.keys.public) if e.event is Event.KEY_ROTATED]
    assert (rotated["kind"], rotated["data_keys"], rotated["policy"]) == (
        "wrapping",
        data_keys,
        again.guard.policy.digest,
    )


def test_what_the_old_key_signed_still_verifies(workspace, site):
    from clinical.manifest import read_manifest
    from policies.access import Purpose
    from policies.models import list_models

    patient = Vault(site.home.vault, site.keys.wrapping).patients()[0]
    proof = erase_patient(site, patient, Purpose.PATIENT_REQUEST).file
    for holder in ("north", "server"):
        run("keys", "rotate", holder, "--signing")
    again = open_site(workspace, "north")
    assert again.keys.public != site.keys.public
    read_manifest(workspace.deidentified("north"), again.keys.public)
    assert verify_erasure(again, proof).patient == patient
    assert len(list_models(workspace.models, workspace.trusted)) == 1
    assert verify(again.home.audit, again.keys.public).warnings == ()
    run("audit", "verify")


def test_a_change_that_was_killed_is_finished_by_the_same_command(workspace, site):
    program = """if True:
        import os, signal, sys
        from privacy.vault import originals
        rewrap, done = originals.Vault.rewrap, []
        def killed(vault, kek):
            if done:
                os.kill(os.getpid(), signal.SIGKILL)
            done.append(rewrap(vault, kek))
            return done[0]
        originals.Vault.rewrap = killed
        from dashboard.cli import app
        app(["keys", "rotate", "north", "--wrapping"])
    """
    Vault(site.home.cache("a" * 16), site.keys.wrapping).put([("p1", "states", b"1")])
    before = originals(site)
    died = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    assert "finish" in run("keys", "list")
    with pytest.raises(InputError, match="change of the wrapping key was not finished"):
        run("keys", "rotate", "north", "--signing")
    run("keys", "rotate", "north", "--wrapping")
    again = open_site(workspace, "north")
    assert originals(again) == before
    assert Vault(site.home.cache("a" * 16), again.keys.wrapping).get("p1", "states") == b"1"
    assert "finish" not in run("keys", "list")


def test_the_public_key_is_written_as_pem_and_as_a_verifier_key(workspace, tmp_path):
    run("keys", "rotate", "north", "--signing")
    out = tmp_path / "north.pem"
    run("keys", "export-public", "north", "--out", str(out))
    key = open_public(workspace.site("north").keys, "north")
    found = public_key_from_pem("north", out.read_bytes())
    assert (found, found.former) == (key, key.former) and len(key.former) == 1
    assert Verifier.from_vkey(out.with_suffix(".vkey").read_text()).key == key


def test_one_key_at_a_time(site):
    for words in ([], ["--signing", "--wrapping"]):
        with pytest.raises(InputError, match="which key"):
            run("keys", "rotate", "north", *words)


@pytest.mark.parametrize("words", [("protect", "north", "--off"), ("rotate", "north", "--signing")])
def test_only_hospital_it_changes_keys(site, let, words):
    let("clinician", "compliance_officer")
    before = site.home.ring.read_bytes()
    with pytest.raises(AccessDenied):
        run("keys", *words)
    assert site.home.ring.read_bytes() == before


def test_nobody_else_reaches_anything_of_a_site_the_server_or_an_output(workspace, site):
    assert site.home.vault.is_dir()
    for folder in (site.home.root, workspace.server.root, workspace.deidentified("north"), site.home.keys):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
