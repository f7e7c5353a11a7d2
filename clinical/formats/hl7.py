"""HL7 v2 messages out of files: one or many, with any line ends, in MLLP frames and batch envelopes."""

from __future__ import annotations

import hashlib
import json
import mmap
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clinical.attachments import LARGEST_NOTE, UnreadableNote, read_attachment
from clinical.formats.hl7_people import others_of, patient_of, record_number
from clinical.formats.merging import by_birth, merged
from clinical.formats.source import Place, Problem
from privacy.formats.er7 import BrokenMessage, Message, Segment, parse_message
from privacy.formats.hl7 import hl7_table, note_of
from privacy.records import Format, RawRecord

LONGEST_LINE = 64 * 1024 * 1024
# A line ends at a carriage return or line feed; \x0b and \x1c open and close a frame of MLLP (release 1).
_LINE = re.compile(rb"([^\r\n\x1c]*)(\r\n|\r|\n|\x1c|\Z)")
_MSH = re.compile(rb"MSH[^\w\s]")
_ENVELOPE = re.compile(rb"(?:FHS|BHS|BTS|FTS)\W")
_SUBTYPES = {"PLAIN": "text/plain", "TEXT": "text/plain", "TXT": "text/plain", "HTML": "text/html", "RTF": "text/rtf"}


@dataclass(frozen=True)
class Hl7Source:
    """Messages whose patients are indexed; only ids and offsets are held in memory.

    Args:
        paths: the files.
        largest_note: the most bytes that the text of a message may have.
    """

    paths: tuple[Path, ...]
    largest_note: int = LARGEST_NOTE
    _places: dict[str, dict[bytes, Place]] = field(default_factory=dict, repr=False)

    def records(self) -> Iterator[RawRecord | Problem]:
        """Every message that can be used, and a problem for every other."""
        seen: Counter[str] = Counter()
        for path in self.paths:
            for place, message in _messages(path):
                yield message if isinstance(message, Problem) else self._record(place, message, seen)

    def patient(self, patient_id: str) -> Mapping[str, Any]:
        """What all messages say of one patient, as a FHIR Patient."""
        return {**merged(self._facts(patient_id)), "id": patient_id}

    def people(self) -> Iterator[Mapping[str, Any]]:
        """Patients, once for each date of birth that they are given; relatives and staff."""
        for patient_id in self._places:
            yield from by_birth(patient_id, self._facts(patient_id))
        seen: set[bytes] = set()
        for path in self.paths:
            for _, message in _messages(path):
                for person in () if isinstance(message, Problem) else others_of(message):
                    digest = _digest(json.dumps(person, sort_keys=True))
                    if digest not in seen:
                        seen.add(digest)
                        yield person

    def _index(self) -> None:
        for path in self.paths:
            for place, message in _messages(path):
                if not isinstance(message, Problem) and (patient_id := _patient_id(message)):
                    said = _digest(json.dumps(patient_of(message)))
                    self._places.setdefault(patient_id, {}).setdefault(said, place)

    def _facts(self, patient_id: str) -> list[dict[str, Any]]:
        read = (next(_messages(place.path, place)) for place in self._places[patient_id].values())
        return [patient_of(message) for _, message in read if isinstance(message, Message)]

    def _record(self, place: Place, message: Message, seen: Counter[str]) -> RawRecord | Problem:
        header, patient_id = message.segments[0], _patient_id(message)
        if not patient_id:
            return place.problem("no patient", "the message names no patient, or several (PID-3); left out")
        control = message.separators.decode(header.field(10)).strip()
        if not control:
            return place.problem("no id", "the message has no control id (MSH-10); left out")
        try:
            message = replace(message, segments=tuple(_opened(message, s, self.largest_note) for s in message.segments))
        except UnreadableNote as error:
            return place.refused(error)
        text = note_of(message)
        if len(text.encode()) > self.largest_note:
            return place.problem("note too large", f"the message's text has over {self.largest_note} bytes; left out")
        seen[control] += 1
        record_id = control if seen[control] == 1 else f"{control}#{seen[control]}"
        body = message.write()
        return RawRecord(Format.HL7, "Message", patient_id, record_id, body, text, place.path.name, place.line)


def open_hl7(paths: tuple[Path, ...], largest_note: int = LARGEST_NOTE) -> Hl7Source:
    """Index the patients of HL7 v2 files."""
    source = Hl7Source(paths, largest_note)
    source._index()
    return source


def _messages(path: Path, start: Place | None = None) -> Iterator[tuple[Place, Message | Problem]]:
    """Messages with their places from `start` on; a problem for one that cannot be read."""
    for place, lines, whole in _assembled(path, start or Place(path)):
        if not whole:
            yield place, place.problem("cut short", "the message's MLLP frame does not end (cut short?); left out")
        else:
            yield place, _parsed(place, b"\r".join(lines))


def _assembled(path: Path, start: Place) -> Iterator[tuple[Place, list[bytes], bool]]:
    """Lines that belong together, and whether their frame, if they have one, was closed."""
    place, lines, framed = start, list[bytes](), False
    for here, line, closing in _lines(path, start):
        opening, text = b"\x0b" in line[:4], line.lstrip(b"\xef\xbb\xbf\x0b \t")
        if opening or _MSH.match(text) or _ENVELOPE.match(text):
            if lines:
                yield place, lines, not framed
            place, lines, framed = here, [], opening or (framed and not lines)
        if text.strip() and not _ENVELOPE.match(text):
            place = place if lines else here
            lines.append(text)
        if closing:
            if lines:
                yield place, lines, True
            lines, framed = [], False
    if lines:
        yield place, lines, not framed


def _lines(path: Path, start: Place) -> Iterator[tuple[Place, bytes, bool]]:
    """Lines with their places, and whether a frame ends with them."""
    if path.stat().st_size == 0:
        return
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        number = start.line
        for found in _LINE.finditer(data, start.offset):
            first, last = found.span(1)
            # A line that memory should not hold is no segment, so that its message is left out.
            line = data[first:last] if last - first <= LONGEST_LINE else b"?"
            yield Place(path, number, first), line, found.group(2) == b"\x1c"
            number += found.group(2) not in (b"\x1c", b"")


def _parsed(place: Place, data: bytes) -> Message | Problem:
    fields = data.split(b"\r")[0].split(data[3:4] or b"|")
    name = fields[17].split(b"~")[0].decode("latin-1").strip().upper() if len(fields) > 17 else ""
    codec = hl7_table()["charsets"].get(name)
    if codec is None:
        return place.problem("unknown charset", "MSH-18 names a character set that is not known here; left out")
    try:
        return parse_message(data.decode(codec))
    except UnicodeDecodeError:
        return place.problem("unknown charset", f"the message is not {codec} text, as MSH-18 has it; left out")
    except BrokenMessage as error:
        return place.problem(error.kind, f"{error.message}; left out")


def _patient_id(message: Message) -> str:
    """The one patient of a message; "" where it names none or several."""
    numbers = {record_number(message, segment) for segment in message.named("PID")}
    return f"hl7:{numbers.pop()}" if len(numbers) == 1 and "" not in numbers else ""


def _opened(message: Message, segment: Segment, largest: int) -> Segment:
    """An observation that holds an encapsulated text (ED) as one that holds the text (FT); others as they are.

    Raises:
        UnreadableNote: it says that it holds text, and does not.
    """
    if segment.name != "OBX" or segment.field(2) != "ED":
        return segment
    marks = message.separators
    parts = [[marks.decode(p) for p in raw.split(marks.component)] for raw in message.repetitions(segment, 5)]
    if not all(len(p) == 5 and p[2].upper() in _SUBTYPES and p[3].upper() in ("A", "BASE64") for p in parts):
        return segment  # no text: no rule lets it through
    texts = [
        read_attachment({"contentType": _SUBTYPES[p[2].upper()], "data": p[4]}, largest)
        if p[3].upper() == "BASE64" else p[4] for p in parts
    ]  # fmt: skip
    fields = list(segment.fields)
    fields[1], fields[4] = "FT", marks.encode("\n".join(texts))
    return replace(segment, fields=tuple(fields))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()
