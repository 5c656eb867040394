#!/usr/bin/env python3
"""Restore a Mosaic volume without Mosaic.

    rescue.py --store FOLDER --seed-file FILE (--list | --to NEW_FOLDER [--head HASH])

FOLDER holds the objects of one volume (`h-…` and `p-…`). The seed is 64 hex
characters, in a file or typed when asked; never on the command line. Needs
Python 3.11 and `cryptography`, `blake3`, `zstandard` (or `backports.zstd`).
The format is docs/format.md; this program shares no code with Mosaic.
Ends with 0 when everything was restored, with 1 when something is damaged
(it is named, and the rest is restored) or nothing could be done.
"""

import argparse
import getpass
import os
import struct
import sys
from bisect import bisect_left
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

try:
    from zstandard import decompress as expand
except ImportError:
    from backports.zstd import decompress as expand

CHUNK = 65536
DIRECTORY, SYMLINK, FIFO = 2, 3, 4
HEAD = struct.Struct(">8sB32sQQQ32sQ16s32sQ32s16sB")
NODE = struct.Struct(">BHIIqIQIH")
warn = partial(print, file=sys.stderr)
hkdf = partial(HKDF, SHA256(), 32)


class Damaged(Exception):
    """Stored bytes fail a check."""


class Volume:
    """The objects of one volume and the keys to read them."""

    def __init__(self, folder, seed):
        self.folder, self.seed, self.blobs = folder, seed, {}
        self.public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
        self.name = self.public.public_bytes_raw()

    def heads(self):
        """Return (head, hash) of every head that is signed by the volume, oldest first."""
        found = []
        for path in self.folder.glob("h-*"):
            signed = path.read_bytes()
            try:
                head = HEAD.unpack(signed[:210])
                self.public.verify(signed[210:], b"mosaic head v1\0" + signed[:210])
            except (struct.error, InvalidSignature):
                warn(f"{path.name}: not signed by this volume, passed over")
                continue
            digest = blake3(signed).hexdigest()
            if head[:3] == (b"MOSAHEAD", 1, self.name) and path.name == f"h-{head[5]:020d}-{digest}":
                found.append((head, digest))
        return sorted(found, key=lambda one: one[0][3:6])

    def index(self):
        for path in self.folder.glob("p-*"):
            try:
                self.index_pack(path)
            except (Damaged, InvalidTag, struct.error, ValueError, OSError) as error:
                warn(f"{path.name}: damaged ({error or 'fails its check'})")

    def index_pack(self, path):
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(45)
            file.seek(size - 4)
            (length,) = struct.unpack(">I", file.read(4))
            file.seek(size - 4 - length)
            footer = file.read(length)
        if header[:9] != b"MOSAPACK\x01":
            raise Damaged("not a pack of version 1")
        key = hkdf(None, b"mosaic volume data v1\0" + header[9:13]).derive(self.seed)
        id_key = hkdf(None, b"mosaic volume blob id v1\0" + header[9:13]).derive(self.seed)
        cipher = AESGCM(hkdf(header[13:], b"mosaic pack v1\0" + self.name + bytes.fromhex(path.name[2:])).derive(key))
        offset = 45
        for position, entry in enumerate(struct.iter_unpack(">32sBII", cipher.decrypt(b"\xff" * 12, footer, header))):
            self.blobs.setdefault(entry[0], []).append((path, cipher, id_key, position, offset, entry))
            offset += entry[2]

    def blob(self, blob):
        """Return a blob's content from whichever pack has it whole."""
        for path, cipher, id_key, position, offset, (_, flags, length, plain_length) in self.blobs.get(blob, ()):
            label = struct.pack(">32sBI", blob, flags, plain_length)
            try:
                with path.open("rb") as file:
                    file.seek(offset)
                    plain = cipher.decrypt(position.to_bytes(12, "big"), file.read(length), label)
            except (InvalidTag, OSError):
                continue
            plain = expand(plain) if flags & 1 else plain
            if len(plain) == plain_length and blake3(plain, key=id_key).digest() == blob:
                return plain
        raise Damaged(f"blob {blob.hex()[:16]} is missing or damaged")


class Restore:
    """One state, written below one new folder."""

    def __init__(self, volume, head, target):
        self.volume, self.damaged, self.linked, self.records = volume, False, {}, {}
        root = struct.unpack(">8sBB32sQQQQ", volume.blob(head[11]))
        if root[0] != b"MOSAROOT" or root[1] not in (1, 2):
            raise Damaged("the root record is of another version")
        self.page(root[3], root[2])
        self.keys = sorted(self.records)
        target.mkdir(mode=0o700)
        self.directory(1, self.node(1), target, set())

    def page(self, blob, level):
        """Read all records below a page. What can't be read is noted, and is then missing."""
        try:
            content, at = self.volume.blob(blob), 5
        except Damaged as error:
            return self.note("a part of the tree", error)
        for _ in range(struct.unpack_from(">BI", content)[1]):
            key_length, length = struct.unpack_from(">HI", content, at)
            at += 6 + key_length + length
            if level:
                self.page(content[at - length : at], level - 1)
            else:
                self.records[content[at - length - key_length : at - length]] = content[at - length : at]
        return None

    def below(self, tag, number):
        """Return the records whose keys begin with the tag and this number, in order."""
        start = tag + number.to_bytes(8, "big")
        keys = self.keys[bisect_left(self.keys, start) : bisect_left(self.keys, start + b"\xff" * 300)]
        return [(key[9:], self.records[key]) for key in keys]

    def note(self, path, error):
        self.damaged = True
        warn(f"{path}: {error}")

    def node(self, number):
        for _, value in self.below(b"N", number):
            kind, mode, uid, gid, seconds, nanos, size, links, count = NODE.unpack_from(value)
            at, xattrs = NODE.size, []
            for _ in range(count):
                name_length, length = struct.unpack_from(">HI", value, at)
                at += 6 + name_length + length
                xattrs.append((value[at - length - name_length : at - length], value[at - length : at]))
            known = {"type": kind, "mode": mode, "uid": uid, "gid": gid, "size": size, "links": links}
            return known | {"time": seconds * 10**9 + nanos, "xattrs": xattrs, "tail": value[at:]}
        return None

    def directory(self, number, record, path, above):
        if record is None or record["type"] != DIRECTORY or number in above:
            return self.note(path, "no directory can be read here")
        for name, value in self.below(b"E", number):
            if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
                return self.note(path, f"an entry is called {name!r}")
            try:
                self.entry(int.from_bytes(value, "big"), path / os.fsdecode(name), above | {number})
            except OSError as error:
                self.note(path / os.fsdecode(name), error.strerror)
        return self.finish(path, record)

    def entry(self, number, path, above):
        record = self.node(number)
        if record is None:
            return self.note(path, "its record is missing")
        if number in self.linked:
            return os.link(self.linked[number], path, follow_symlinks=False)
        if record["type"] == DIRECTORY:
            path.mkdir(mode=0o700)
            return self.directory(number, record, path, above)
        if record["links"] > 1:
            self.linked[number] = path
        if record["type"] == SYMLINK:
            path.symlink_to(os.fsdecode(record["tail"]))
        elif record["type"] == FIFO:
            os.mkfifo(path, 0o600)
        else:
            self.file(number, record, path)
        return self.finish(path, record)

    def file(self, number, record, path):
        groups = [(b"", record["tail"])] if record["size"] <= 4 * CHUNK else self.below(b"G", number)
        with path.open("xb") as file:
            file.truncate(record["size"])
            for index, ids in groups:
                for at in range(0, len(ids), 32):
                    # A chunk of zeros is not stored: the file has a hole there.
                    if ids[at : at + 32] != bytes(32):
                        self.chunk(file, int.from_bytes(index, "big") * 64 + at // 32, ids[at : at + 32], path)

    def chunk(self, file, number, blob, path):
        try:
            content = self.volume.blob(blob)
        except Damaged as error:
            return self.note(path, error)
        return os.pwrite(file.fileno(), content, number * CHUNK)

    def finish(self, path, record):
        if os.geteuid() == 0:
            os.chown(path, record["uid"], record["gid"], follow_symlinks=False)
        for name, value in record["xattrs"]:
            try:
                os.setxattr(path, name, value, follow_symlinks=False)
            except (OSError, ValueError) as error:
                warn(f"{path}: attribute {os.fsdecode(name)!r} not set: {error}")
        if record["type"] != SYMLINK:
            path.chmod(record["mode"])
        os.utime(path, ns=(record["time"], record["time"]), follow_symlinks=False)


def main():
    parser = argparse.ArgumentParser(description="Restore a Mosaic volume without Mosaic.")
    parser.add_argument("--store", type=Path, required=True, help="the folder with this volume's objects")
    parser.add_argument("--seed-file", type=Path, help="a file with the seed in hex; asked for if not given")
    parser.add_argument("--to", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--head", help="the hash of the head to restore; the newest if not given")
    parser.add_argument("--list", action="store_true", help="list the heads and restore nothing")
    wanted = parser.parse_args()
    seed = wanted.seed_file.read_text() if wanted.seed_file else getpass.getpass("seed (64 hex characters): ")
    volume = Volume(wanted.store, bytes.fromhex(seed.strip()))
    heads = [one for one in volume.heads() if wanted.head in (None, one[1])]
    if wanted.list:
        for head, digest in heads:
            print(digest, f"epoch {head[3]}.{head[4]} number {head[5]}", datetime.fromtimestamp(head[7] / 10**9, UTC))
        return 0
    if not heads or wanted.to is None:
        sys.exit("this store has no such head of this volume" if wanted.to else "say where to restore with --to")
    volume.index()
    sys.setrecursionlimit(100_000)
    return 1 if Restore(volume, heads[-1][0], wanted.to).damaged else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Damaged as error:
        sys.exit(f"nothing can be restored from this head: {error}")
