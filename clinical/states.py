"""The cache of a cohort's hidden states: patient data, so it lies encrypted per patient like the notes themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.numpy import load, save

from clinical.classifier import PatientStates
from privacy.vault.originals import Vault

_RECORD = "states"


def write_states(folder: Path, kek: bytes, states: Mapping[str, PatientStates]) -> None:
    """Keep every patient's states under the patient's own data key; whoever is not among them is erased.

    Args:
        kek: 32 bytes, the site's key that wraps data keys.
    """
    vault = Vault(folder, kek)
    for patient, _ in vault.kept():
        if patient not in states:
            vault.erase(patient)
    vault.put((patient, _RECORD, save(vars(own))) for patient, own in states.items())


def read_states(folder: Path, kek: bytes) -> dict[str, PatientStates]:
    """The states of every patient who was not erased, by pseudonym in order.

    Raises:
        IntegrityError: a record was altered, or is under another key.
    """
    vault = Vault(folder, kek)
    return {patient: PatientStates(**load(vault.get(patient, record))) for patient, record in vault.kept()}
