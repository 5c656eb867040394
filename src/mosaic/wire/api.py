"""The Hive's API as people, the CLI and the Console use it.

Authorization: `Bearer <API token>`, or the Console's session cookie with the
header `X-Mosaic-CSRF` on every request that changes something. Instants are ns
since 1970 UTC. A refusal is a `mosaic.wire.problem.Problem`.

| request | body | answer |
|---|---|---|
| GET /api/hive?nonce= | | enrol.HiveIdentity (no authorization) |
| GET /api/hive/state | | hive_backup.HiveState |
| POST /api/hive/kit | hive_backup.KitRequest | hive_backup.HiveKit |
| POST /api/hive/waived/{device} | | hive_backup.HiveState |
| GET /api/setup | | SetupState (no authorization) |
| POST /api/setup | Setup | LoggedIn (once; needs the set-up code that `mosaic up` prints) |
| POST /api/login | Login | LoggedIn |
| POST /api/logout | | 204 |
| GET /api/account | | Account |
| PUT /api/account/keys | SetKeys | Account |
| GET /api/account/root | | root_key.RootReach |
| PUT /api/account/root | root_key.RenewRoot | Account; 409 `keys-changed` when any of it changed since it was read |
| GET /api/devices | | list of Device |
| GET /api/device-image | | enrol.DeviceImage |
| POST /api/devices/join-tokens | enrol.NewJoinToken | 201 |
| GET /api/devices/{id or name} | | Device |
| GET /api/devices/{device}/report | | report.Report, the newest that is kept |
| POST /api/devices/{device}/doctor | | Logs: the Device's checks, a line for each |
| POST /api/devices/{device}/admit | Admit | Device |
| DELETE /api/devices/{device} | | 204; refused while apps belong on it, or it alone has something (`?force=true`) |
| GET /api/devices/{device}/removal?to=&stop=&force= | | removal.RemovalPlan; nothing is changed |
| POST /api/devices/{device}/removal | removal.Removal | removal.RemovalPlan, as it is now |
| DELETE /api/devices/{device}/removal | | 204: it stays; moves that are under way go on |
| GET /api/devices/{device}/upgrade | | upgrading.DeviceUpgrades; nothing is changed |
| PUT /api/devices/{device}/upgrades | upgrading.SetUpgrades | upgrading.DeviceUpgrades |
| POST /api/devices/{device}/upgrade | | upgrading.DeviceUpgrades: ordered; what came of it is in `newest` |
| PUT /api/devices/{device}/lan | lan.SetLan | lan.LanState: what is wished now; what came of it is in the report |
| GET /api/catalog | | list of CatalogApp |
| GET /api/catalogs | | list of versions.Catalog |
| POST /api/catalogs | versions.AddCatalog, which the owner signed | 201 versions.Catalog |
| POST /api/catalogs/{name}/refresh | | versions.Catalog |
| DELETE /api/catalogs/{name} | | 204; what was installed from it runs on, and gets no update |
| PUT /api/own-apps/{app}/blobs/{digest} | the blob's bytes | 204; before the app that names it |
| PUT /api/own-apps/{app} | versions.OwnApp, which the owner signed | CatalogApp |
| DELETE /api/own-apps/{app} | | 204 |
| PUT /api/carried-apps/{app} | versions.CarriedApp, after its blobs (by `own-apps`) | list of CatalogApp |
| GET /api/app-export?app=&device= | | an app in one file, with what it is signed by (docs/packages.md) |
| GET /api/installations | | list of Installation |
| POST /api/installations | Install | Installation |
| GET /api/installations/{id or name} | | Installation |
| POST /api/installations/{id}/start | | Installation |
| POST /api/installations/{id}/stop | | Installation |
| POST /api/installations/{id}/restart | | Installation |
| POST /api/installations/{id}/open | Open | Installation |
| PUT /api/installations/{id}/approval | approval.Approval, of the version that it runs | Installation |
| GET /api/installations/{id}/policy | | Policy |
| PUT /api/installations/{id}/policy | grants.PolicyGrant, which the owner signed | Policy |
| GET /api/installations/{id}/keeping | | keeping.Keeping |
| PUT /api/installations/{id}/keeping | keeping.SetKeeping | keeping.Keeping; 409 `keeps-less` without `agreed` |
| POST /api/installations/{id}/move | Move | Installation |
| POST /api/installations/{id}/cancel-move | | Installation |
| POST /api/installations/{id}/restore | GoBack | Installation |
| POST /api/installations/{id}/fork | Fork | Installation |
| POST /api/installations/{id}/cancel-restore | | Installation |
| POST /api/installations/{id}/update | versions.UpdateApp | Installation |
| POST /api/installations/{id}/update-plan | versions.UpdateApp | versions.UpdatePlan; nothing is changed |
| PUT /api/installations/{id}/follows | versions.Follows | Installation |
| GET /api/installations/{id}/generations | | list of versions.Generation, the newest first |
| GET /api/installations/{id}/update-report | | Logs: what the last failed update left on its Device |
| POST /api/installations/{id}/rollback | versions.RollBack | Installation |
| POST /api/installations/{id}/cancel-update | | Installation; 409 once the new version counts |
| POST /api/installations/{id}/rekey | | Rekeying; a new installation of the same name follows |
| GET /api/rekeyings/{id} | | Rekeying, by the id of the older installation |
| POST /api/rekeyings/{id or name}/cancel | | Rekeying |
| GET /api/installations/{id}/move-forecast?to= | | MoveForecast |
| DELETE /api/installations/{id} | | TrashEntry (uninstall: the data stays in the trash for 30 days) |
| GET /api/installations/{id}/logs?service=&lines= | | Logs |
| GET /api/installations/{id}/actions | | actions.Actions: what its app lets its owner do |
| POST /api/installations/{id}/actions/{action} | actions.RunAction | actions.Acted |
| GET /api/audit?after= | | audit.Page: rows of the Hive's audit log after a number |
| GET /api/devices/{device}/audit?after=&nonce= | | audit.Page, of the Device's own; it signs its end for the nonce |
| GET /api/trash | | list of TrashEntry |
| POST /api/trash/{id}/restore | RestoreFromTrash | Installation |
| GET /api/volumes | | list of Volume |
| GET /api/volumes/{volume}/envelope | | VolumeEnvelope |
| POST /api/volumes/{volume}/drills | Drill | Drilled |
| GET /api/volumes/{volume}/drills | | list of Drilled, the newest first |
| GET /api/links | | list of link_api.Link |
| GET /api/installations/{id}/link | | link_api.Link |
| PUT /api/installations/{id}/link | link_api.AddLink | link_api.Link, made or with these domains; again looks at DNS |
| DELETE /api/installations/{id}/link?domain= | | 204: the link, or one domain of it, is gone |
| POST /api/installations/{id}/link/rotate | link_api.RotateToken | link_api.Link |
| PUT /api/installations/{id}/link/ports | link_api.AddPort | link_api.Link; again has the gateway try again |
| DELETE /api/installations/{id}/link/ports?protocol=&port= | | 204: the raw port is given back |
| POST /api/installations/{id}/link/doctor | | link_doctor.LinkLook; nothing is changed |
| GET /api/installations/{id}/link/move?gateway= | | link_api.LinkMove: what a move would change; nothing is changed |
| POST /api/installations/{id}/link/move | link_api.MoveLink | link_api.Link, which another gateway carries |
| GET /api/link-export?everyone= | | link_export.SignedLinkExport; all accounts' with `everyone`, for the first one |
| GET /api/link-gateways | | list of link_api.LinkGateway |
| POST /api/link-gateways | link_api.AddGateway | link_api.LinkGateway; asking again asks whether it lets this Hive in |
| DELETE /api/link-gateways/{id or name} | | 204; 409 `link-gateway-in-use` while links are there |
| GET /api/events | | text/event-stream of Event; `Last-Event-ID` goes on where it was |
"""

from typing import Literal

import msgspec

from mosaic.wire.account import AccountKeys, NewAccountKeys, OwnerAdmission
from mosaic.wire.approval import Approval
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.grants import PolicyGrant
from mosaic.wire.report import InstallationReport, MachineState, VolumeReport
from mosaic.wire.storage import ConflictSnapshot, Failure, PoolState
from mosaic.wire.versions import Updating


class SetupState(msgspec.Struct, frozen=True):
    """Whether the Hive has its account yet."""

    needed: bool


class Setup(msgspec.Struct, frozen=True):
    """The first account. `code` was printed by `mosaic up` on the Hive's machine."""

    code: str
    name: str
    password: str
    keys: NewAccountKeys | None = None


class Login(msgspec.Struct, frozen=True):
    """`label` names the token in the list of tokens, for instance the machine's host name."""

    name: str
    password: str
    label: str = ""


class LoggedIn(msgspec.Struct, frozen=True):
    """`token` is shown once; the Hive keeps its hash."""

    token: str
    account: str
    name: str


class Account(msgspec.Struct, frozen=True):
    """`keys` is None until a passphrase was set."""

    account: str
    name: str
    keys: AccountKeys | None


class SetKeys(msgspec.Struct, frozen=True):
    """Set (no keys yet) or replace the keys' wrappings; `previous_auth_key` proves the old passphrase."""

    new: NewAccountKeys
    previous_auth_key: str | None = None


class Admit(msgspec.Struct, frozen=True):
    """The owner lets a Device in. `root_for_device` (hex) is the root key `root_id`, wrapped to its X25519 key."""

    admission: OwnerAdmission
    root_for_device: str | None = None
    root_id: str = ""


class Health(msgspec.Struct, frozen=True):
    """A circle's colour, with the cause and the remedy in words."""

    colour: Literal["green", "amber", "red", "grey"]
    word: str
    cause: str
    remedy: str


class Device(msgspec.Struct, frozen=True):
    """One machine. `last_report_ns` is by the Hive's clock; None before the first. `joined_ns` 0 is not known.

    `problem` is the whole machine's. `leaving` says that its owner is removing
    it: its apps leave first. `proof` is what the Device said of its
    keys (hex), None for one that said nothing; a client checks it (decision 58).
    """

    device: str
    name: str
    admitted: bool
    has_root_key: bool
    wrapping_key: str
    connected: bool
    last_report_ns: int | None
    health: Health
    version: str
    engine_version: str | None
    machine: MachineState | None
    pool: PoolState | None
    installations: list[str]
    joined_ns: int = 0
    problem: Failure | None = None
    leaving: bool = False
    signing_key: str = ""
    proof: KeyProof | None = None


class CatalogApp(msgspec.Struct, frozen=True):
    """An app that can be installed. `problem` says why not, when it can't.

    `asks` are the grants that it needs beyond policy; `ports` are what it
    publishes, as `service port/protocol`. `source` is the catalog's name, `own`
    for one that the owner signed, `folder` for one that nobody did; `label`
    what people call the version. `approval` is the owner's signature (hex).
    """

    app: str
    title: str
    summary: str
    digest: str
    services: list[str]
    problem: str | None = None
    asks: list[str] = []
    ports: list[str] = []
    volumes: list[str] = []
    source: str = "folder"
    label: str = ""
    approval: str = ""


class Install(msgspec.Struct, frozen=True):
    """`name` defaults to the app's, `device` (id or name) to the only one. `grant` is signed for that name.

    `app` is as the catalog lists it: `source/app` where an earlier source has one of that name. `approval` is the
    owner's, for an app that nobody signed.
    """

    app: str
    name: str | None = None
    device: str | None = None
    config: dict[str, str] = {}
    dry_run: bool = False
    grant: PolicyGrant | None = None
    approval: Approval | None = None


class GoBack(msgspec.Struct, frozen=True):
    """Bring the app's data back to the snapshot `head` (its hash), or to a conflict snapshot that its Device has.

    `with_app` brings back the version of the app that the snapshot belongs to.
    """

    head: str | None = None
    conflict: str | None = None
    with_app: bool = False


class Fork(msgspec.Struct, frozen=True):
    """Install the same app once more, as `name`, with the data of the snapshot `head` (its hash).

    It runs the version that the snapshot belongs to, with the config of the
    other one. `device` defaults to the other one's; `grant` is signed for `name`.
    """

    name: str
    head: str
    device: str | None = None
    grant: PolicyGrant | None = None


class Rekeying(msgspec.Struct, frozen=True):
    """An app is given new keys: `successor` takes the place of `installation`, and its name.

    `is_made` says that the successor exists, because the older one has stopped
    and handed over its last data. Over at `ended_ns`; with a `failure` the
    older one goes back to where it was, and has when it is over.
    """

    installation: str
    successor: str
    name: str
    asked_ns: int
    is_made: bool
    ended_ns: int | None = None
    failure: str | None = None


class GoingBack(msgspec.Struct, frozen=True):
    """The newest wish to go back: to which state, of what instant. It is open until `ended_ns`.

    Then `failure` says why everything is as it was, or `saved` names the
    snapshot (of `saved_instant_ns`) that has what was there before.
    """

    id: str
    volume: str
    head: str | None
    conflict: str | None
    instant_ns: int | None
    app_digest: str
    asked_ns: int
    ended_ns: int | None = None
    saved: str | None = None
    saved_instant_ns: int | None = None
    failure: str | None = None


class SetAside(msgspec.Struct, frozen=True):
    """A conflict snapshot of one of the app's volumes, on whichever Device has it: nobody else does (G5)."""

    device: str
    volume: str
    kind: str
    conflict: ConflictSnapshot


class Installation(msgspec.Struct, frozen=True):
    """An installed app. `phase` is the Hive's: settled, or where a move or uninstall is.

    It is parked when the Device that it belonged on was removed, until it is moved to another one.

    `reports` has each Device's newest report on it, by Device id. `health` is
    the app's, `data_health` says how well its data is kept. `since_ns` is when
    the phase began. `target` is the other Device of a move: where the app goes
    while `preparing` and `draining`, where it would go back to while
    `arriving`. `problem` is also why the last move did not arrive. `going_back`
    is the newest wish to go back to an earlier snapshot, open or over. `volumes`
    is what the app's own Device has, `set_aside` what any Device has. `newest`
    is what a newer version that could be had is called (said of one installation
    that is asked for, not in lists), `updating` the newest wish for another one, open or over.
    """

    installation: str
    name: str
    app: str
    app_digest: str
    wanted: Literal["run", "stop"]
    phase: str
    device: str
    target: str | None
    epoch: str
    failover: Literal["manual", "automatic"]
    open: bool
    health: Health
    created_ns: int
    reports: dict[str, InstallationReport]
    volumes: list[VolumeReport]
    problem: str | None = None
    data_health: Health | None = None
    since_ns: int = 0
    going_back: GoingBack | None = None
    set_aside: list[SetAside] = []
    label: str = ""
    catalog: str | None = None
    follows: bool = False
    newest: str | None = None
    updating: Updating | None = None


class Policy(msgspec.Struct, frozen=True):
    """What an installation may do beyond policy (`grants`), what its app asks for, and the rule for its snapshots."""

    name: str
    grants: list[str]
    asks: list[str]
    keep: str = ""


class Open(msgspec.Struct, frozen=True):
    """Whether the installation's ports are bound beyond loopback."""

    open: bool


class Move(msgspec.Struct, frozen=True):
    """`force` takes the lease without the holder's answer; `lose_seconds` is what the owner was shown and accepted."""

    to: str
    force: bool = False
    lose_seconds: float | None = None


class MoveForecast(msgspec.Struct, frozen=True):
    """What a forced move would lose: seconds since the newest replicated instant; None when nothing is replicated."""

    holder_connected: bool
    newest_replicated_ns: int | None
    lose_seconds: float | None
    problems: list[str]


class TrashEntry(msgspec.Struct, frozen=True):
    """An uninstalled app whose data is kept until `until_ns`.

    `saved` says that its Device has stopped it and handed over its last data,
    so that it can be restored on any Device; until then on the same one, or by
    force on another, which loses `lose_seconds` (None: nothing is replicated).
    `device` is the id of the one that it was on.
    `report` is that Device's newest report on it while it is at work.
    """

    installation: str
    name: str
    app: str
    uninstalled_ns: int
    until_ns: int
    last_replicated_ns: int | None
    saved: bool = False
    report: InstallationReport | None = None
    lose_seconds: float | None = None
    device: str = ""


class RestoreFromTrash(msgspec.Struct, frozen=True):
    """`device` (id or name) defaults to the only one, `name` to the one that it had.

    `force` does not wait until its last Device has handed over its data; `lose_seconds` as in `Move`.
    """

    device: str | None = None
    name: str | None = None
    force: bool = False
    lose_seconds: float | None = None


class VolumeEnvelope(msgspec.Struct, frozen=True):
    """A volume's seed, wrapped (hex) under the account's root key, which the Hive cannot open."""

    volume: str
    wrapped_seed: str


class Drill(msgspec.Struct, frozen=True):
    """A snapshot was restored to scratch and compared with what is stored. `head` is its hash.

    `differing` counts the paths that did not come back as they were stored; 0
    proves the snapshot restorable. Which they are stays where the drill was.
    """

    head: str
    files: int
    content_bytes: int
    seconds: float
    differing: int


class Drilled(msgspec.Struct, frozen=True):
    """A drill as the Hive knows it: of which snapshot's instant, and when it was told by the Hive's clock."""

    drill: Drill
    instant_ns: int
    at_ns: int


class Volume(msgspec.Struct, frozen=True):
    """A volume, what its newest head says, the reports on it, and the last drill that proved it restorable."""

    volume: str
    installation: str
    name: str
    kind: str
    newest_head: str | None
    newest_instant_ns: int | None
    reports: list[VolumeReport]
    proved: Drilled | None = None
    last_drill: Drilled | None = None


class Logs(msgspec.Struct, frozen=True):
    """Text as the app wrote it. Never stored by the Hive."""

    text: str


class Event(msgspec.Struct, frozen=True):
    """Something happened: `subject` is an id, `kind` one of the documented events, `text` a sentence."""

    id: int
    at_ns: int
    kind: str
    subject: str
    text: str
