"""What the rules of extraction and the summary cost against the length of a note: `python -m bench.length [--json]`.

Texts are the ones that are hard on rules: no ends of sentences, a heading in every line, capitals alone, tables, lists,
marks alone. Milliseconds per 1,000 characters stay level where the cost is linear.
"""

from __future__ import annotations

import argparse
import json
from time import process_time

from dashboard.console import say, table

LENGTHS = (12_500, 25_000, 50_000, 100_000, 200_000)
PIECES = {
    "no sentence ends": "no fever and no cough, ",
    "headings": "PMH: gout\n",
    "capitals": "DENIES FEVER ",
    "tables": "K|4.1|\tNa|140|\n",
    "list of medications": "stop aspirin 81 mg daily, lisinopril, ",
    "list of results": "sodium 140, urine sodium 20 2 days ago, ",
    "colons": "a: ",
    "marks": "([:-",
    "control characters": "\x00\x1b ",
    "plain": "He denies chest pain. He has a history of gout. ",
}


def milliseconds(piece: str, length: int) -> tuple[float, float]:
    """Processor time per 1,000 characters of a note of one repeated piece, to read it and to sum it up; best of 3."""
    from clinical.extraction import read_note
    from clinical.record.passages import Note
    from clinical.record.summary import summarise
    from clinical.record.told import Told

    text = (piece * (length // len(piece) + 1))[:length]
    note = Note("long", "2025-01-14", text)
    spent = []
    for _ in range(3):
        started = process_time()
        facts = read_note(text)
        read = process_time()
        summarise([Told(note, facts)])
        spent.append((read - started, process_time() - read))
    reading, summary = (1e6 * min(own) / length for own in zip(*spent, strict=True))
    return reading, summary


def main() -> None:
    """Measure every text at every length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    milliseconds("warm ", 1_000)
    costs = {name: [milliseconds(piece, length) for length in LENGTHS] for name, piece in PIECES.items()}
    if as_json:
        named = {
            name: {"read": [one for one, _ in own], "summary": [one for _, one in own]} for name, own in costs.items()
        }
        say(json.dumps({"characters": LENGTHS, "ms_per_1000_characters": named}))
        return
    rows = [(name, *(f"{read:.1f} + {summary:.1f}" for read, summary in own)) for name, own in costs.items()]
    headings = ("text", *(f"{length:,}" for length in LENGTHS))
    table("ms per 1,000 characters, to read + to sum up", headings, rows)


if __name__ == "__main__":
    main()
