"""Made-up numbers, codes and net addresses: from ranges that standards keep free, or else by layout."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping

from privacy.text.name_lists import folded, words

_EXTENSION = re.compile(r"(?i)(?:x|ext\.?|extension)\s*\d+\s*$")
_SUFFIX = re.compile(r"\.\w{1,5}$")
_DOCUMENTATION_NETS = ("192.0.2", "198.51.100", "203.0.113")

Draws = Iterator[int]  # an endless stream of keyed numbers of 32 bits


def code(original: str, draws: Draws) -> str:
    """The same layout: a digit for a digit, a letter for a letter; cue words such as 'Serial No.' stay."""
    return re.sub(r"\S+", lambda found: _code_word(found.group(), draws), original)


def _code_word(word: str, draws: Draws) -> str:
    cue = folded(word).strip(".,;()") in words("cues") or (word.endswith(":") and not re.search(r"\d", word))
    return word if cue else "".join(_character(c, draws, first=not at) for at, c in enumerate(word))


def _character(old: str, draws: Draws, first: bool = False) -> str:
    if old.isdigit():
        # 42 beds or houses are not 07.
        return str(1 + next(draws) % 9 if first and old != "0" else next(draws) % 10)
    if old.isalpha():
        letter = string.ascii_lowercase[next(draws) % 26]
        return letter.upper() if old.isupper() else letter
    return old


def _digits(original: str, new: str) -> str:
    """The layout of `original` with its digits replaced, one after the other."""
    following = iter(new)
    return "".join(next(following) if c.isdigit() else c for c in original)


def phone(original: str, draws: Draws) -> str:
    """A number of the range 555-0100 to 555-0199, which no telephone has (North American Numbering Plan, ATIS-0300115);
    of other countries, digits by layout behind the country code."""
    extension = _EXTENSION.search(original)
    number, rest = (original[: extension.start()], extension.group()) if extension else (original, "")
    count = len(re.sub(r"\D", "", number))
    american = not number.lstrip().startswith("+") or re.match(r"\s*\+1\b", number)
    if american and (count in (7, 10) or (count == 11 and re.search(r"\d", number)[0] == "1")):  # type: ignore[index]
        area = f"{2 + next(draws) % 8}{next(draws) % 10}{next(draws) % 10}" if count > 7 else ""
        made_up = _digits(number, "1" * (count == 11) + area + f"55501{next(draws) % 100:02}")
    else:
        country = re.match(r"\s*\+\d{1,3}(?=\D)", number)
        kept = country.end() if country else 0
        made_up = number[:kept] + "".join(_character(c, draws) if c.isdigit() else c for c in number[kept:])
    return made_up + "".join(_character(c, draws) if c.isdigit() else c for c in rest)


def ssn(original: str, draws: Draws) -> str:
    """Digits by layout; nine of them begin with 9 and have the group 00, which no social security number has."""
    count = len(re.sub(r"\D", "", original))
    new = "".join(str(next(draws) % 10) for _ in range(count))
    return _digits(original, f"9{new[1:3]}00{new[5:]}" if count == 9 else new)


def email(original: str, draws: Draws) -> str:
    """An address at example.org, which is kept for examples (RFC 2606)."""
    local = re.split(r"@|\s*[(\[]\s*at\s*[)\]]", original, maxsplit=1, flags=re.IGNORECASE)[0]
    return f"{''.join(_character(c, draws) for c in local) or 'name'}@example.org"


def url(original: str, draws: Draws) -> str:
    """An address at example.org, which is kept for examples (RFC 2606), with the scheme of the original."""
    start = re.match(r"(?i)(?:[a-z]+://)?(?:www\.)?", original)
    return f"{start.group().lower() if start else ''}example.org/{next(draws):08x}"


def ip(original: str, draws: Draws) -> str:
    """An address of the blocks for documentation (RFC 5737, RFC 3849; of hardware, RFC 7042)."""
    if "." in original:
        return f"{_DOCUMENTATION_NETS[next(draws) % 3]}.{1 + next(draws) % 254}"
    if re.fullmatch(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", original):
        return f"00:00:5E:00:53:{next(draws) % 256:02X}"
    return f"2001:db8::{next(draws) % 65536:x}:{next(draws) % 65536:x}"


def photo(original: str, draws: Draws) -> str:
    """A file name by layout, of the same type."""
    suffix = _SUFFIX.search(original)
    return code(original[: suffix.start()], draws) + suffix.group() if suffix else code(original, draws)


_BY_LAYOUT = ("MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE", "DEVICE", "BIOMETRIC", "ID")
MAKERS: Mapping[str, Callable[[str, Draws], str]] = dict.fromkeys(_BY_LAYOUT, code) | {
    "PHONE": phone, "FAX": phone, "EMAIL": email, "URL": url, "IP": ip, "SSN": ssn, "PHOTO": photo,
}  # fmt: skip
