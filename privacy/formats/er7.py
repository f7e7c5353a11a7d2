"""HL7 v2 in its ER7 form, taken apart and put together (HL7 v2.8, chapter 2).

The library python-hl7 was tried: it writes the text of a field to the log when an escape is unknown to it, and joins
the lines of a text when it decodes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policies.errors import InputError

_HEADER = re.compile(r"MSH(.)(.{4,5})(?:\1|$)", re.DOTALL)
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
BREAKS = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Highlighting, formatting, hexadecimal, character set and local escapes; all else between two marks is text.
_ESCAPE = r"[FSTREHN]|\.(?:br|ce|sp|fi|nf|in|ti|sk)[+-]?\d*|X(?:[0-9A-Fa-f]{2})+|[CM][0-9A-Fa-f]{4,6}|Z\w{0,16}"


class BrokenMessage(InputError):
    """A message that cannot be taken apart."""


@dataclass(frozen=True)
class Separators:
    """The five characters that MSH-1 and MSH-2 name."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    def decode(self, value: str) -> str:
        """What a value says, its escapes resolved (2.7); an escape that is no text, such as highlighting, goes."""
        mark = re.escape(self.escape)
        text = re.sub(f"{mark}({_ESCAPE}){mark}", lambda found: self._meaning(found.group(1)), value)
        return BREAKS.sub("\n", text)

    def encode(self, value: str) -> str:
        """A value with separators, line breaks and control characters escaped or removed."""
        letters = {self.field: "F", self.component: "S", self.repetition: "R", self.subcomponent: "T", self.escape: "E"}
        mark = self.escape
        escapes = str.maketrans({character: f"{mark}{letter}{mark}" for character, letter in letters.items()})
        lines = (_CONTROL.sub("", line).translate(escapes) for line in BREAKS.split(value))
        return f"{mark}.br{mark}".join(lines)

    def components(self, repetition: str) -> list[str]:
        """The decoded components of one repetition; of one with subcomponents, the first of them."""
        parts = repetition.split(self.component)
        return [self.decode(part.split(self.subcomponent)[0]) for part in parts]

    def _meaning(self, code: str) -> str:
        letters = {"F": self.field, "S": self.component, "T": self.subcomponent, "R": self.repetition, "E": self.escape}
        if code.startswith("."):
            return " " if code.startswith((".in", ".ti", ".sk")) else "\n"
        if code.startswith("X"):
            return _text_of(bytes.fromhex(code[1:]))
        return letters.get(code, "")


STANDARD = Separators()


@dataclass(frozen=True)
class Segment:
    """One segment; its fields are as they were written.

    Args:
        fields: from field 1 on; of MSH, from MSH-1, the separator itself.
    """

    name: str
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        """A field by its number in the standard, "" where the segment ends before it."""
        return self.fields[number - 1] if 0 < number <= len(self.fields) else ""


@dataclass(frozen=True)
class Message:
    """One message, taken apart down to its fields."""

    separators: Separators
    segments: tuple[Segment, ...]

    def repetitions(self, segment: Segment, number: int) -> list[str]:
        """The repetitions of a field as they were written."""
        field = segment.field(number)
        return field.split(self.separators.repetition) if field else []

    def named(self, *names: str) -> Iterator[Segment]:
        """The segments with one of these names, in order."""
        return (segment for segment in self.segments if segment.name in names)

    def write(self) -> str:
        """The message as it was read, its segments parted by carriage returns."""
        mark = self.separators.field
        lines = (mark.join((s.name, *s.fields[s.name == "MSH" :])) for s in self.segments)
        return "\r".join(lines)


def parse_message(message: str) -> Message:
    """Take a message apart.

    Raises:
        BrokenMessage: it does not begin with MSH, its separators cannot be, or a line of it is no segment.
    """
    lines = [line for line in BREAKS.split(message) if line.strip()]
    if not lines or not lines[0].startswith("MSH"):
        raise BrokenMessage("the message does not begin with an MSH segment", kind="no MSH")
    separators = _separators(lines[0])
    segments = [Segment("MSH", (separators.field, *lines[0][4:].split(separators.field)))]
    for line in lines[1:]:
        name, *fields = line.split(separators.field)
        if not _NAME.fullmatch(name):
            raise BrokenMessage(
                f"line {len(segments) + 1} of the message is no segment (cut short?)", kind="broken segment"
            )
        segments.append(Segment(name, tuple(fields)))
    return Message(separators, tuple(segments))


def write_segment(name: str, fields: Sequence[str]) -> str:
    """A segment with the standard's separators, from fields that are already encoded."""
    start = ("MSH|^~\\&", *fields[2:]) if name == "MSH" else (name, *fields)
    return "|".join(start).rstrip("|")


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _separators(header: str) -> Separators:
    found = _HEADER.match(header)
    characters = (found.group(1) + found.group(2))[:5] if found else ""
    if len(set(characters)) < 5 or any(c.isalnum() or c.isspace() or not c.isprintable() for c in characters):
        raise BrokenMessage(
            "MSH-1 and MSH-2 do not name five different separators", "Standard: MSH|^~\\&|", kind="wrong separators"
        )
    return Separators(*characters)
