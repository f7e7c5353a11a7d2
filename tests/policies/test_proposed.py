"""What a proposed access policy would have decided, found out in a process of its own."""

from __future__ import annotations

import sys

import pytest

from policies import cedar, proposed
from policies.access import Purpose, installed_access
from policies.decisions import replay
from policies.errors import InputError
from policies.events import Entry, Event
from policies.proposed import LARGEST, replay_proposed

BAN = '@id("ban")\nforbid (principal, action, resource);\n'


def entries() -> list[Entry]:
    asked = {"action": "view_note", "purpose": "TREAT", "roles": ["clinician"], "rules": ["x"], "policy_set": "0" * 64}
    told = [
        (Event.ACCESS_DECIDED, {**asked, "patient": "p" * 32}),
        (Event.ACCESS_DECIDED, {**asked, "consent_denied": ["TREAT"], "break_glass": "g"}),
        (Event.ACCESS_DENIED, {**asked, "purpose": Purpose.RESEARCH.value}),
        (Event.ACCESS_DENIED, {"action": "reidentify", "purpose": "TREAT", "roles": []}),
        (Event.NOTE_VIEWED, {"patient": "p" * 32}),
    ]
    return [Entry(n, "", ("anna", "bob")[n % 2], "", n, event, details) for n, (event, details) in enumerate(told)]


def test_it_decides_as_the_command_does() -> None:
    for text in (installed_access().text, installed_access().text + BAN):
        from policies.access import checked_access

        assert replay_proposed(text, entries()) == replay(entries(), checked_access(text, "here"))
    assert replay_proposed(installed_access().text + BAN, entries()).changes


def test_nothing_of_it_is_parsed_here_and_no_pseudonym_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = proposed.confined.ask
    sent: list[bytes] = []

    def keep(module: str, data: bytes, **given: object) -> object:
        sent.append(data)
        return asked(module, data, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(proposed.confined, "ask", keep)
    text = installed_access().text + BAN + f"// {sys.maxsize}"
    before = cedar.parsed.cache_info().currsize
    replay_proposed(text, entries())
    assert cedar.parsed.cache_info().currsize == before and len(sent) == 1 and b"pppp" not in sent[0]


@pytest.mark.parametrize("text", ["", "permit", " " * (LARGEST + 1), '@id("a")\npermit (principal, action resource);'])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        replay_proposed(text, entries())
