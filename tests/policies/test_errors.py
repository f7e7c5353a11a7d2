"""The tree in the docstring is the tree in the code, and an error crosses a process border whole."""

from __future__ import annotations

import pickle
import re

import pytest

from policies import errors
from policies.errors import ConfideError, InputError


def tree(kind: type[ConfideError]) -> list[type[ConfideError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


OURS = [kind for kind in tree(ConfideError) if kind.__module__ == errors.__name__]


def test_exit_codes_are_those_of_the_docstring() -> None:
    drawn = dict(re.findall(r"(\w+) +(\d+)(?: |$)", errors.__doc__ or "", re.MULTILINE))
    assert drawn == {kind.__name__: str(kind.exit_code) for kind in OURS}


def test_only_a_kind_of_another_error_shares_its_exit_code() -> None:
    for one in OURS:
        for other in OURS:
            if one.exit_code == other.exit_code:
                assert issubclass(one, other) or issubclass(other, one)


@pytest.mark.parametrize("kind", OURS)
def test_every_error_says_what_to_do_next(kind: type[ConfideError]) -> None:
    assert len(kind("x").hint) > 20
    assert kind("x", "Do this.").hint == "Do this."
    assert str(kind("what is wrong")) == "what is wrong"


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("hint", [None, "Do this."])
def test_pickling_keeps_kind_message_and_hint(kind: type[ConfideError], hint: str | None) -> None:
    error = kind("what is wrong", hint)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.message, copy.hint) == (kind, "what is wrong", "what is wrong", error.hint)


def test_an_input_error_names_file_and_line_once() -> None:
    error = InputError("no JSON", file="a.ndjson", line=3)
    assert str(error) == "a.ndjson, line 3: no JSON"
    assert str(pickle.loads(pickle.dumps(error))) == "a.ndjson, line 3: no JSON"
    assert str(InputError("no JSON", file="a.ndjson")) == "a.ndjson: no JSON"


def test_an_input_error_is_counted_under_its_kind_in_another_process_too() -> None:
    class Odd(InputError):
        pass

    error = pickle.loads(pickle.dumps(InputError("the note is empty", kind="empty note")))
    assert (error.kind, error.message) == ("empty note", "the note is empty")
    assert Odd("cut", kind="cut short").kind == "cut short" and InputError("x").kind == ""
