"""Evidence holds for a stranger: Go's own library accepts what was logged, and refuses what was not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from policies.audit import AuditLog, publish
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.evidence import verify_evidence, write_evidence
from policies.keys import KeyRing, PublicKey, create_keys
from policies.logview import LogView, look
from policies.notes import Checkpoint, Verifier, cosignature_line, sign_note
from policies.proof import Proof, prove
from tests.policies.logs import filled

GO_MODULES = Path("/usr/share/gocode")
needs_go = pytest.mark.skipif(
    shutil.which("go") is None or not (GO_MODULES / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="Go or its golang.org/x/mod is missing (Debian: golang-go, golang-golang-x-mod-dev)",
)
COUNT = 700  # two full bundles and an edge
CHOSEN = (0, 255, 256, 699)
ASKED = "event export.read"
Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, KeyRing]:
    """A log of 700 entries, and its evidence for four of them."""
    root = tmp_path_factory.mktemp("evidence")
    keys = create_keys(root / "keys", "north")
    log = AuditLog(root / "audit", keys, "alice")
    for start in range(0, COUNT, 100):
        log.append_all([(Event.EXPORT_READ, {"number": start + number}) for number in range(100)])
        if start == 200:
            shutil.copy(root / "audit/checkpoint", root / "checkpoint-300")
    write_evidence(look(root / "audit", keys.public), CHOSEN, keys.public, [], root / "out", asked=ASKED)
    return root, keys


@pytest.fixture
def out(made: tuple[Path, KeyRing], tmp_path: Path) -> Path:
    """A copy of the evidence, to be tampered with."""
    return Path(shutil.copytree(made[0] / "out", tmp_path / "copy"))


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Program]:
    """Compiles a Go program against Debian's golang.org/x/mod, once for each."""
    folder = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(GO_MODULES),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }

    def compiled(source: Path) -> Program:
        program = folder / source.stem
        if not program.exists():
            subprocess.run(["go", "build", "-o", program, source], env=environment, check=True, timeout=300)
        return lambda *words: subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)

    return compiled


def key_file(folder: Path, key: PublicKey) -> Path:
    path = folder / "from-a-letter.vkey"
    path.write_text(Verifier(key).vkey)
    return path


@needs_go
def test_go_accepts_a_true_export(made: tuple[Path, KeyRing], out: Path, build: Callable[[Path], Program]) -> None:
    verify = build(out / "verify.go")
    done = verify(key_file(out, made[1].public), out)
    assert (done.returncode, done.stdout) == (0, "4 entries stand in the log of north\n"), done.stderr


def flip_entry(out: Path) -> None:
    path = out / "entries/256.json"
    path.write_bytes(path.read_bytes().replace(b'"number":256', b'"number":257'))


def change_size(out: Path) -> None:
    path = out / "entries/0.tlog-proof"
    path.write_bytes(path.read_bytes().replace(b"\n700\n", b"\n699\n"))


def remove_entry(out: Path) -> None:
    (out / "entries/255.json").unlink()


def swap_entries(out: Path) -> None:
    shutil.copy(out / "entries/255.json", out / "entries/256.json")


def move_entry(out: Path) -> None:
    path = out / "entries/699.tlog-proof"
    path.write_bytes(path.read_bytes().replace(b"index 699", b"index 698"))


def smuggle_entry(out: Path) -> None:
    (out / "entries/99.json").write_text('{"forged":1}')


TAMPERED = pytest.mark.parametrize(
    "tamper", [smuggle_entry, flip_entry, change_size, remove_entry, swap_entries, move_entry]
)


@needs_go
@TAMPERED
def test_go_refuses_what_was_tampered_with(
    made: tuple[Path, KeyRing], out: Path, build: Callable[[Path], Program], tamper: Callable[[Path], None]
) -> None:
    verify = build(made[0] / "out/verify.go")
    tamper(out)
    done = verify(key_file(out, made[1].public), out)
    assert done.returncode == 1
    assert "stand in the log" not in done.stdout


@needs_go
def test_go_refuses_another_key(
    made: tuple[Path, KeyRing], out: Path, build: Callable[[Path], Program], tmp_path: Path
) -> None:
    verify = build(made[0] / "out/verify.go")
    other = create_keys(tmp_path / "other", "north").public
    assert verify(key_file(out, other), out).returncode == 1


@needs_go
def test_go_reads_the_published_tiles_and_proves_that_the_log_only_grew(
    made: tuple[Path, KeyRing], build: Callable[[Path], Program], tmp_path: Path
) -> None:
    root, keys = made
    prover = build(Path(__file__).with_name("consistency.go"))
    publish(root / "audit", keys.public, tmp_path / "site")
    vkey = Verifier(keys.public).vkey
    done = prover(vkey, tmp_path / "site", root / "checkpoint-300")
    assert (done.returncode, done.stdout) == (0, "700\n"), done.stderr

    forked = filled(tmp_path / "forked", keys, 300)  # another log of 300 entries by the same key
    assert prover(vkey, tmp_path / "site", forked / "checkpoint").returncode == 1
    tile = tmp_path / "site/tile/0/001"
    tile.write_bytes(tile.read_bytes()[:-1] + b"\0")
    assert prover(vkey, tmp_path / "site", root / "checkpoint-300").returncode == 1


def test_we_accept_a_true_export(made: tuple[Path, KeyRing], out: Path) -> None:
    checked = verify_evidence(out, made[1].public)
    assert (checked.origin, checked.entries, checked.signers) == ("north", 4, ("north",))


@TAMPERED
def test_we_refuse_what_was_tampered_with(
    made: tuple[Path, KeyRing], out: Path, tamper: Callable[[Path], None]
) -> None:
    tamper(out)
    with pytest.raises(IntegrityError, match="entries"):
        verify_evidence(out, made[1].public)


def test_a_true_proof_under_the_name_of_another_entry_is_refused(made: tuple[Path, KeyRing], out: Path) -> None:
    for end in ("json", "tlog-proof"):
        shutil.copy(out / f"entries/255.{end}", out / f"entries/254.{end}")
    with pytest.raises(IntegrityError, match=r"254\.tlog-proof: it is about entry 255"):
        verify_evidence(out, made[1].public)


def test_every_proof_leads_to_the_tree_head_beside_it(made: tuple[Path, KeyRing], out: Path) -> None:
    shutil.copy(made[0] / "checkpoint-300", out / "checkpoint")
    with pytest.raises(IntegrityError, match=r"0\.tlog-proof: it leads to another tree head"):
        verify_evidence(out, made[1].public)


def test_a_tree_head_of_another_log_or_without_the_signature_of_its_own_is_refused(
    made: tuple[Path, KeyRing], out: Path, tmp_path: Path
) -> None:
    root, keys = made
    river = create_keys(tmp_path / "river", "river")
    view = look(root / "audit", keys.public)
    other = Checkpoint("south", view.size, view.signed.root).text()
    for checkpoint in (
        view.signed.text() + b"\n" + cosignature_line(view.signed.text(), river, 1),
        sign_note(other, keys),
    ):
        (out / "checkpoint").write_bytes(checkpoint)
        for path in out.glob("entries/*.tlog-proof"):
            path.write_bytes(path.read_bytes().split(b"\n\n")[0] + b"\n\n" + checkpoint)
        with pytest.raises(IntegrityError, match="not a tree head of the log of 'north'"):
            verify_evidence(out, keys.public, [river.public])


@pytest.mark.parametrize(("chosen", "size"), [((0, 255, 299), 300), ((0, 300), COUNT)])
def test_proofs_lead_to_what_witnesses_signed_where_it_holds_the_entries(
    made: tuple[Path, KeyRing], tmp_path: Path, chosen: tuple[int, ...], size: int
) -> None:
    root, keys = made
    river, view = create_keys(tmp_path / "river", "river"), look(root / "audit", keys.public)
    note = (root / "checkpoint-300").read_bytes()
    cosigned = note + cosignature_line(note.split(b"\n\n")[0] + b"\n", river, 1)
    out = tmp_path / "out"
    write_evidence(view, chosen, keys.public, [river.public], out, asked=ASKED, cosigned=cosigned)
    assert (out / "checkpoint").read_bytes().split(b"\n")[1] == str(size).encode()
    assert (out / "keys/river.vkey").exists() == (size == 300)
    assert verify_evidence(out, keys.public).signers == ("north",)  # a key in the folder is not believed
    named = verify_evidence(out, keys.public, [river.public])
    assert named.signers == (("north", "river") if size == 300 else ("north",))


def test_no_proof_leads_to_a_tree_head_that_the_log_does_not_continue(
    made: tuple[Path, KeyRing], tmp_path: Path
) -> None:
    root, keys = made
    river, view = create_keys(tmp_path / "river", "river"), look(root / "audit", keys.public)
    note = (filled(tmp_path / "forked", keys, 300) / "checkpoint").read_bytes()
    cosigned = note + cosignature_line(note.split(b"\n\n")[0] + b"\n", river, 1)
    write_evidence(view, [3], keys.public, [river.public], tmp_path / "out", asked=ASKED, cosigned=cosigned)
    assert verify_evidence(tmp_path / "out", keys.public, [river.public]).signers == ("north",)


def test_a_key_that_comes_with_the_evidence_is_not_believed(out: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="unknown key"):
        verify_evidence(out, create_keys(tmp_path / "other", "north").public)


def test_the_readme_names_the_log_and_an_entry_that_is_there(out: Path) -> None:
    text = (out / "README.md").read_text()
    assert "keys/north.vkey" in text and "entries/0.json" in text and "{" not in text


def test_the_readme_says_what_was_asked_for_and_how_much_of_the_log_it_is(out: Path) -> None:
    text = (out / "README.md").read_text()
    assert f"It holds 4 entries of the {COUNT} in that log. What was asked for: {ASKED}." in text


def test_the_commands_of_the_readme_work_without_confide(out: Path) -> None:
    text = (out / "README.md").read_text()
    commands = [line[2:] for line in text.splitlines() if line.startswith("$ ") and "go run" not in line]
    done = subprocess.run(
        ["bash", "-euc", "\n".join(commands)], cwd=out, capture_output=True, text=True, check=True, timeout=60
    )
    assert "Signature Verified Successfully" in done.stdout
    assert len(done.stdout.splitlines()[-1].split()[0]) == 64


def test_nothing_is_written_where_something_is(made: tuple[Path, KeyRing], out: Path) -> None:
    view = look(made[0] / "audit", made[1].public)
    with pytest.raises(InputError, match="not empty"):
        write_evidence(view, [1], made[1].public, [], out, asked=ASKED)
    with pytest.raises(InputError, match="no entry"):
        write_evidence(view, [], made[1].public, [], out / "new", asked=ASKED)
    with pytest.raises(IntegrityError, match="no entry 700"):
        write_evidence(view, [700], made[1].public, [], out / "new", asked=ASKED)
    assert not (out / "new").exists()


def proof_of(view: LogView, sequence: int) -> Proof:
    return prove(view, sequence, view.size, view.note)


def test_a_proof_reads_as_it_was_written(made: tuple[Path, KeyRing]) -> None:
    view = look(made[0] / "audit", made[1].public)
    for sequence in (0, 1, 255, 256, 511, 512, 699):
        proof = Proof.parse(proof_of(view, sequence).text())
        head, _ = proof.check(view.line(sequence), [Verifier(made[1].public)])
        assert (proof.index, head.size) == (sequence, COUNT)
        assert json.loads(view.line(sequence))["seq"] == sequence


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"c2sp.org/tlog-proof@v1",
        b"c2sp.org/tlog-proof@v2\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 00\n\n",
        b"c2sp.org/tlog-proof@v1\nindex -1\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\n",
        b"\xff\n\n",
    ],
)
def test_what_is_no_proof_is_refused(text: bytes) -> None:
    with pytest.raises(IntegrityError):
        Proof.parse(text)


def test_extra_data_is_let_be(made: tuple[Path, KeyRing]) -> None:
    view = look(made[0] / "audit", made[1].public)
    text = proof_of(view, 3).text().replace(b"@v1\n", b"@v1\nextra AAAA\n")
    Proof.parse(text).check(view.line(3), [Verifier(made[1].public)])


def test_a_tree_head_that_somebody_else_signed_proves_nothing(made: tuple[Path, KeyRing], tmp_path: Path) -> None:
    view = look(made[0] / "audit", made[1].public)
    proof = proof_of(view, 3)
    other = create_keys(tmp_path / "other", "north")
    forged = Proof(proof.index, proof.path, sign_note(view.signed.text(), other))
    with pytest.raises(IntegrityError, match="unknown key"):
        forged.check(view.line(3), [Verifier(made[1].public)])


def test_evidence_from_before_a_rotation_holds_by_the_former_key(made: tuple[Path, KeyRing], out: Path) -> None:
    former = made[1].public
    newer = PublicKey("north", bytes(32), former=(former.raw,))
    assert verify_evidence(out, newer).entries == 4
    with pytest.raises(IntegrityError):
        verify_evidence(out, PublicKey("north", bytes(32)))
