"""The notes in what 'confide deid' wrote, whatever its format, each with the place where it can be read again."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class ReleasedNote:
    """One note as it leaves the hospital.

    Args:
        file, offset: where it begins in the folder.
        kind: what sort of note it is.
    """

    file: str
    offset: int
    kind: str
    text: str = field(repr=False)


def released_notes(folder: Path) -> Iterator[ReleasedNote]:
    """Every note of a folder: documents, messages, rows and texts, as somebody outside would read them."""
    for path in sorted(folder.iterdir()):
        if reader := _READERS.get(path.suffix):
            with path.open("rb") as stream:
                yield from _named(path, reader(stream, 0))


def note_at(folder: Path, file: str, offset: int) -> ReleasedNote:
    """One note again; raises OSError or StopIteration where the folder is no longer what it was."""
    path = folder / file
    with path.open("rb") as stream:
        return next(_named(path, _READERS[path.suffix](stream, offset)))


_Found = Iterator[tuple[int, str, str]]  # offset, kind, text


def _named(path: Path, found: _Found) -> Iterator[ReleasedNote]:
    return (ReleasedNote(path.name, offset, kind, text) for offset, kind, text in found if text.strip())


def _lines(stream: IO[bytes], offset: int) -> Iterator[tuple[int, bytes]]:
    stream.seek(offset)
    for line in stream:
        yield offset, line
        offset += len(line)


def _resources(stream: IO[bytes], offset: int) -> _Found:
    """Attached texts of FHIR resources."""
    for place, line in _lines(stream, offset):
        resource = json.loads(line)
        kind = _code(resource) or str(resource.get("resourceType", ""))
        yield place, kind, "\n".join(_attached(resource))


def _attached(element: Any) -> Iterator[str]:
    """The text of every attachment within an element (FHIR R4, 2.24.0.2)."""
    if isinstance(element, list):
        yield from (text for item in element for text in _attached(item))
    elif isinstance(element, dict):
        if str(element.get("contentType", "")).startswith("text/") and isinstance(element.get("data"), str):
            yield base64.b64decode(element["data"]).decode()
        yield from (text for item in element.values() for text in _attached(item))


def _code(resource: Mapping[str, Any]) -> str:
    """The first code of a document's type or category."""
    categories = resource.get("category") or [{}]
    for concept in (resource.get("type") or resource.get("code") or {}, categories[0]):
        for coding in concept.get("coding") or ():
            if named := coding.get("display") or coding.get("code"):
                return str(named)
    return ""


def _messages(stream: IO[bytes], offset: int) -> _Found:
    """HL7 messages, one to a line, with a line for each segment."""
    for place, line in _lines(stream, offset):
        text = line.decode().strip().replace("\r", "\n")
        yield place, "|".join(text.split("\n", 1)[0].split("|")[8:9]), text


def _rows(stream: IO[bytes], offset: int) -> _Found:
    """Rows of a table, with a line for each column."""
    columns, start = _row(stream)
    stream.seek(offset or start)
    place = stream.tell()
    while row := _row(stream)[0]:
        yield place, "row", "\n".join(f"{name}: {value}" for name, value in zip(columns, row, strict=True) if value)
        place = stream.tell()


def _row(stream: IO[bytes]) -> tuple[list[str], int]:
    """The next row, whose cells may hold line breaks, and where it ends."""
    lines = iter(lambda: stream.readline().decode(), "")
    return next(csv.reader(lines), []), stream.tell()


def _text(stream: IO[bytes], offset: int) -> _Found:
    yield 0, "text", stream.read().decode()


_READERS: Mapping[str, Callable[[IO[bytes], int], _Found]] = {
    ".ndjson": _resources,
    ".hl7": _messages,
    ".csv": _rows,
    ".txt": _text,
}
