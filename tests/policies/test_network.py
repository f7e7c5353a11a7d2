"""What the libraries beneath are told before they are imported."""

from __future__ import annotations

import os

import pytest

from policies.network import call_nobody, lock_ray


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")  # so that what a test sets is taken back
        monkeypatch.delenv(name)


def test_a_ray_of_ours_has_one_token_for_the_whole_process() -> None:
    lock_ray()
    token = os.environ["RAY_AUTH_TOKEN"]
    lock_ray()
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_AUTH_TOKEN"] == token
    assert len(token) == 64


def test_a_cluster_of_the_hospital_keeps_its_own_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    lock_ray()
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_what_a_hospital_switched_on_stays_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    call_nobody()
    assert os.environ["HF_HUB_OFFLINE"] == "0"
