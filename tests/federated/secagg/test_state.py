"""What a site keeps comes back from the disk as it was, shows no secret, and loses secrets step by step."""

from __future__ import annotations

import pytest

from federated.secagg import SiteState
from federated.secagg.state import Advertised, Masked, Revealed, Secrets, Shared, Signed
from policies.errors import IntegrityError
from tests.federated.secagg.attempts import Attempt, session_of, signed, updates_of


def test_the_state_after_each_step_comes_back_as_it_was() -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    seen = []
    attempt.advertise()
    seen.append(attempt.states[0])
    deliveries = attempt.share()
    seen.append(attempt.states[0])
    survivors = attempt.mask(deliveries, 3)
    seen.append(attempt.states[0])
    request = attempt.sign(survivors)
    seen.append(attempt.states[0])
    attempt.unmask(request)
    seen.append(attempt.states[0])
    assert [type(state.step) for state in seen] == [Advertised, Shared, Masked, Signed, Revealed]
    assert [SiteState.unpack(state.pack()) for state in seen] == seen
    assert seen[-1].revealed == (0, 1, 2)
    assert [state.sent for state in seen] == [b"", b"", *[survivors.inputs[0]] * 3]


def test_no_secret_is_shown() -> None:
    secrets = Secrets.draw()
    assert repr(secrets) == "Secrets()"
    attempt, _ = signed()
    assert "shares=" not in repr(attempt.states[0])


def test_own_secrets_are_gone_once_the_input_was_masked() -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    attempt.advertise()
    secrets = attempt.states[0].step.secrets  # type: ignore[union-attr]
    attempt.mask(attempt.share())
    kept = attempt.states[0].model_dump()["step"]
    assert set(kept) == {"done", "shares"}
    assert not {secrets.channel, secrets.mask, secrets.seed} & set(kept["shares"].values())


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff", b'{"session": "AA==", "step": {"done": "nothing"}}'])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        SiteState.unpack(data)
