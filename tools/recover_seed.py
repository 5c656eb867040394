#!/usr/bin/env python3
"""Find a volume's seed with the recovery code alone, without Mosaic and without any Hive.

    recover_seed.py --store FOLDER --code-file FILE --seed-file NEW_FILE

FOLDER holds the objects of one volume; its `e-…` object has the ciphertext.
The code is the nine groups that were printed once, in a file or typed when
asked; never on the command line. The seed is written to NEW_FILE (0600), for
`rescue.py --seed-file`. Needs Python 3.11 and `cryptography`; docs/keys.md is
the format, and this program shares no code with Mosaic.
"""

import argparse
import base64
import getpass
import hashlib
import json
import os
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def read_code(text):
    """Return the code's 20 bytes, or end with what is wrong with it."""
    typed = re.sub(r"[\s-]", "", text).upper().translate(str.maketrans("018", "OIB"))
    if not re.fullmatch("[A-Z2-7]{36}", typed):
        sys.exit("this is not a recovery code: it has nine groups of four characters of A–Z and 2–7")
    raw = base64.b32decode(typed[:32])
    checksum = hashlib.sha256(b"mosaic recovery checksum v1\0" + raw).digest()
    if base64.b32encode(checksum).decode()[:4] != typed[32:]:
        sys.exit("a character of the recovery code is mistyped: its checksum does not match")
    return raw


def unwrap(envelope, kind, label, key, subject):
    """Open an envelope of kinds 1–4: version, kind, nonce (12), ciphertext and tag (48)."""
    if len(envelope) != 62 or envelope[:2] != bytes([1, kind]):
        raise ValueError("not an envelope of this kind and version")
    cipher = AESGCM(HKDF(SHA256(), 32, salt=b"", info=label).derive(key))
    return cipher.decrypt(envelope[2:14], envelope[14:], label + b"\0" + subject)


def seed_of(envelope, code):
    """Return the volume's seed: the code opens the root key, and that the seed. Raises when any of it is not so."""
    owner, volume = bytes.fromhex(envelope["owner_key"]), bytes.fromhex(envelope["volume"])
    root = unwrap(bytes.fromhex(envelope["recovery_root"]), 3, b"mosaic envelope v1 root-under-recovery", code, owner)
    seed = unwrap(bytes.fromhex(envelope["wrapped_seed"]), 4, b"mosaic envelope v1 seed-under-root", root, volume)
    if Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() != volume:
        raise ValueError("the seed is not this volume's")
    return seed


def main():
    """Try every envelope of the store; the code opens those that were written while it was the account's."""
    parser = argparse.ArgumentParser(description="Find a volume's seed with the recovery code alone.")
    parser.add_argument("--store", type=Path, required=True, help="folder with the objects of one volume")
    parser.add_argument("--code-file", type=Path, help="file with the recovery code; asked for when left out")
    parser.add_argument("--seed-file", type=Path, required=True, help="new file for the seed (64 hex characters)")
    asked = parser.parse_args()
    found = sorted(asked.store.glob("e-*"))
    if not found:
        sys.exit(f"{asked.store} has no object e-…: it is not the folder of a volume, or it never had a Hive's keys")
    code = read_code(asked.code_file.read_text() if asked.code_file else getpass.getpass("Recovery code: "))
    for path in found:
        try:
            seed = seed_of(json.loads(path.read_bytes()), code)
        except (InvalidTag, ValueError, KeyError, TypeError):
            continue
        with os.fdopen(os.open(asked.seed_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(seed.hex() + "\n")
        print(f"the seed is in {asked.seed_file}")
        return
    sys.exit("this recovery code opens none of the volume's envelopes: it is another account's, or was replaced")


if __name__ == "__main__":
    main()
