"""Runs the vectors of envelope/testdata with opener.py.

usage: vectors.py VECTORS KEYS    exit status 1 if one fails
"""
import functools
import os
import re
import sys

from cryptography.hazmat.primitives import serialization

from opener import Refused, keep, open_record, thumbprint

ABSENT = {"sender-name": "", "sender-reason": "", "bound": "false", "counted": "false", "partition": "0", "counter": "0",
          "issued": "0", "expires": "0"}


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


@functools.cache
def private(name, keys):
    key = serialization.load_pem_private_key(read(keys, name), None)
    return thumbprint(key.public_key()), key


@functools.cache
def senders(name, keys):
    """Returns the trusted senders of a file, {thumbprint: (name, public key)}."""
    found = {}
    for block in re.findall(r"# (.*)\n(-+BEGIN [^#]*)", read(keys, name).decode()):
        key = serialization.load_pem_public_key(block[1].encode())
        found[thumbprint(key)] = block[0], key
    return found


def requirements(want, keys, trusted):
    """Takes the lines about requirements out of a vector and returns the arguments for the opener."""
    formats, required, allowed = (want.pop(name, None) for name in ("require-formats", "require-senders", "allowed-readers"))
    ids = set(trusted) if required == "verified" else required and {private(name, keys)[0] for name in required.split()}
    readers = allowed and {private(name, keys)[0] for name in allowed.split() if name != "held"}
    return {"formats": formats and formats.split(), "senders": ids, "readers": readers}


def run(path, keys):
    """Returns what a vector wants and what the opener says."""
    head, record = read(path).split(b"\n\n", 1)
    want = dict(line.split(": ", 1) for line in head.decode().split("\n"))
    file = want.pop("trusted")
    trusted = senders(file, keys) if file else {}
    topic, held, _ = want.pop("topic"), dict(private(name, keys) for name in want.pop("keys").split()), want.pop("comment")
    headers = {}
    keep(bytes.fromhex(want.pop("earlier", "")), topic, headers)
    try:
        told = open_record(record, topic, held, trusted, headers, **requirements(want, keys, trusted))
    except Refused as refused:
        outcome, _, reason = str(refused).partition("rejected ")
        return want, {"outcome": "rejected", "reason": reason} if reason else {"outcome": outcome}
    if "key" in want:
        want["key"] = private(want["key"], keys)[0]
    return want, {"outcome": "opened"} | ABSENT | told


def main(vectors, keys):
    names = sorted(os.listdir(vectors))
    failed = 0
    for name in names:
        want, got = run(os.path.join(vectors, name), keys)
        if want != got:
            failed += 1
            print(f"{name}: got {got}, want {want}")
    print(f"{len(names)} vectors, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
