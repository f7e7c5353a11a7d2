"""Which model a hospital's clinicians get: the one that somebody chose there, or else the newest that verifies."""

from __future__ import annotations

from policies.access import Action, Purpose
from policies.events import Event
from policies.files import write_whole
from policies.guard import Site
from policies.models import SignedModel, list_models, open_model
from policies.signed import read_signed, signed
from policies.workspace import Workspace, checked_name

_KIND = "model_in_use"


def in_use(site: Site, workspace: Workspace) -> SignedModel | None:
    """The model that this hospital uses, verified; None where there is none at all.

    Raises:
        IntegrityError: the choice was edited, or the model does not verify; no other takes its place.
    """
    if not site.home.model_in_use.exists():
        return next(iter(list_models(workspace.models, workspace.trusted)), None)
    name = checked_name(read_signed(site.home.model_in_use, _KIND, site.keys.public)["model"], "model")
    return open_model(workspace.models / name, workspace.trusted)


def choose(site: Site, workspace: Workspace, model: SignedModel) -> Event:
    """Use this model from now on, whatever is trained later; going back to an older one is logged as that.

    Returns:
        What it was.

    Raises:
        AccessDenied: whoever asks may not choose.
        IntegrityError: the choice before was edited, or its model does not verify.
    """
    site.guard.permit(Action.CHOOSE_MODEL, Purpose.OPERATIONS)
    before = in_use(site, workspace)
    older = before is not None and _created(model) < _created(before)
    event = Event.MODEL_ROLLED_BACK if older else Event.MODEL_CHOSEN
    site.guard.record(event, model=model.name, before=before.name if before else "")
    write_whole(site.home.model_in_use, signed(site.keys, _KIND, {"model": model.name}))
    return event


def _created(model: SignedModel) -> str:
    return str(model.card.get("created", ""))
