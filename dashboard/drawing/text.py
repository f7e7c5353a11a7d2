"""Text that shows as itself."""

from __future__ import annotations

import re

_MARKS = re.compile(r"([\\`*_{}\[\]<>$~#|&^]|:(?=\w))")
_FIRST_OF_LINE = re.compile(r"^(\s*\d*)([-+=.)])", re.MULTILINE)


def plain(text: str) -> str:
    """Text as Markdown that shows as nothing but this text."""
    return _FIRST_OF_LINE.sub(r"\1\\\2", _MARKS.sub(r"\\\1", text.strip()))
