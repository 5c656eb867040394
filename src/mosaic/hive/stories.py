"""Events: what each change of a placement means to people, in a sentence.

| kind | subject | when |
|---|---|---|
| installed | installation | an app was installed |
| started, stopped | installation | its owner wants it to run, or not to |
| move-preparing, move-draining, move-arriving, move-confirming | installation | where a move is |
| settled | installation | it runs, and its data is replicated, where it belongs |
| move-failed | installation | the target could not take it; it goes back |
| holder-changed | installation | a Device was granted it under a new epoch |
| uninstalled, restored | installation | into the trash, out of the trash |
| conflict | installation | a Device could not start it; the sentence says why |
| device-joined, device-admitted, device-removed | Device | as named |
| device-leaving, device-stays | Device | its owner removes it; its apps leave first; or he took that back |
| device-follows, device-stays-as-it-is | Device | it takes newer versions of Mosaic by itself, or no more |
| device-upgraded, device-upgrade-failed | Device | it runs another Mosaic, or as before; the sentence says why |
| device-connected, device-disconnected | Device | its channel opened, or ended |
| device-reported | Device | a report changed what it says; read it again |
| head-accepted | installation | a snapshot was replicated |
| volumes-made | installation | a Device made a volume's keys |
| forked | installation | it was installed with a snapshot of another one |
| rekeying | installation | it comes up under new keys, in the place of the one that had the older ones |
| rekeyed, rekey-failed | installation | it has new keys, or is as it was before |
| going-back | installation | its owner wants its data as it was |
| went-back, restore-failed | installation | it is as it was then, or as it was before |
| updating | installation | another version of its app is tried; its owner asked, or it follows its catalog |
| updated, update-failed | installation | it runs that version, or as before; the sentence says why |
| follows, stays | installation | it takes newer versions by itself, or no more |
| opened, closed | installation | its ports are bound beyond loopback, or no more |
| restarting | installation | its owner asked for a restart |
| policy-changed | installation | its owner granted it something beyond policy, or took it back |
| keeping-changed | installation | its owner chose what is kept of its snapshots |
| approved | installation | its owner signed the version that it runs |
| app-imported, app-removed | app | its owner put an app into the catalog by himself, or took it off |
| app-imported | catalog | its owner brought an app of it in a file |
| catalog-added, catalog-removed | catalog | its owner believes it, or no more |
| catalog-refused | catalog | what its repository said is not believed; the sentence says why |
| keys-set | account | the passphrase was set or changed |
| root-key-renewed | account | another root key wraps all of its volumes |
| login | account | somebody logged in |
| drill | installation | a Device restored a snapshot to prove it, or could not |
| link-added, link-removed | installation | its owner wants it to be reached from anywhere, or no more |
| link-port-added, link-port-removed | installation | its owner wants it to have a raw port, or no more |
| link-name-added, link-name-removed | installation | its owner wants it to have a domain, or no more |
| link-name-proved, link-name-doubtful | installation | DNS proves its owner's domain, or does not any more |
| link-name-withdrawn | installation | the proof of a domain was gone for too long |
| link-moved | installation | another gateway carries its link |
| link-rotated | installation | its link gets another token |
| device-waived | Device | in a roll call its owner goes on without it |
| hive-recovered | account | the roll call after a recovery is over |
"""

from collections.abc import Iterator, Mapping

from mosaic.core.ids import DeviceId
from mosaic.core.placement import Phase, Placement, is_parked

KINDS = frozenset({
    "installed", "started", "stopped", "move-preparing", "move-draining", "move-arriving", "move-confirming", "settled",
    "move-failed", "holder-changed", "uninstalled", "restored", "conflict", "device-joined", "device-admitted",
    "device-removed", "device-connected", "device-disconnected", "device-reported", "head-accepted", "volumes-made",
    "opened", "closed", "restarting", "policy-changed", "keys-set", "root-key-renewed", "login",
    "keeping-changed", "forked", "rekeying", "rekeyed", "rekey-failed", "going-back", "went-back", "restore-failed",
    "updating", "updated", "update-failed", "follows", "stays",
    "app-imported", "app-removed", "approved", "catalog-added", "catalog-removed", "catalog-refused",
    "device-leaving", "device-stays", "device-follows", "device-stays-as-it-is", "device-upgraded",
    "device-upgrade-failed", "drill", "device-waived", "hive-recovered",
    "link-added", "link-removed", "link-port-added", "link-port-removed",
    "link-name-added", "link-name-removed", "link-name-proved", "link-name-doubtful",
    "link-name-withdrawn", "link-rotated", "link-moved",
})  # fmt: skip


def told_by(
    name: str,
    before: Placement,
    after: Placement,
    devices: Mapping[DeviceId, str],
    reasons: Mapping[DeviceId, str],
) -> Iterator[tuple[str, str]]:
    """Yield the kind and the sentence of each event between two placements. `reasons` is what Devices failed for."""
    home = devices.get(after.home, "its device")
    other = devices.get(after.other, "the other device") if after.other else "the other device"
    if (after.phase, after.since_ns) != (before.phase, before.since_ns):
        yield _phase(name, after.phase, home, other, nowhere=is_parked(after))
    if before.phase is Phase.PREPARING and after.home == before.home and after.other is None and before.other:
        why = reasons.get(before.other, "it did not answer")
        yield "move-failed", f"{devices.get(before.other, 'The other device')} cannot take {name}: {why}."
    elif after.returning and after.problem and not before.returning:
        why = after.problem.rstrip(".")
        yield "move-failed", f"The move of {name} to {home} failed: {why}; {other} has all its data and takes it back."
    elif after.problem and after.problem != before.problem:
        kind = "move-failed" if after.returning or after.phase is not Phase.ARRIVING else "conflict"
        yield kind, f"{name}: {after.problem}"
    if after.lease.holder is not None and after.lease.epoch != before.lease.epoch:
        yield "holder-changed", f"{home} holds {name} under epoch {after.lease.epoch.n}."


def _phase(name: str, phase: Phase, home: str, other: str, *, nowhere: bool) -> tuple[str, str]:
    match phase:
        case Phase.SETTLED:
            return "settled", f"{name} is settled on {home}."
        case Phase.PREPARING:
            return "move-preparing", f"{other} gets ready for {name}; it keeps running on {home}."
        case Phase.DRAINING if nowhere:
            return "stopped", f"{home} stops {name} and hands over what it wrote."
        case Phase.DRAINING:
            return "move-draining", f"{home} stops {name} and replicates its last snapshot."
        case Phase.ARRIVING:
            return "move-arriving", f"{name} comes up on {home}."
        case Phase.CONFIRMING:
            return "move-confirming", f"{name} runs on {home}; its first snapshot from there is on its way."
        case Phase.TRASHED:
            return "uninstalled", f"{name} is in the trash."
