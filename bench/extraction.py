"""Our extraction of facts beside medspaCy and negspaCy on the same notes: `python -m bench.extraction --peers PYTHON`.

PYTHON is that of a virtual environment with `pip install medspacy negspacy`, which want another spaCy than ours.
Without it ours is measured alone. The peers find by our dictionary, for they bring none. What they do of our pipeline's
work: medspaCy sentences, names and assertion; negspaCy sentences, names and negation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from bench.deidentification import read_samples
from bench.report import Contestant, Memory, Turn, Work, digits, json_line, medians, memory_rows, play, ratio_text
from clinical.synthetic import demo_hospitals, write_export
from dashboard.console import report, say, table
from policies.errors import ConfideError, InputError

PEERS = ("medspacy", "negspacy")
NOTES_PER_TURN = 10
PAIRS, PAIRS_QUICK = 24, 4

Batches = list[list[str]]


def rules(batches: Batches) -> Work:
    """Every component but the trained ones: sections, sentences, names, attributes, assertions, relations."""
    from clinical.extraction.pipeline import RULES, build_pipeline

    return _reading(build_pipeline(RULES), batches)


def everything(batches: Batches) -> Work:
    """The default pipeline, taggers included."""
    from clinical.reading import load_pipeline

    return _reading(load_pipeline(), batches)


def _reading(nlp: Any, batches: Batches) -> Work:
    from clinical.extraction.pipeline import facts_of

    facts_of(nlp, "No fever today.")

    def work(turn: int) -> tuple[int, int]:
        mentions = [mention for text in batches[turn] for mention in facts_of(nlp, text).mentions]
        return len(mentions), sum(mention.assertion.status == "negated" for mention in mentions)

    return work


class OtherPython:
    """A peer in the Python of another virtual environment."""

    def __init__(self, python: Path, name: str, given: Path) -> None:
        program = Path(__file__).with_name("extraction_peer.py")
        command = [str(python), str(program), name, str(given)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._name, self._loaded, self._peak = name, 0.0, 0.0

    def __enter__(self) -> OtherPython:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ready(self) -> None:
        """Wait until it is loaded.

        Raises:
            InputError: it ended; its own message stands on standard error.
        """
        self._loaded = self._peak = self._answer()["peak"]

    def turn(self, number: int) -> Turn:
        """Have one turn; its time is what the peer itself measured, without the pipe."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        answer = self._answer()
        self._peak = answer["peak"]
        return Turn(answer["seconds"], (answer["mentions"], answer["negated"]))

    def memory(self) -> Memory:
        """What it needed so far."""
        return Memory(self._peak, self._peak - self._loaded)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InputError(f"{self._name} did not start", "Install it there: pip install medspacy negspacy.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def run(chosen: argparse.Namespace) -> None:
    """Compare, and print a table for each match and, if asked, a line of JSON."""
    batches, source = _batches(chosen)
    texts = [text for batch in batches for text in batch]
    characters = sum(map(len, texts)) // len(texts)
    say(f"{len(texts)} notes of {characters:,} characters, {source}; {len(batches) - 1} pairs of {NOTES_PER_TURN}.")
    with TemporaryDirectory() as folder:
        given = Path(folder, "given.json")
        given.write_text(json.dumps({"batches": batches, "phrases": _phrases()}), "utf-8")
        for title, build in (("rules", rules), ("rules and taggers", everything)):
            for name in PEERS if chosen.peers else ():
                with Contestant(build, batches) as own, OtherPython(chosen.peers, name, given) as peer:
                    match = play(f"{title} beside {name}", own, peer, len(batches) - 1)
                _show(title, name, match, chosen)
        if not chosen.peers:
            say("no --peers: ours alone")
            for title, build in (("rules", rules), ("rules and taggers", everything)):
                started = perf_counter()
                with Contestant(build, batches) as own:
                    own.ready()
                    loaded = perf_counter() - started
                    seconds = [own.turn(number).seconds for number in range(len(batches))][1:]
                    rate = NOTES_PER_TURN * len(seconds) / sum(seconds)
                    say(f"{title}: {digits(rate)} notes a second, {own.memory().peak:.0f} MiB, ready in {loaded:.1f} s")


def _batches(chosen: argparse.Namespace) -> tuple[Batches, str]:
    most = NOTES_PER_TURN * ((PAIRS_QUICK if chosen.quick else PAIRS) + 1)
    if chosen.export:
        source, texts = str(chosen.export), [own.text for own in read_samples(chosen.export, most)]
    else:
        with TemporaryDirectory() as folder:
            write_export(Path(folder), demo_hospitals(most)[0])
            source, texts = "synthetic notes of the demo", [own.text for own in read_samples(Path(folder), most)]
    batches = [texts[at : at + NOTES_PER_TURN] for at in range(0, len(texts), NOTES_PER_TURN)]
    batches = [batch for batch in batches if len(batch) == NOTES_PER_TURN]
    if len(batches) < 2:
        raise InputError(f"{len(texts)} notes that can be used", f"At least {2 * NOTES_PER_TURN} are needed.")
    return batches, source


def _phrases() -> list[tuple[str, str]]:
    from clinical.extraction.entities import dictionary

    return [(name.phrase, name.kind) for name in dictionary().values()]


def _show(title: str, peer: str, match: Any, chosen: argparse.Namespace) -> None:
    time = medians(match.pairs)
    counts = [_sum([getattr(pair, side).result for pair in match.pairs]) for side in ("ours", "peer")]
    rates = (NOTES_PER_TURN / time.ours, NOTES_PER_TURN / time.peer)
    rows = [
        ("notes a second", digits(rates[0]), digits(rates[1]), ratio_text(1 / time.ratio)),
        *memory_rows(match),
        ("mentions found", *(f"{mentions:,}" for mentions, _ in counts), ""),
        ("of them negated", *(f"{negated:,}" for _, negated in counts), ""),
    ]
    table(f"Extraction by {title} beside {peer}, medians of pairs", ("", "Confide", peer, "ratio"), rows)
    if chosen.json:
        say(json_line("extraction", chosen.quick, ours=title, peer=peer, seconds=time, notes_per_second=rates))


def _sum(results: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(mentions for mentions, _ in results), sum(negated for _, negated in results)


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="of a virtual environment with both peers")
    parser.add_argument("--quick", action="store_true", help="few pairs: a look, not a measurement")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each match")
    parser.add_argument("--export", type=Path, metavar="FOLDER", help="a FHIR export; the demo's notes without it")
    try:
        run(parser.parse_args())
    except ConfideError as error:
        raise SystemExit(report(error)) from None


if __name__ == "__main__":
    main()
