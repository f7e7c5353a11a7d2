import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.formats.er7 import STANDARD, BrokenMessage, Separators, parse_message


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("BP 120\\F\\80", "BP 120|80"),
        ("a\\S\\b\\T\\c\\R\\d\\E\\e", "a^b&c~d\\e"),
        ("one\\.br\\two\\.sp+2\\three", "one\ntwo\nthree"),
        ("\\H\\Smith\\N\\ J", "Smith J"),
        ("Ren\\XC3A9\\, Jos\\XE9\\", "René, José"),
        ("kept: C:\\temp\\file", "kept: C:\\temp\\file"),
    ],
)
def test_escapes_are_read(written, said):
    assert STANDARD.decode(written) == said


@given(st.text().map(lambda text: "".join(c for c in text if c == "\n" or (c >= " " and c != "\x7f"))))
def test_what_is_written_is_read_again(text):
    for separators in (STANDARD, Separators("#", "*", "!", "%", "@")):
        written = separators.encode(text)
        assert separators.decode(written) == text
        assert not {"\r", "\n", separators.field, separators.repetition} & set(written)


def test_separators_are_the_messages_own():
    message = parse_message("MSH#*!%@#LAB\rPID#1##12*3@4!56\r")
    pid = next(message.named("PID"))
    assert [message.separators.components(r) for r in message.repetitions(pid, 3)] == [["12", "3"], ["56"]]
    assert message.segments[0].field(3) == "LAB"
    assert message.write() == "MSH#*!%@#LAB\rPID#1##12*3@4!56"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("", "no MSH"),
        ("PID|1", "no MSH"),
        ("MSH", "wrong separators"),
        ("MSH|", "wrong separators"),
        ("MSH|^^\\&|A", "wrong separators"),
        ("MSH|^~|A", "wrong separators"),
        ("MSHA^~\\&A", "wrong separators"),
        ("MSH|^~\\&|A\rPID|1\rSmith, John", "broken segment"),
    ],
)
def test_a_message_that_cannot_be_read_says_why_and_not_what(message, kind):
    with pytest.raises(BrokenMessage) as caught:
        parse_message(message)
    assert caught.value.kind == kind
    assert "Smith" not in str(caught.value)
