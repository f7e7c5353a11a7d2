"""The calibration of a model at one hospital: signed, sealed, and never anywhere else.

It rests on that hospital's patients, so it is patient data in sum: an export has no place for it.
"""

from __future__ import annotations

import base64

import numpy as np

from clinical.diagnosis.calibration import Calibration, Scaling
from clinical.diagnosis.familiar import Familiar, Shape
from clinical.diagnosis.model import Floats
from policies.errors import IntegrityError
from policies.files import OWNER_ONLY, write_whole
from policies.guard import Site
from policies.signed import signed, verified

_KIND = "calibration"


def keep(site: Site, calibration: Calibration) -> bytes:
    """Write a calibration in the place of an earlier one of the model; returns the bytes that were written."""
    familiar = calibration.familiar
    body = {
        "model": calibration.model,
        "patients": calibration.patients,
        "scaling": [calibration.scaling.slope, calibration.scaling.shift],
        "level": calibration.level,
        "threshold": calibration.threshold if np.isfinite(calibration.threshold) else None,
        "error": calibration.error,
        "quantile": familiar.quantile,
        "furthest": familiar.furthest,
        "centre": _text(familiar.shape.centre),
        "precision": _text(familiar.shape.precision),
    }
    sealed = site.keys.seal(signed(site.keys, _KIND, body), _context(calibration.model))
    write_whole(site.home.calibration(calibration.model), sealed, OWNER_ONLY)
    return sealed


def kept(site: Site, model: str) -> Calibration | None:
    """The calibration of a model at this hospital, or none.

    Raises:
        IntegrityError: it was altered, is another model's, or another hospital's.
    """
    path = site.home.calibration(model)
    if not path.exists():
        return None
    try:
        body = verified(site.keys.unseal(path.read_bytes(), _context(model)), _KIND, site.keys.public)
        centre, precision = _floats(body["centre"]), _floats(body["precision"])
    except IntegrityError as error:
        raise IntegrityError(f"{path}: {error.message}", "Run 'confide models calibrate' again.") from None
    return Calibration(
        body["model"],
        body["patients"],
        Scaling(*body["scaling"]),
        body["level"],
        -np.inf if body["threshold"] is None else body["threshold"],
        tuple(body["error"]),
        Familiar(Shape(centre, precision.reshape(len(centre), -1)), body["quantile"], body["furthest"]),
    )


def _context(model: str) -> str:
    return f"{_KIND} {model}"


def _text(numbers: Floats) -> str:
    return base64.b64encode(numbers.astype("<f8").tobytes()).decode()


def _floats(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text), "<f8")
