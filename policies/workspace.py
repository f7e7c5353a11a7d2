"""The only place where the name of a file on disk is born.

WORKSPACE/
  policy.toml               the hospital's decisions
  access.cedar              who may do what, where the hospital writes its own
  sites/<site>/             what belongs to one hospital and never leaves it
    keys/ audit/ policies/ break-glass/ vault/ requests/ erasures/ reviews/ cache/ cosigned ledger.sqlite training.lock
    problems/ plans/ proposals/ updates/ scores/ calibrations/ federation/ tokens.sqlite
    feedback.sqlite care-teams.sqlite layout
  server/                   what belongs to the server
    keys/ audit/ policies/ drafts/ runs/ federation/ layout
  people.sqlite             accounts of the dashboard and their sessions
  openid.toml               the hospital's own directory
  codes/                    code systems that the hospital imported
  models/<model>/           signed models, which both may read
  trusted/                  public keys whose models are believed
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from policies.errors import InputError, PolicyError, StorageError

WORKSPACE_VARIABLE = "CONFIDE_WORKSPACE"
SERVER = "server"
DEFAULT_WORKSPACE = Path("confide-workspace")
_CACHE = "cache"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def checked_name(name: str, what: str) -> str:
    """A name that is safe as a part of a path.

    Raises:
        InputError: it holds anything but small letters, digits, '_', '.' and '-', or is longer than 64.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' is no name for a {what}", "Use up to 64 of a-z, 0-9, '_', '.' and '-'.")
    return name


def grants_folder(actor: str, patient: str) -> str:
    """The name of the folder of one account's break-glass grants for one patient; an account's may hold anything."""
    return sha256(f"{actor}\0{patient}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class FederationFolder:
    """What joins a site or the server to a federation of machines, and what its processes leave behind."""

    root: Path

    @property
    def authority(self) -> Path:
        """The federation's own certificate authority; its key is the server's alone."""
        return self.root / "authority.pem"

    @property
    def authority_key(self) -> Path:
        return self.root / "authority.key"

    @property
    def certificate(self) -> Path:
        """What the server shows to the sites."""
        return self.root / "server.pem"

    @property
    def certificate_key(self) -> Path:
        return self.root / "server.key"

    @property
    def node_key(self) -> Path:
        """By which the server knows this site's node."""
        return self.root / "node.key"

    @property
    def executor_secret(self) -> Path:
        """By which Flower's process knows the executor beside it."""
        return self.root / "executor.secret"

    @property
    def control_secret(self) -> Path:
        """By which the server knows who may start runs and admit nodes."""
        return self.root / "control.secret"

    @property
    def roster(self) -> Path:
        """Who takes part, with everyone's public keys."""
        return self.root / "roster.json"

    @property
    def database(self) -> Path:
        """Flower's own state of the server: nodes, runs, messages on their way."""
        return self.root / "superlink.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the one supervisor that may run here."""
        return self.root / "running.lock"

    @property
    def state(self) -> Path:
        """What the supervisor last saw of its processes."""
        return self.root / "state.json"

    @property
    def beat(self) -> Path:
        """Touched by the executor as long as it goes on."""
        return self.root / "executor.beat"

    def log(self, process: str) -> Path:
        return self.root / "logs" / f"{checked_name(process, 'process')}.log"


@dataclass(frozen=True)
class Home:
    """What a site and the server both have: keys of their own, and a log."""

    name: str
    root: Path

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def ring(self) -> Path:
        """Its secrets, for the owner's eyes only."""
        return self.keys / "ring.key"

    @property
    def layout(self) -> Path:
        """The number of the layout in which a version of Confide wrote all this."""
        return self.root / "layout"

    @property
    def audit(self) -> Path:
        return self.root / "audit"

    @property
    def audit_index(self) -> Path:
        """Finds entries of the log; made from it, and made anew where it is missing."""
        return self.root / "index.sqlite"

    @property
    def audit_index_url(self) -> str:
        from policies.database import url_of  # SQLAlchemy takes its time

        return url_of(f"{self.name}/index", self.audit_index)

    def policy_copy(self, digest: str) -> Path:
        """A policy file or an access policy that was in force once."""
        return self.root / "policies" / checked_name(digest, "digest")

    def grants(self, actor: str, patient: str) -> Path:
        """Where the break-glass grants of one account for one patient lie."""
        return self.all_grants / grants_folder(actor, patient)

    @property
    def all_grants(self) -> Path:
        return self.root / "break-glass"

    @property
    def care_teams(self) -> Path:
        """Who treats whom."""
        return self.root / "care-teams.sqlite"

    @property
    def care_teams_url(self) -> str:
        from policies.database import url_of  # SQLAlchemy takes its time

        return url_of(f"{self.name}/care-teams", self.care_teams)

    @property
    def federation(self) -> FederationFolder:
        return FederationFolder(self.root / "federation")


@dataclass(frozen=True)
class ServerHome(Home):
    """What belongs to the server."""

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def run(self, plan: str) -> Path:
        """Rounds of a plan: global weights and public scores."""
        return self.runs / checked_name(plan, "plan")

    def rounds(self, plan: str) -> Path:
        """Seconds and bytes of each finished round."""
        return self.run(plan) / "rounds.ndjson"

    def weights(self, plan: str, round_number: int) -> Path:
        """The weights after a round; those of round 0 are the plan's start."""
        return self.run(plan) / f"round-{round_number:04d}.safetensors"

    def momentum(self, plan: str, round_number: int) -> Path:
        """What the server's step remembers after a round."""
        return self.run(plan) / f"momentum-{round_number:04d}.safetensors"

    def receipt(self, plan: str, round_number: int) -> Path:
        """What went into a round and what came out, signed."""
        return self.run(plan) / f"receipt-{round_number:04d}.json"

    def attempts(self, plan: str, round_number: int) -> Path:
        """How often a sum of a round was begun under secure aggregation."""
        return self.run(plan) / f"attempts-{round_number:04d}"

    def listed(self, plan: str, round_number: int) -> Path:
        """The sites whose secure sum of a round was unmasked, or may have been: no others may be summed in it."""
        return self.run(plan) / f"listed-{round_number:04d}.json"

    def masked(self, plan: str, round_number: int, site: str) -> Path:
        """What a site sent under masks in the last secure sum of a round."""
        return self.run(plan) / f"masked-{round_number:04d}-{checked_name(site, 'site')}"

    def opened(self, plan: str, round_number: int) -> Path:
        """What took the masks off the secure sum of a round."""
        return self.run(plan) / f"opened-{round_number:04d}.json"

    def agreed(self, plan: str) -> Path:
        """The plan of a run."""
        return self.run(plan) / "plan.json"

    def draft(self, draft: str) -> Path:
        """What each site counted for a draft of a plan."""
        return self.root / "drafts" / f"{checked_name(draft, 'draft')}.json"


@dataclass(frozen=True)
class SiteHome(Home):
    """What belongs to one hospital and never leaves it."""

    @property
    def vault(self) -> Path:
        return self.root / "vault"

    @property
    def vaults(self) -> tuple[Path, ...]:
        """Every folder that holds patient data under keys of patients: what an erasure must reach."""
        caches = self.root / _CACHE
        return (self.vault, *(sorted(caches.iterdir()) if caches.is_dir() else ()))

    @property
    def consents(self) -> Path:
        """What patients refused or allowed, signed."""
        return self.root / "consents.json"

    @property
    def cosigned(self) -> Path:
        """The newest tree head of this log that witnesses signed."""
        return self.root / "cosigned"  # outside of the log, which a backup may put back without it

    @property
    def witnessed(self) -> Path:
        """Tree heads of other hospitals' logs that this one signed, and those that it refused."""
        return self.root / "witnessed"

    @property
    def requests(self) -> Path:
        """Signed requests to learn who a patient is."""
        return self.root / "requests"

    def request(self, request: str) -> Path:
        return self.requests / f"{checked_name(request, 'request')}.json"

    def erasures(self) -> tuple[Path, ...]:
        """The proofs of all erasures."""
        return tuple(sorted((self.root / "erasures").glob("*.json")))

    def erasure(self, patient: str, entry: int) -> Path:
        """The signed proof of an erasure, by the log's entry about it."""
        return self.root / "erasures" / f"{checked_name(patient, 'patient')}-{entry}.json"

    @property
    def reviews(self) -> Path:
        """Samples of de-identified notes that people look through."""
        return self.root / "reviews"

    def review(self, review: str) -> Path:
        """What was drawn, signed."""
        return self.reviews / checked_name(review, "review") / "review.json"

    def marks(self, review: str, reviewer: str) -> Path:
        """What one account marked, one sealed file for each note."""
        account = sha256(reviewer.encode()).hexdigest()[:16]  # a name of an account may hold anything
        return self.reviews / checked_name(review, "review") / "marks" / account

    def certificate(self, review: str) -> Path:
        return self.reviews / checked_name(review, "review") / "certificate.json"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def ledger_url(self) -> str:
        from policies.database import url_of  # SQLAlchemy takes its time

        return url_of(f"{self.name}/ledger", self.ledger)

    @property
    def feedback_url(self) -> str:
        """How much feedback clinicians gave to each version; what they said lies in the vault."""
        from policies.database import url_of  # SQLAlchemy takes its time

        return url_of(f"{self.name}/feedback", self.root / "feedback.sqlite")

    @property
    def tables(self) -> Mapping[Path, str]:
        """URLs of what lies in a database and in nothing else, by the files in which it lies without one."""
        return {
            self.ledger: self.ledger_url,
            self.root / "feedback.sqlite": self.feedback_url,
            self.care_teams: self.care_teams_url,
        }

    @property
    def training_lock(self) -> Path:
        """Held by the one training that may run here."""
        return self.root / "training.lock"

    def problems(self, job: str) -> Path:
        """What a de-identification left out, line by line."""
        return self.root / "problems" / f"{checked_name(job, 'job')}.ndjson"

    def plan(self, plan: str) -> Path:
        """An approved plan, with the folder of the data that it may use."""
        return self.root / "plans" / f"{checked_name(plan, 'plan')}.json"

    def stopped(self, plan: str) -> Path:
        """Says that a withdrawal of consent ended a plan here."""
        return self.root / "plans" / f"{checked_name(plan, 'plan')}.stopped"

    def cache(self, plan: str) -> Path:
        """Encrypted hidden states of the frozen layers."""
        return self.root / _CACHE / checked_name(plan, "plan")

    def prepared(self, plan: str) -> Path:
        """Says for which approval the cache of a plan is whole."""
        return self.cache(plan) / "prepared"

    def update(self, plan: str, round_number: int) -> Path:
        """A noisy update, kept before it is sent so that a retry sends the same bytes."""
        return self.root / "updates" / checked_name(plan, "plan") / f"round-{round_number:04d}.safetensors"

    def start(self, plan: str, round_number: int) -> Path:
        """SHA-256 of the weights from which this site computes a round."""
        return self.root / "updates" / checked_name(plan, "plan") / f"round-{round_number:04d}.start"

    def sum_state(self, plan: str, round_number: int) -> Path:
        """What secure aggregation keeps of a round, sealed."""
        return self.root / "updates" / checked_name(plan, "plan") / f"round-{round_number:04d}.sealed"

    def receipt(self, plan: str, round_number: int) -> Path:
        """The server's receipt of a round, as this site checked it."""
        return self.root / "updates" / checked_name(plan, "plan") / f"receipt-{round_number:04d}.json"

    @property
    def proposals(self) -> Path:
        """Plans that the federation's server proposed, signed by it."""
        return self.root / "proposals"

    @property
    def offer(self) -> Path:
        """The data that this site lets drafts of the federation count, signed."""
        return self.root / "offer.json"

    @property
    def model_in_use(self) -> Path:
        """Which model this site chose, signed."""
        return self.root / "model.json"

    def calibration(self, model: str) -> Path:
        """What this site's held-back patients say of a model, signed and sealed."""
        return self.calibrations / f"{checked_name(model, 'model')}.sealed"

    @property
    def calibrations(self) -> Path:
        return self.root / "calibrations"

    @property
    def tokens(self) -> Path:
        """Which tokens of record systems were used already."""
        return self.root / "tokens.sqlite"

    def scores(self, plan: str) -> Path:
        """The site's own losses and scores; they stay here."""
        return self.root / "scores" / f"{checked_name(plan, 'plan')}.ndjson"


@dataclass(frozen=True)
class Workspace:
    """A folder with a policy, sites, a server and signed models."""

    root: Path

    @classmethod
    def find(cls, chosen: Path | None = None) -> Workspace:
        """The folder that was asked for, else $CONFIDE_WORKSPACE, else ./confide-workspace."""
        return cls(chosen or Path(os.environ.get(WORKSPACE_VARIABLE) or DEFAULT_WORKSPACE))

    @classmethod
    def existing(cls, chosen: Path | None = None) -> Workspace:
        """As `find`.

        Raises:
            PolicyError: there is no such folder.
            StorageError: this account may not read it.
        """
        found = cls.find(chosen)
        if not found.root.is_dir():
            raise PolicyError(
                f"{found.root}: there is no workspace here, so nothing runs",
                "Run 'confide init' to make one, or name yours with --workspace.",
            )
        if not os.access(found.root, os.R_OK | os.X_OK):
            raise StorageError(f"{found.root}: this account may not read it", "Run this as the account that owns it.")
        return found

    @property
    def policy(self) -> Path:
        return self.root / "policy.toml"

    @property
    def access(self) -> Path:
        """The hospital's own access policy in Cedar, in the place of the installed one."""
        return self.root / "access.cedar"

    @property
    def server(self) -> ServerHome:
        return ServerHome(SERVER, self.root / SERVER)

    @property
    def tables(self) -> Mapping[Path, str]:
        """As those of a site: what belongs to no site alone."""
        return {self.root / "people.sqlite": self.people_url}

    @property
    def people_url(self) -> str:
        """Accounts of the dashboard and their sessions."""
        from policies.database import url_of  # SQLAlchemy takes its time

        return url_of("people", self.root / "people.sqlite")

    @property
    def openid(self) -> Path:
        """How the dashboard knows the hospital's own directory (OpenID Connect), with its secret."""
        return self.root / "openid.toml"

    @property
    def codes(self) -> Path:
        """Code systems that the hospital imported."""
        return self.root / "codes"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def trusted(self) -> Path:
        return self.root / "trusted"

    def site(self, name: str) -> SiteHome:
        """Raises InputError for a name that cannot be one, or is the server's."""
        if name == SERVER:
            raise InputError(f"a site cannot be called '{SERVER}', since the server's key is", "Choose another name.")
        return SiteHome(checked_name(name, "site"), self.root / "sites" / name)

    def sites(self) -> tuple[SiteHome, ...]:
        """Every hospital of this workspace, by name."""
        folder = self.root / "sites"
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
        return tuple(self.site(name) for name in names)

    # What the demonstration adds: exports that a hospital would have already.

    def export(self, site: str) -> Path:
        return self.root / "exports" / checked_name(site, "site")

    def deidentified(self, site: str) -> Path:
        return self.root / "deidentified" / checked_name(site, "site")
