"""What the rules of extraction cost against the length of a note: `python -m bench.length [--json]`.

Texts are the ones that are hard on rules: no ends of sentences, a heading in every line, capitals alone, tables, marks
alone. Seconds per 1,000 characters stay level where the cost is linear.
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
    "colons": "a: ",
    "marks": "([:-",
    "control characters": "\x00\x1b ",
    "plain": "He denies chest pain. He has a history of gout. ",
}


def milliseconds(piece: str, length: int) -> float:
    """Processor time per 1,000 characters of a note made of a repeated piece, the best of three."""
    from clinical.extraction import read_note

    text = (piece * (length // len(piece) + 1))[:length]
    spent = []
    for _ in range(3):
        started = process_time()
        read_note(text)
        spent.append(process_time() - started)
    return 1e6 * min(spent) / length


def main() -> None:
    """Measure every text at every length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    milliseconds("warm ", 1_000)
    costs = {name: [milliseconds(piece, length) for length in LENGTHS] for name, piece in PIECES.items()}
    if as_json:
        say(json.dumps({"characters": LENGTHS, "ms_per_1000_characters": costs}))
        return
    rows = [(name, *(f"{cost:.1f}" for cost in own)) for name, own in costs.items()]
    table("ms per 1,000 characters", ("text", *(f"{length:,}" for length in LENGTHS)), rows)


if __name__ == "__main__":
    main()
