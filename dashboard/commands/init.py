"""confide init: a workspace with a policy to read and edit."""

from __future__ import annotations

from dashboard.options import WorkspaceOption
from policies.errors import InputError


def init(workspace: WorkspaceOption = None) -> None:
    """Make a workspace with a commented policy file. Read it before anything else: nothing runs without it.

    [dim]Example: confide init && $EDITOR confide-workspace/policy.toml[/]
    """
    from dashboard.console import say
    from policies.files import write_whole
    from policies.guard import account_name
    from policies.policy import default_policy_text, load_policy
    from policies.workspace import Workspace

    place = Workspace.find(workspace)
    if place.policy.exists():
        raise InputError("there is a policy already", "Edit it, or choose another --workspace.", file=place.policy)
    write_whole(place.policy, default_policy_text(account_name()).encode())
    digest = load_policy(place.policy).digest[:16]
    say(
        f"wrote {place.policy} (sha256 {digest}); read it, then run: confide deid IN OUT, or at the server of a "
        "federation: confide server init"
    )
