"""The cap holds over plans, processes and crashes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sql

from policies import database as module
from policies.database import Database, url_of
from policies.errors import BudgetError, IntegrityError, StorageError
from policies.ledger import COHORT, SCHEMA_VERSION, Ledger, State, by_plan
from policies.releases import GaussianRelease, PoissonSampled, Release

ONE = PoissonSampled("0.5", GaussianRelease("1.0"))


def accountant(plans: Sequence[Sequence[Release]], delta: float) -> float:
    """Times over sigma squared, and a half more for each further plan: simple, and enough to test whoever asks it."""
    made = [release for releases in plans for release in releases]
    gaussians = [release.release if isinstance(release, PoissonSampled) else release for release in made]
    return sum(one.times / float(one.sigma) ** 2 for one in gaussians) + max(len(plans) - 1, 0) / 2


# A ledger in a process of its own, with a slow accountant, so that both look while neither has written.
PROGRAM = """if True:
    import sys, time
    from policies.errors import ConfideError
    from policies.ledger import Ledger
    from policies.releases import GaussianRelease, PoissonSampled
    def accountant(plans, delta):
        time.sleep(float(sys.argv[3]))
        return float(sum(map(len, plans)))
    ledger = Ledger(sys.argv[1], accountant, epsilon=float(sys.argv[2]), delta=1e-5)
    print("ready", flush=True); input()
    try:
        for number in range(int(sys.argv[4])):
            ledger.reserve("plan", number, PoissonSampled("0.5", GaussianRelease("1.0")))
            print(number, flush=True)
    except ConfideError as error:
        sys.exit(error.exit_code)
"""


@pytest.fixture
def url(tmp_path: Path, backend: str) -> str:
    return url_of("north/ledger", tmp_path / "ledger.sqlite")


def opened(url: str, epsilon: float = 3.0) -> Ledger:
    return Ledger(url, accountant, epsilon=epsilon, delta=1e-5)


def test_epsilon_composes_over_rounds_and_openings(url: str) -> None:
    assert opened(url).spent() == 0
    assert opened(url).reserve("a", 0, ONE)[1] == 1.0
    assert opened(url).reserve("a", 1, GaussianRelease("2.0", 2))[1] == 1.5
    booked = [(one.id, one.plan, one.round, one.release, one.state) for one in opened(url).bookings()]
    assert booked == [(1, "a", 0, ONE, State.RESERVED), (2, "a", 1, GaussianRelease("2.0", 2), State.RESERVED)]


def test_plans_are_told_apart_and_a_count_stands_with_the_plan_that_was_begun_after_it() -> None:
    """Not with the one before: its results may have led to counting anew."""
    count, again = GaussianRelease("9.0"), GaussianRelease("9.5")
    assert by_plan([]) == []
    assert by_plan([(COHORT, count)]) == [[count]]
    assert by_plan([(COHORT, count), ("b", ONE), ("b", ONE)]) == [[count, ONE, ONE]]
    assert by_plan([(COHORT, count), (COHORT, again), ("b", ONE)]) == [[count, again, ONE]]
    assert by_plan([("b", ONE), (COHORT, count), ("b", ONE)]) == [[ONE, ONE], [count]]
    assert by_plan([("b", ONE), (COHORT, count), ("a", ONE), ("b", ONE)]) == [[ONE, ONE], [count, ONE]]


def test_the_accountant_sees_plans_and_not_a_heap(url: str) -> None:
    opened(url, 9).reserve("a", 0, ONE)
    assert opened(url, 9).reserve("b", 0, ONE)[1] == 2.5
    assert opened(url, 9).spent() == 2.5


def test_the_cap_itself_may_be_reached_and_not_passed(url: str) -> None:
    ledger = opened(url)
    for number in range(3):
        ledger.reserve("a", number, ONE)
    with pytest.raises(BudgetError, match=r"from 3\.000 to 4\.000, over the policy's 3$"):
        ledger.reserve("a", 3, ONE)
    assert ledger.spent() == 3.0
    assert len(ledger.bookings()) == 3


def test_to_afford_books_nothing_and_sees_what_was_spent(url: str) -> None:
    ledger = opened(url)
    ledger.reserve("a", 0, ONE)
    assert ledger.afford("a", [ONE, ONE]) == 3.0
    with pytest.raises(BudgetError):
        ledger.afford("a", [ONE, ONE, ONE])
    assert len(ledger.bookings()) == 1


def test_what_was_refunded_counts_no_more_and_its_row_stays(url: str) -> None:
    ledger = opened(url, 1)
    ledger.refund(ledger.reserve("a", 0, ONE)[0])
    ledger.spend(ledger.reserve("a", 0, ONE)[0])
    assert ledger.spent() == 1.0
    assert [(one.id, one.state, one.counts) for one in ledger.bookings()] == [
        (1, State.REFUNDED, False),
        (2, State.SPENT, True),
    ]


@pytest.mark.parametrize("first", ["spend", "refund"])
@pytest.mark.parametrize("second", ["spend", "refund"])
def test_what_was_decided_stays_decided(url: str, first: str, second: str) -> None:
    ledger = opened(url)
    booking, _ = ledger.reserve("a", 0, ONE)
    getattr(ledger, first)(booking)
    before = ledger.bookings()
    with pytest.raises(IntegrityError, match="is not reserved"):
        getattr(ledger, second)(booking)
    with pytest.raises(IntegrityError, match="is not reserved"):
        getattr(ledger, second)(replace(booking, id=2))
    assert ledger.bookings() == before


def test_a_budget_of_nothing_is_refused_in_words(url: str) -> None:
    with pytest.raises(BudgetError, match="epsilon is 0, so nothing is trained"):
        opened(url, 0).afford("a", [ONE])
    with pytest.raises(BudgetError, match="epsilon is 0, so nothing is trained"):
        opened(url, 0).reserve("a", 0, ONE)
    assert opened(url, 0).bookings() == []


def test_delta_is_fixed_by_the_first_booking_for_the_life_of_the_cohort(url: str) -> None:
    def at(delta: float) -> Ledger:
        return Ledger(url, accountant, epsilon=3, delta=delta)

    assert at(1e-6).afford("a", [ONE]) == at(1e-5).reserve("a", 0, ONE)[1]
    for refused in (lambda: at(1e-6).reserve("a", 1, ONE), lambda: at(1e-6).afford("a", [ONE])):
        with pytest.raises(BudgetError, match="delta is 1e-06, and this cohort's is 1e-05"):
            refused()
    assert at(1e-6).delta == 1e-5
    assert len(at(1e-6).bookings()) == 1


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_an_accountant_without_an_answer_refuses(url: str, answer: float) -> None:
    ledger = Ledger(url, lambda plans, delta: answer if any(plans) else 0.0, epsilon=1e9, delta=1e-5)
    with pytest.raises(BudgetError):
        ledger.reserve("a", 0, ONE)
    assert ledger.bookings() == []


def test_an_accountant_that_fails_books_nothing(url: str) -> None:
    def failing(plans: Sequence[Sequence[Release]], delta: float) -> float:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Ledger(url, failing, epsilon=3, delta=1e-5).reserve("a", 0, ONE)
    assert opened(url).bookings() == []


def test_the_accountant_is_asked_at_the_ledgers_delta(url: str) -> None:
    asked: list[float] = []
    ledger = Ledger(url, lambda _, delta: asked.append(delta) or 0.0, epsilon=3, delta=1e-6)
    ledger.reserve("a", 0, ONE)
    ledger.spent()
    assert set(asked) == {1e-6}


def test_of_two_processes_with_room_for_one_exactly_one_is_refused(
    url: str, start: Callable[..., subprocess.Popen[str]]
) -> None:
    processes = [start(PROGRAM, url, 1, 0.3, 1) for _ in range(2)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
    assert sorted(process.wait(20) for process in processes) == [0, BudgetError.exit_code]
    assert opened(url).spent() == 1.0


def test_what_was_booked_survives_a_kill(url: str, start: Callable[..., subprocess.Popen[str]]) -> None:
    booked = 0
    for _ in range(3):
        process = start(PROGRAM, url, 10**6, 0, 10**6)
        assert process.stdin and process.stdout
        process.stdin.write("\n")
        lines = [process.stdout.readline() for _ in range(20)]
        process.kill()
        lines += process.stdout.readlines()
        booked += sum(line.strip().isdigit() for line in lines)
        held = len(opened(url, 10**6).bookings())
        assert booked <= held <= booked + 1  # one may have been booked and not yet said
        booked = held
    assert opened(url, 10**6).reserve("plan", 0, ONE)[1] == booked + 1


def test_a_booking_that_waits_too_long_is_a_storage_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    module._engine.cache_clear()
    ledger = opened(url)
    with Database(url, "ledger").transaction(), pytest.raises(StorageError, match="lock"):
        ledger.reserve("a", 0, ONE)
    assert ledger.reserve("a", 0, ONE)[1] == 1.0


def test_a_place_that_does_not_exist_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone/ledger\.sqlite: the ledger cannot be used"):
        opened(f"sqlite:///{tmp_path / 'gone' / 'ledger.sqlite'}")


def test_what_is_no_ledger_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(IntegrityError, match="no ledger"):
        opened(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    assert (tmp_path / "ledger.sqlite").read_bytes() == b"no database at all" * 100


@pytest.mark.parametrize(("number", "age"), [(SCHEMA_VERSION + 1, "a newer"), (1, "an older")])
def test_a_ledger_of_another_version_is_refused_and_left_as_it_is(url: str, number: int, age: str) -> None:
    with Database(url, "ledger").transaction() as link:
        link.exec_driver_sql("CREATE TABLE version (number INTEGER PRIMARY KEY)")
        link.exec_driver_sql(f"INSERT INTO version VALUES ({number})")
    with pytest.raises(IntegrityError, match=f"{age} version of Confide wrote this ledger"):
        opened(url)
    with Database(url, "ledger").transaction() as link:
        assert sql.inspect(link).get_table_names() == ["version"]


@pytest.mark.parametrize(
    "change",
    ["state = 'lost'", "release = '{}'", "release = 'no json'", "release = replace(release, '1.0', '-1')"],
)
def test_a_booking_that_is_none_is_refused(url: str, change: str) -> None:
    opened(url).reserve("a", 0, ONE)
    with Database(url, "ledger").transaction() as link:
        link.exec_driver_sql(f"UPDATE bookings SET {change}")
    with pytest.raises(IntegrityError):
        opened(url).spent()
