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
| device-connected, device-disconnected | Device | its channel opened, or ended |
| device-reported | Device | a report changed what it says; read it again |
| head-accepted | installation | a snapshot was replicated |
| volumes-made | installation | a Device made a volume's keys |
| forked | installation | it was installed with a snapshot of another one |
| rekeying | installation | it comes up under new keys, in the place of the one that had the older ones |
| rekeyed, rekey-failed | installation | it has new keys, or is as it was before |
| going-back | installation | its owner wants its data as it was |
| went-back, restore-failed | installation | it is as it was then, or as it was before |
| opened, closed | installation | its ports are bound beyond loopback, or no more |
| restarting | installation | its owner asked for a restart |
| policy-changed | installation | its owner granted it something beyond policy, or took it back |
| keeping-changed | installation | its owner chose what is kept of its snapshots |
| keys-set | account | the passphrase was set or changed |
| root-key-renewed | account | another root key wraps all of its volumes |
| login | account | somebody logged in |
"""

from collections.abc import Iterator, Mapping

from mosaic.core.ids import DeviceId
from mosaic.core.placement import Phase, Placement

KINDS = frozenset({
    "installed", "started", "stopped", "move-preparing", "move-draining", "move-arriving", "move-confirming", "settled",
    "move-failed", "holder-changed", "uninstalled", "restored", "conflict", "device-joined", "device-admitted",
    "device-removed", "device-connected", "device-disconnected", "device-reported", "head-accepted", "volumes-made",
    "opened", "closed", "restarting", "policy-changed", "keys-set", "root-key-renewed", "login",
    "keeping-changed", "forked", "rekeying", "rekeyed", "rekey-failed", "going-back", "went-back", "restore-failed",
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
        yield _phase(name, after.phase, home, other)
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


def _phase(name: str, phase: Phase, home: str, other: str) -> tuple[str, str]:
    match phase:
        case Phase.SETTLED:
            return "settled", f"{name} is settled on {home}."
        case Phase.PREPARING:
            return "move-preparing", f"{other} gets ready for {name}; it keeps running on {home}."
        case Phase.DRAINING:
            return "move-draining", f"{home} stops {name} and replicates its last snapshot."
        case Phase.ARRIVING:
            return "move-arriving", f"{name} comes up on {home}."
        case Phase.CONFIRMING:
            return "move-confirming", f"{name} runs on {home}; its first snapshot from there is on its way."
        case Phase.TRASHED:
            return "uninstalled", f"{name} is in the trash."
