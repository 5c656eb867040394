"""Publishing an app repository: images built, apps pinned and pushed, and one signed Target that names them all.

The Target comes last. Whatever ends a publishing before that (a refusal, a
kill, the power) has changed nothing that a Device sees: there may be more in
the registry than before, and the next publishing goes on with it.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.adapters.git import descends
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.adapters.trust import publishing as targets
from mosaic.adapters.trust.public_files import CHANNEL_ROLE
from mosaic.adapters.trust.publishing import Published, PublishedMeanwhile, Release
from mosaic.adapters.trust.refusals import ChannelMissing
from mosaic.adapters.trust.repository import Repository
from mosaic.core import image_ref, package_reading
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.image_platforms import Answer
from mosaic.core.image_ref import ImageRef
from mosaic.core.oci_types import OCI_MANIFEST, Image
from mosaic.core.package import About
from mosaic.core.pin_lock import to_lock
from mosaic.core.pin_problems import ImageUse, PinningRefused, Problem, RegistriesSilent, require_none
from mosaic.core.pinning import Own, Pinned, pin, references
from mosaic.core.roll_out import EVERYONE, RollOut
from mosaic.packager.attaching import Attachments, attach, require_apps
from mosaic.packager.own_images import Build, BuiltImage, OwnImages, Tell, machines_for, require_usable
from mosaic.packager.packing import Packed, pack, uses_of
from mosaic.packager.resolving import Resolver
from mosaic.packager.source import Source, read_source
from mosaic.packager.variables import variables_for_images


@dataclass(frozen=True, slots=True)
class Order:
    """What to publish, and for whom. `hardware` are the kinds of machine that the Target is for."""

    folder: Path
    build: Build
    channel: str
    hardware: Sequence[str]
    roll_out: RollOut = EVERYONE
    forced: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    attachments: Attachments = field(default=Attachments())


@dataclass(frozen=True, slots=True)
class Report:
    """What was published. `apps` is from each app's name to its uri; `kept` are those that were there so already.

    `lock` is what every image was, for later builds without registries.
    """

    published: Published
    commit: str
    apps: Mapping[str, str]
    kept: tuple[str, ...]
    images: tuple[BuiltImage, ...]
    lock: Mapping[str, object]


def publish(
    order: Order,
    repository: Repository,
    registries: Registries,
    *,
    cache: Path | None,
    now_ns: int,
    tell: Tell,
) -> Report:
    """Publish every app of the folder as one new Target, unless nothing changed since the channel's newest one.

    Raises:
        BuildUnusable, SbomUnusable, AppRepositoryRefused, NothingToPublish, SubmoduleInside, NoCommit, NotCommitted,
        BuildFailed, BuildxMissing, AppUnpackable, IgnoreRulesBad, ComposeInvalid, ImageShared: what is published has to
        be mended.
        PinningRefused, RegistriesSilent: with every problem of every app.
        PublishedMeanwhile: a newer commit was published while this one was being built, or one that is not known here.
        MosaicError: what a registry says, or `trust.publishing.publish`.
    """
    require_usable(order.build)
    _require_channel(repository, order.channel)
    before = _Before.read(repository, order.channel)
    with tempfile.TemporaryDirectory(prefix="mosaic-publish-") as scratch:
        files, bundles = Path(scratch) / "source", Path(scratch) / "bundles"
        files.mkdir()
        bundles.mkdir()
        source = read_source(order.folder, files)
        require_apps(order.attachments, [folder.name for folder in source.apps])
        short = source.commit.short
        images = _build_all(source, order.build, registries, tell)
        resolver = Resolver(registries, cache)
        tell("asking registries what images are")
        pinned, answers = _pin_all(source, order, images, resolver)
        known: dict[str, Image] = dict(resolver.images)
        known.update({built.image.digest: built.image for built in images})
        packed = [
            pack(folder, pinned[folder.name], about=About(folder.name), images=known, into=bundles)
            for folder in source.apps
        ]
        while True:
            releases = {
                one.name: _keep(one, order.build.registry, short, before.uris, registries, tell) for one in packed
            }
            for app, release in releases.items():
                attach(order.attachments, app, release.uri, release.manifest, registries)
            try:
                published = _sign(order, repository, source, releases, before, now_ns)
                break
            except PublishedMeanwhile as meanwhile:
                before = _after(meanwhile, source, _Before.read(repository, order.channel))
                tell("somebody else has published meanwhile; comparing again")
    uris = {app: release.uri for app, release in releases.items()}
    kept = tuple(app for app, uri in uris.items() if uri == before.uris.get(app))
    return Report(published, source.commit.hash, uris, kept, images, to_lock(answers))


@dataclass(frozen=True, slots=True)
class _Before:
    """The channel's newest Target: its number, 0 for none; its commit; where its apps are."""

    version: int = 0
    commit: str | None = None
    uris: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def read(repository: Repository, channel: str) -> "_Before":
        newest = next((one for one in repository.targets() if one.channel == channel), None)
        return _Before() if newest is None else _Before(newest.version, newest.commit, newest.apps)


def _sign(
    order: Order,
    repository: Repository,
    source: Source,
    releases: Mapping[str, Release],
    before: _Before,
    now_ns: int,
) -> Published:
    return targets.publish(
        repository,
        channel=order.channel,
        hardware=order.hardware,
        apps=releases,
        now_ns=now_ns,
        commit=source.commit.hash,
        roll_out=order.roll_out,
        forced=order.forced,
        known=before.version,
    )


def _after(meanwhile: PublishedMeanwhile, source: Source, found: _Before) -> _Before:
    """Return what is newest now, when the commit that is being published follows that.

    Who began first may end last: then the older commit would become the newer version. Raises PublishedMeanwhile.
    """
    if found.version and not (found.commit and descends(source.origin, source.commit.hash, found.commit)):
        raise meanwhile
    return found


def _build_all(source: Source, build: Build, registries: Registries, tell: Tell) -> tuple[BuiltImage, ...]:
    if not source.images:
        return ()
    own = OwnImages(build, machines_for(build), source.commit.short, registries, tell)
    return tuple(own.keep(folder, source.tree(folder.name)) for folder in source.images)


def _pin_all(
    source: Source, order: Order, images: Sequence[BuiltImage], resolver: Resolver
) -> tuple[dict[str, Pinned], Mapping[ImageRef, Answer]]:
    own: Own = {built.name: built.own for built in images}
    variables = {**variables_for_images(order.build.registry, source.commit.short), **order.variables}
    uses: dict[str, list[ImageUse]] = {folder.name: uses_of(folder) for folder in source.apps}
    every = [use for of_app in uses.values() for use in of_app]
    answers = resolver.ask(references(every, variables=variables, own=own))
    pinned: dict[str, Pinned] = {}
    problems: list[Problem] = []
    for app, of_app in uses.items():
        try:
            pinned[app] = pin(of_app, variables=variables, own=own, answers=answers)
        except (PinningRefused, RegistriesSilent) as error:
            problems += error.problems
    require_none(problems)
    return pinned, answers


def _require_channel(repository: Repository, channel: str) -> None:
    """Raise ChannelMissing before anything is built for it."""
    edition = repository.edition()
    if CHANNEL_ROLE + channel not in edition.channels:
        raise ChannelMissing(channel, [role.removeprefix(CHANNEL_ROLE) for role in edition.channels])


def _keep(
    packed: Packed, registry: str, short: str, before: Mapping[str, str], registries: Registries, tell: Tell
) -> Release:
    """Have the registry keep the app, as it was published last where it has the same files."""
    release = _as_before(packed, registry, before.get(packed.name), registries)
    if release is None:
        tell(f"pushing {packed.name}")
        release = _push(packed, registry, short, registries)
    return release


def _as_before(packed: Packed, registry: str, uri: str | None, registries: Registries) -> Release | None:
    """Return the app as it was published last, when it has the same files; None when it has others or is not there.

    Two versions of zlib compress one tar to different bytes, and an app that
    did not change should not be fetched again for that. Where it lies in
    another registry now, or has lost something, it is pushed.
    """
    if uri is None:
        return None
    reference = image_ref.parse(uri)
    if reference.name != image_ref.parse(f"{registry}/{packed.name}").name:
        return None
    at = registries.at(reference.registry)
    try:
        manifest = at.manifest(reference.repository, reference.digest or "").content
        older, newer = package_reading.read(manifest), package_reading.read(packed.manifest)
    except (NotFound, Corrupt):
        return None
    same = (older.tar, older.index, older.layer_sizes) == (newer.tar, newer.index, newer.layer_sizes)
    if not same or older.tar is None or not all(at.has_blob(reference.repository, blob) for blob in older.every):
        return None
    return Release(uri, manifest)


def _push(packed: Packed, registry: str, short: str, registries: Registries) -> Release:
    reference = image_ref.parse(f"{registry}/{packed.name}@{packed.digest}")
    at: Registry = registries.at(reference.registry)
    for content in packed.blobs.values():
        at.push_blob(reference.repository, content)
    # Last: a registry takes a manifest only when it has what that names.
    at.push_manifest(reference.repository, packed.manifest, OCI_MANIFEST, tags=(f"app-{short}",))
    return Release(str(reference), packed.manifest)
