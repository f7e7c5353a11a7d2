"""The command line as people meet it: help, errors that say what to do, exit codes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clinical.synthetic import condition_labels, demo_hospitals, write_export
from policies.files import write_whole
from policies.guard import account_name
from policies.policy import default_policy_text

COMMANDS = [
    ["init"],
    ["demo"],
    ["deid"],
    ["train"],
    ["extract"],
    ["ask"],
    ["summary"],
    ["evaluate", "phi"],
    ["evaluate", "diagnosis"],
    ["evaluate", "fairness"],
    ["evaluate", "drift"],
    ["evaluate", "assertions"],
    ["evaluate", "entities"],
    ["evaluate", "relations"],
    ["evaluate", "codes"],
    ["evaluate", "sections"],
    ["evaluate", "reading"],
    ["codes", "import"],
    ["codes", "find"],
    ["codes", "list"],
    ["certify", "draw"],
    ["certify", "review"],
    ["certify", "status"],
    ["certify", "sign"],
    ["certify", "verify"],
    ["reidentify", "request"],
    ["reidentify", "approve"],
    ["reidentify", "refuse"],
    ["reidentify", "show"],
    ["reidentify", "list"],
    ["erase", "patient"],
    ["erase", "verify"],
    ["care-team", "import"],
    ["care-team", "add"],
    ["care-team", "remove"],
    ["care-team", "list"],
    ["audit", "verify"],
    ["audit", "query"],
    ["audit", "export"],
    ["audit", "send"],
    ["audit", "accounting"],
    ["audit", "disclosed"],
    ["audit", "review"],
    ["audit", "reviews"],
    ["audit", "prune"],
    ["users", "add"],
    ["users", "list"],
    ["users", "password"],
    ["users", "unlock"],
    ["users", "remove"],
    ["database", "move"],
    ["upgrade"],
    ["keys", "list"],
    ["keys", "protect"],
    ["keys", "rotate"],
    ["keys", "export-public"],
    ["budget", "show"],
    ["models", "list"],
    ["models", "use"],
    ["models", "calibrate"],
    ["privacy", "plan"],
    ["privacy", "audit"],
    ["privacy", "certificate"],
    ["privacy", "verify"],
    ["dashboard"],
    ["serve"],
]
HEAVY = ("torch", "transformers", "spacy", "presidio_analyzer", "flwr", "ray", "streamlit", "opacus", "sqlalchemy")


def confide(folder: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dashboard", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, input=text, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a policy (without the tagger, which takes its time) and a small raw export."""
    folder = tmp_path_factory.mktemp("ready")
    policy = default_policy_text(account_name()).replace("tagger = true", "tagger = false")
    write_whole(folder / "confide-workspace" / "policy.toml", policy.encode())
    write_export(folder / "export", demo_hospitals(patients=12)[0])
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(tmp_path: Path, command: list[str]) -> None:
    done = confide(tmp_path, *command, "--help")
    assert done.returncode == 0
    assert "Example: confide" in done.stdout


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = f"import sys, dashboard.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_a_policy_nothing_runs(tmp_path: Path) -> None:
    write_export(tmp_path / "export", demo_hospitals(patients=2)[0])
    done = confide(tmp_path, "deid", "export", "out")
    assert done.returncode == 3
    assert "no workspace here, so nothing runs" in done.stderr
    (tmp_path / "confide-workspace").mkdir()
    done = confide(tmp_path, "deid", "export", "out")
    assert done.returncode == 3
    assert "no policy file, so nothing runs" in done.stderr
    assert "confide init" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command",
    [["models", "list"], ["budget", "show"], ["reidentify", "list"], ["extract", "-"], ["certify", "sign", "x"]],
)
def test_without_a_workspace_the_command_that_makes_one_is_named(tmp_path: Path, command: list[str]) -> None:
    done = confide(tmp_path, *command)
    assert done.returncode == 3
    assert "no workspace here" in done.stderr and "confide init" in done.stderr
    assert not list(tmp_path.iterdir())


def test_init_writes_a_policy_once(tmp_path: Path) -> None:
    assert confide(tmp_path, "init").returncode == 0
    again = confide(tmp_path, "init")
    assert again.returncode == 6
    assert "there is a policy already" in again.stderr


def test_an_unknown_key_of_the_policy_is_named(tmp_path: Path) -> None:
    text = default_policy_text(account_name()) + "\n[surprise]\nkey = 1\n"
    write_whole(tmp_path / "confide-workspace" / "policy.toml", text.encode())
    done = confide(tmp_path, "deid", ".", "out")
    assert done.returncode == 3
    assert "unknown key 'surprise'" in done.stderr


def test_an_account_without_a_role_is_refused(ready: Path, tmp_path: Path) -> None:
    write_whole(tmp_path / "confide-workspace" / "policy.toml", default_policy_text("somebody else").encode())
    done = confide(tmp_path, "deid", str(ready / "export"), "out")
    assert done.returncode == 4
    assert "deidentify" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_export_and_a_foreign_folder(ready: Path) -> None:
    assert confide(ready, "deid", "nowhere", "out").returncode == 6
    (ready / "mine").mkdir()
    (ready / "mine" / "thesis.txt").write_text("not yours")
    done = confide(ready, "deid", "export", "mine")
    assert done.returncode == 6
    assert "not signed by this site" in done.stderr
    assert [path.name for path in (ready / "mine").iterdir()] == ["thesis.txt"]


def test_a_job_that_is_refused_makes_no_site_and_begins_no_bar(ready: Path) -> None:
    before = sorted((ready / "confide-workspace").rglob("*"))
    (ready / "nothing").mkdir(exist_ok=True)
    for words in (["nowhere", "new"], ["nothing", "new"], ["export", "export"], ["export", "new", "--columns", "none"]):
        done = confide(ready, "deid", *words, "--site", "mistyped")
        assert done.returncode == 6
        assert "what to do" in done.stderr and "Correct the input" not in done.stderr
        assert done.stdout == ""
    assert sorted((ready / "confide-workspace").rglob("*")) == before
    confide(ready, "deid", "export", "again", "--site", "export")
    assert confide(ready, "deid", "export", "again", "--site", "export").stdout == ""


def test_a_bad_line_is_left_out_and_the_rest_goes_on(ready: Path, tmp_path: Path) -> None:
    export = tmp_path / "export"
    write_export(export, demo_hospitals(patients=12)[0])
    notes = (export / "DocumentReference.ndjson").read_bytes()
    (export / "DocumentReference.ndjson").write_bytes(notes + notes.splitlines()[0][:200])
    whole, cut = (
        confide(ready, "deid", "export", "whole"),
        confide(ready, "deid", str(export), "cut", "--site", "export"),
    )
    assert whole.returncode == cut.returncode == 0
    assert "left out" in cut.stdout
    assert re.search(r"DocumentReference\.ndjson\s+│ not JSON\s+│\s+1 ", cut.stdout)
    assert (ready / "whole" / "DocumentReference.ndjson").read_bytes() == (
        ready / "cut" / "DocumentReference.ndjson"
    ).read_bytes()


def test_extract_reads_a_note_and_says_that_no_model_is_there(ready: Path) -> None:
    confide(ready, "deid", "export", "deid")
    done = confide(ready, "extract", "-", text="Chest pain since Monday. Denies fever. On metoprolol 25 mg BID.")
    assert done.returncode == 0, done.stderr
    assert "no signed model yet" in done.stdout
    data = json.loads(confide(ready, "extract", "-", "--json", text="Denies fever.").stdout)
    assert [mention["assertion"]["status"] for mention in data["facts"]["mentions"]] == ["negated"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"resourceType": "Patient"}', "no DocumentReference"),
        (b'{"resourceType": "DocumentReference", "status": "entered-in-error", "content": []}', "entered-in-error"),
        (b"x" * 2_000_001, "largest"),
    ],
    ids=["encoding", "json", "error", "size"],
)
def test_a_note_that_cannot_be_read(ready: Path, data: bytes, words: str) -> None:
    (ready / "note").write_bytes(data)
    done = confide(ready, "extract", "note", "--site", "export")
    assert done.returncode == 6
    assert words in done.stderr


def test_training_on_a_small_cohort_is_refused_with_the_reason(ready: Path) -> None:
    for site in ("export", "other"):
        confide(ready, "deid", "export", f"small-{site}", "--site", site)
    (ready / "labels.toml").write_text(f"labels = {sorted(condition_labels())}\n")
    done = confide(ready, "train", "small-export", "small-other", "--labels", "labels.toml", "--yes", "--epsilon", "4")
    assert done.returncode == 5
    assert "its policy asks for 100, so nothing is trained" in done.stderr
    shown = json.loads(confide(ready, "audit", "query", "--site", "export", "--event", "plan.refused", "--json").stdout)
    assert "asks for 100" in shown[-1]["details"]["reason"]


def test_a_changed_file_of_a_release_is_refused(ready: Path) -> None:
    confide(ready, "deid", "export", "changed", "--site", "export")
    with (ready / "changed" / "Patient.ndjson").open("ab") as stream:
        stream.write(b"\n")
    done = confide(ready, "train", "changed", "--labels", "labels.toml", "--yes", "--epsilon", "4")
    assert done.returncode == 7
    assert "Patient.ndjson" in done.stderr


def test_an_export_of_the_log_and_an_unknown_suffix(ready: Path) -> None:
    confide(ready, "deid", "export", "logged", "--site", "export")
    assert confide(ready, "audit", "export", "log.csv").returncode == 0
    assert (ready / "log.csv").read_text().startswith("log,sequence,time,actor,event,outcome")
    assert confide(ready, "audit", "export", "log.xlsx").returncode == 6


@pytest.mark.parametrize(
    ("words", "wrong", "command"),
    [
        (["audit", "accounting"], "Missing argument 'PATIENT'", "confide audit accounting"),
        (["policy", "report", "--out", "x.md"], "Missing option '--template'", "confide policy report"),
        (["audit", "nosuch"], "No such command 'nosuch'", "confide audit"),
        (["train", "--nosuch"], "No such option '--nosuch'", "confide train"),
    ],
)
def test_a_command_line_that_is_not_understood_says_what_to_do(
    tmp_path: Path, words: list[str], wrong: str, command: str
) -> None:
    done = confide(tmp_path, *words)
    first, second = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert first.startswith(f"error: {wrong}") and second.startswith("what to do: Run '")
    assert second.endswith(f"{command.removeprefix('confide')} --help' to see what it needs.")


def test_a_command_without_words_shows_its_help(tmp_path: Path) -> None:
    done = confide(tmp_path, "audit")
    assert done.returncode == 2 and "Usage:" in done.stdout and "Traceback" not in done.stderr


def test_an_error_that_nobody_foresaw_shows_no_text() -> None:
    program = (
        "from dashboard.console import report\n"
        "try:\n    raise ValueError('Zephyrine Quillfeather')\n"
        "except ValueError as error:\n    code = report(error)\n"
        "raise SystemExit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert "Zephyrine" not in done.stderr + done.stdout


def _has_namespaces() -> bool:
    return (
        shutil.which("unshare") is not None and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode
    )


@pytest.mark.skipif(not _has_namespaces(), reason="needs 'unshare' and user namespaces")
def test_a_machine_without_any_network_is_enough(ready: Path) -> None:
    """In a network namespace of its own, where not even loopback is up."""
    command = ["unshare", "-rn", sys.executable, "-m", "dashboard", "deid", "export", "offline", "--site", "export"]
    assert subprocess.run(command, cwd=ready, capture_output=True, check=False).returncode == 0
    note = ["unshare", "-rn", sys.executable, "-m", "dashboard", "extract", "-", "--site", "export"]
    done = subprocess.run(note, cwd=ready, input=b"Denies fever.", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
