"""`confide deid` with one worker beside two, and beside Ray's: notes a second, memory, and whether the bytes agree.

Each turn is a whole job with a new workspace: reading, rules, guards, vault, manifest.
"""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench.report import digits, json_line, ratio_text, start
from clinical.synthetic import demo_hospitals, write_export
from dashboard.console import progress, say, table
from policies.files import file_sha256

PATIENTS, PATIENTS_QUICK = 150, 30
_MIB = 1 << 20


def job(source: Path, place: Path, workers: int, engine: str) -> dict[str, Any]:
    """One job in a process of its own, with the peak memory of all its processes together."""
    import json
    import subprocess
    import sys

    command = [sys.executable, "-m", "bench.workers", "--job", str(source), str(place), str(workers), engine]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    peak = 0
    while child.poll() is None:
        peak = max(peak, _memory(child.pid))
        try:
            child.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    assert child.stdout is not None
    return {**json.loads(child.stdout.read().splitlines()[-1]), "mib": peak / _MIB}


def _memory(pid: int) -> int:
    """Bytes that a process and its children hold, what they share counted once for each."""
    try:
        process = psutil.Process(pid)
        return sum(one.memory_full_info().pss for one in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def run_job(source: Path, place: Path, workers: int, engine: str) -> dict[str, Any]:
    """In the child: the job itself."""
    from clinical.deid import Options, deidentify_source
    from clinical.deid.pool import Engine
    from policies.guard import account_name, open_site
    from policies.policy import default_policy_text
    from policies.workspace import Workspace

    workspace = Workspace(place / "workspace")
    if not workspace.policy.exists():
        workspace.root.mkdir(parents=True)
        workspace.policy.write_text(default_policy_text(account_name()))
    out = place / "out"
    report = deidentify_source(
        open_site(workspace, "bench"), source, out, Options(workers, Engine(engine), overwrite=True)
    )
    return {
        "seconds": report.seconds,
        "notes": report.notes,
        "files": {path.name: file_sha256(path) for path in out.iterdir() if path.name != "manifest.json"},
    }


def run(chosen: Namespace) -> None:
    """Compare, and print a table and, if asked, a line of JSON."""
    with TemporaryDirectory() as folder, progress() as bar:
        source, place = Path(folder, "in"), Path(folder, "site")
        write_export(source, demo_hospitals(PATIENTS_QUICK if chosen.quick else PATIENTS)[0])
        kinds = ((1, "processes"), (2, "processes"), (2, "ray"))
        rounds = 1 if chosen.quick else 3
        task = bar.add_task("whole jobs", total=len(kinds) * rounds)
        done: dict[tuple[int, str], list[dict[str, Any]]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind in kinds:
                done[kind].append(job(source, place, *kind))
                bar.advance(task)
        shutil.rmtree(place)
    _show(done)
    if chosen.json:
        figures = {f"{workers} {engine}": _figures(jobs) for (workers, engine), jobs in done.items()}
        say(json_line("workers", chosen.quick, same_bytes=_same(done), **{"jobs": figures}))


def _figures(jobs: Sequence[dict[str, Any]]) -> dict[str, float]:
    middle = sorted(jobs, key=lambda one: one["seconds"])[len(jobs) // 2]
    rate = middle["notes"] / middle["seconds"]
    return {"notes_per_second": rate, "peak_mib": max(one["mib"] for one in jobs)}


def _same(done: dict[tuple[int, str], list[dict[str, Any]]]) -> bool:
    jobs = [one for jobs in done.values() for one in jobs]
    return all(one["files"] == jobs[0]["files"] for one in jobs)


def _show(done: dict[tuple[int, str], list[dict[str, Any]]]) -> None:
    first = _figures(done[1, "processes"])
    rows = []
    for (workers, engine), jobs in done.items():
        own = _figures(jobs)
        rate = own["notes_per_second"]
        ratio = ratio_text(rate / first["notes_per_second"])
        rows.append((f"{workers} {engine}", digits(rate), ratio, f"{own['peak_mib']:.0f}"))
    table("Whole jobs, medians", ("workers", "notes a second", "ratio to one", "peak memory of all, MiB"), rows)
    say(f"the same bytes from all of them: {'yes' if _same(done) else 'NO'}")


if __name__ == "__main__":
    import json
    import sys

    if sys.argv[1:2] == ["--job"]:
        source, place, workers, engine = sys.argv[2:]
        print(json.dumps(run_job(Path(source), Path(place), int(workers), engine)))
    else:
        start("De-identification by one worker, two, and Ray's.", run)
