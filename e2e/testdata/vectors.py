"""Runs the vectors of envelope/testdata with opener.py.

usage: vectors.py VECTORS KEYS    exit status 1 if one fails
"""
import functools
import os
import sys

from cryptography.hazmat.primitives import serialization

from opener import Refused, open_record, thumbprint

ABSENT = {"sender-name": "", "sender-reason": "", "bound": "false", "counted": "false", "partition": "0", "counter": "0"}


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


@functools.cache
def private(name, keys):
    key = serialization.load_pem_private_key(read(keys, name), None)
    return thumbprint(key.public_key()), key


def run(path, keys):
    """Returns what a vector wants and what the opener says."""
    head, record = read(path).split(b"\n\n", 1)
    want, trusted = dict(line.split(": ", 1) for line in head.decode().split("\n")), {}
    if want.pop("trusted"):
        text = read(keys, "trusted.pem")
        key = serialization.load_pem_public_key(text)
        trusted[thumbprint(key)] = text.decode().split("\n")[0].lstrip("# "), key
    topic, held, _ = want.pop("topic"), dict(private(name, keys) for name in want.pop("keys").split()), want.pop("comment")
    try:
        told = open_record(record, topic, held, trusted)
    except Refused as refused:
        return want, {"outcome": str(refused)}
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
