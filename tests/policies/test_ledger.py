"""The cap holds over plans, processes and crashes."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from policies import ledger as module
from policies.errors import BudgetError, IntegrityError, StorageError
from policies.ledger import Ledger
from policies.releases import PoissonSampledGaussian

ONE = PoissonSampledGaussian("1.0", "0.5", 1)


def accountant(releases: Sequence[PoissonSampledGaussian], delta: float) -> float:
    """Steps over sigma squared: simple, additive, and enough to test whoever asks it."""
    return float(sum(release.steps / Decimal(release.sigma) ** 2 for release in releases))


# A ledger in a process of its own, with a slow accountant, so that both look while neither has written.
PROGRAM = """if True:
    import sys, time
    from policies.errors import ConfideError
    from policies.ledger import Ledger
    from policies.releases import PoissonSampledGaussian
    def accountant(releases, delta):
        time.sleep(float(sys.argv[3]))
        return float(sum(release.steps for release in releases))
    ledger = Ledger(sys.argv[1], accountant, epsilon=float(sys.argv[2]), delta=1e-5)
    print("ready", flush=True); input()
    try:
        for number in range(int(sys.argv[4])):
            ledger.book("plan", number, PoissonSampledGaussian("1.0", "0.5", 1))
            print(number, flush=True)
    except ConfideError as error:
        sys.exit(error.exit_code)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def opened(url: str, epsilon: float = 3.0) -> Ledger:
    return Ledger(url, accountant, epsilon=epsilon, delta=1e-5)


def test_epsilon_composes_over_rounds_plans_and_openings(url: str) -> None:
    assert opened(url).spent() == 0
    assert opened(url).book("a", 0, ONE) == 1.0
    assert opened(url).book("a", 1, PoissonSampledGaussian("2.0", "0.5", 2)) == 1.5
    assert opened(url).book("b", 0, ONE) == 2.5
    booked = [(one.plan, one.round, one.release.sigma, one.release.steps) for one in opened(url).spendings()]
    assert booked == [("a", 0, "1.0", 1), ("a", 1, "2.0", 2), ("b", 0, "1.0", 1)]


def test_the_cap_itself_may_be_reached_and_not_passed(url: str) -> None:
    ledger = opened(url)
    for number in range(3):
        ledger.book("a", number, ONE)
    with pytest.raises(BudgetError, match=r"from 3\.000 to 4\.000, over the policy's 3$"):
        ledger.book("a", 3, ONE)
    assert ledger.spent() == 3.0
    assert len(ledger.spendings()) == 3


def test_to_afford_books_nothing_and_sees_what_was_spent(url: str) -> None:
    ledger = opened(url)
    ledger.book("a", 0, ONE)
    assert ledger.afford([ONE, ONE]) == 3.0
    with pytest.raises(BudgetError):
        ledger.afford([ONE, ONE, ONE])
    assert len(ledger.spendings()) == 1


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_an_accountant_without_an_answer_refuses(url: str, answer: float) -> None:
    ledger = Ledger(url, lambda releases, delta: answer if releases else 0.0, epsilon=1e9, delta=1e-5)
    with pytest.raises(BudgetError):
        ledger.book("a", 0, ONE)
    assert ledger.spendings() == []


def test_an_accountant_that_fails_books_nothing(url: str) -> None:
    def failing(releases: Sequence[PoissonSampledGaussian], delta: float) -> float:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Ledger(url, failing, epsilon=3, delta=1e-5).book("a", 0, ONE)
    assert opened(url).spendings() == []


def test_the_accountant_is_asked_at_the_ledgers_delta(url: str) -> None:
    asked: list[float] = []
    ledger = Ledger(url, lambda _, delta: asked.append(delta) or 0.0, epsilon=3, delta=1e-6)
    ledger.book("a", 0, ONE)
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
        held = len(opened(url, 10**6).spendings())
        assert booked <= held <= booked + 1  # one may have been booked and not yet said
        booked = held
    assert opened(url, 10**6).book("plan", 0, ONE) == booked + 1


def test_a_booking_that_waits_too_long_is_a_storage_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    ledger = opened(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            ledger.book("a", 0, ONE)
    assert ledger.book("a", 0, ONE) == 1.0


def test_a_place_that_does_not_exist_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone/ledger\.sqlite: the ledger cannot be used"):
        opened(f"sqlite:///{tmp_path / 'gone' / 'ledger.sqlite'}")


def test_what_is_no_ledger_is_refused_and_left_as_it_is(tmp_path: Path, url: str) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(IntegrityError, match="no ledger"):
        opened(url)
    assert (tmp_path / "ledger.sqlite").read_bytes() == b"no database at all" * 100


@pytest.mark.parametrize("change", ["UPDATE version SET number = 2", "UPDATE spending SET sigma = '-1'"])
def test_another_version_or_a_release_that_is_none_is_refused(url: str, change: str) -> None:
    opened(url).book("a", 0, ONE)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as link:
        link.execute(change)
    with pytest.raises(IntegrityError):
        opened(url).spent()
