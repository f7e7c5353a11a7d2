"""Public keys of record systems: only those for RS384 and ES384, and never a secret."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from policies.clients import public_keys
from policies.errors import PolicyError
from policies.policy import default_policy_text, load_policy, odd_values

P384 = ec.generate_private_key(ec.SECP384R1())
ROW = {**json.loads(ECAlgorithm.to_jwk(P384.public_key())), "kid": "a"}
SMALL = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key()))
P256 = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))


def written(*rows: object) -> str:
    return json.dumps({"keys": rows})


def test_a_key_verifies_by_one_algorithm_and_other_kinds_are_left_out() -> None:
    keys = public_keys(
        written(ROW, {**P256, "kid": "b"}, {**ROW, "kid": "c", "use": "enc"}, {"kty": "OKP", "kid": "d"})
    )
    assert {kid: key.algorithm_name for kid, key in keys.items()} == {"a": "ES384"}


@pytest.mark.parametrize(
    ("jwks", "why"),
    [
        ("no", "no JWK Set"),
        ("[]", "no JWK Set"),
        (written(), "wants a key"),
        (written(ROW, {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}), "private or shared"),
        (written({**ROW, "d": "x"}), "private or shared"),
        (written({**ROW, "kid": None}), "'kid' of its own"),
        (written(ROW, ROW), "'kid' of its own"),
        (written({**ROW, "x": "AA"}), "cannot be read"),
        (written({**SMALL, "kid": "a"}), "1024 bits"),
        (written({**ROW, "alg": "ES256"}), "wants a key"),
    ],
)
def test_a_set_that_is_refused(jwks: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        public_keys(jwks)


def test_the_policy_names_a_client_whose_keys_are_wrong_and_warns_of_one_without_a_role(tmp_path) -> None:
    path = tmp_path / "policy.toml"
    client = "[hooks.clients.{}]\nissuer = 'https://ehr'\njwks = '''{}'''\n"
    path.write_text(default_policy_text("me") + client.format("ehr", written(ROW)))
    policy = load_policy(path)
    assert policy.hooks.clients["ehr"].jku == ()
    assert any("hooks.clients ehr" in sentence for sentence in odd_values(policy))
    path.write_text(default_policy_text("ehr") + client.format("ehr", written(ROW)))
    assert not any("hooks.clients" in sentence for sentence in odd_values(load_policy(path)))
    path.write_text(default_policy_text("me") + client.format("ehr", written()))
    with pytest.raises(PolicyError, match=r"hooks\.clients\.ehr\.jwks.*RS384"):
        load_policy(path)
    path.write_text(default_policy_text("me") + "".join(client.format(name, written(ROW)) for name in ("a", "b")))
    with pytest.raises(PolicyError, match="one issuer"):
        load_policy(path)
