"""Every problem of a policy set is named with its line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policies.access import installed_access
from policies.cedar import problems, rules, statements

HEAD = "permit (principal, action, resource)"


def test_the_installed_set_has_no_problem_and_every_rule_a_line_of_its_own() -> None:
    text = installed_access().text
    assert problems(text) == ()
    for rule in rules(text):
        assert text.splitlines()[rule.line - 1] == f'@id("{rule.id}")'
        assert not rule.unconditional


def test_lines_are_those_of_the_text_whatever_stands_in_comments_and_strings() -> None:
    text = f'// a; "b\n@id("x;\\";")\n{HEAD};\n\n// c\n@id("y") {HEAD} when {{ context.purpose == "//;" }};\n'
    assert [(rule.id, rule.line) for rule in rules(text)] == [('x;";', 2), ("y", 6)]


def test_a_problem_stands_at_the_line_of_what_is_wrong() -> None:
    text = (
        f'@id("a")\n{HEAD};\n'
        '@id("b")\npermit (\n  principal in Role::"clinician",\n  action == Action::"fly",\n  resource\n);\n'
        f"{HEAD}\nwhen {{ context.porpoise == 1 }};\n"
        f'@id("a")\n{HEAD};\n'
    )
    found = {(problem.line, problem.message) for problem in problems(text)}
    assert (6, 'unrecognized action `Action::"fly"`') in found
    assert (9, "a rule without @id") in found
    assert (10, "attribute `porpoise` in context not found") in found
    assert {line for line, message in found if "'a' too" in message} == {1, 11}


def test_a_torn_rule_is_named_by_its_own_line_and_hides_no_other_torn_one() -> None:
    text = f'@id("a") {HEAD};\n\npermit (principal;\n@id("c") {HEAD};\nforbid (;'
    assert [problem.line for problem in problems(text)] == [3, 5]


def test_a_permit_with_nothing_but_a_scope_is_unconditional_and_a_forbid_is_not() -> None:
    bound, forbid = f"{HEAD} when {{ context.break_glass }}", HEAD.replace("permit", "forbid")
    text = f'@id("a") {HEAD};\n@id("b") {bound};\n@id("c") {forbid};'
    assert [rule.unconditional for rule in rules(text)] == [True, False, False]


@given(st.text(alphabet='perm it(;){}"/\\\n@ab', max_size=60))
def test_no_text_is_too_odd_to_be_cut_and_nothing_of_it_is_lost(text: str) -> None:
    for part in statements(text):
        assert part.text in text
        assert text.splitlines() == [] or 1 <= part.line <= text.count("\n") + 1
    assert problems(text)
