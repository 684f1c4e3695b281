"""A second implementation of envelope/SPEC.md, section 10, that forgets nothing and looks at everything. It runs the
sequences of envelope/testdata.

usage: sequences.py SEQUENCES    exit status 1 if one fails
"""
import os
import sys
from types import SimpleNamespace

SKEW = 5 * 60  # seconds by which clocks may differ


class Follower:
    def __init__(self, mirror):
        self.mirror, self.scattered, self.clock, self.topic = mirror, False, 0, 0
        self.seen = []   # records in the order in which they were followed
        self.since = {}  # partition: the time since which it is followed
        self.next = {}   # partition: the offset behind the last record followed
        self.runs = {}   # partition: how often another member has read
        self.revoked = set()

    def recreate(self):
        self.revoked = {partition for partition in self.next if self.next[partition]}
        self.topic, self.since, self.next = self.topic + 1, {}, dict.fromkeys(self.next, 0)

    def rewind(self, partition, offset):
        self.seen = [s for s in self.seen if s.found != partition or s.offset < offset or s.topic < self.topic]

    def read_from(self, partition, offset):  # section 10.2
        away = offset > self.next.get(partition, 0)
        self.runs[partition] = self.runs.get(partition, 0) + away
        if away or partition not in self.since:
            self.since[partition] = self.clock
        self.next[partition] = max(offset, self.next.get(partition, 0))
        self.revoked.discard(partition)

    def follow(self, r):
        self.reach(r)
        same = [s for s in self.seen if (s.key, s.sealed, s.found) == (r.key, r.sealed, r.found)]
        moved = r.sealed != r.found
        self.scattered |= self.mirror and moved
        r.dates = bool(r.sender) and (self.mirror or not moved) and r.iat <= self.clock + SKEW
        stale = self.stale(r)
        r.dates &= not stale
        flags = []
        if same or not stale:
            flags = self.count(r, same, moved)
            self.seen.append(r)
        if self.scattered:
            flags = [flag for flag in flags if flag == "repeat"]
        return ["stale"] * stale + flags + ["moved"] * (moved and not self.mirror)

    def reach(self, r):  # section 10.2
        away = r.found in self.revoked and r.offset > self.next.get(r.found, 0)
        self.runs[r.found] = self.runs.get(r.found, 0) + away
        if away or r.found not in self.since:
            self.since[r.found] = self.clock
        if r.offset >= self.next.get(r.found, 0):
            self.next[r.found] = r.offset + 1
            self.revoked.discard(r.found)
        r.topic, r.run = self.topic, self.runs[r.found]

    def stale(self, r):  # section 10.3
        if not self.mirror and r.after is not None and r.after > r.exp + SKEW:
            return True
        return bool(r.sender) and any(
            s.dates and s.sender == r.sender and s.found == r.found and (not self.mirror or s.sealed == r.sealed)
            and (s.topic < r.topic or s.offset < r.offset) and s.iat > r.exp + SKEW for s in self.seen)

    def count(self, r, same, moved):  # sections 10.1 and 10.2
        if any(s.counter == r.counter for s in same):
            again = any(s.counter == r.counter and (s.offset, s.topic) == (r.offset, r.topic) for s in same)
            return [] if again else ["repeat"]
        if not same:
            if not r.sender or moved and not self.mirror or r.counter == 0:
                return []
            return [f"gap:{r.counter}"] if r.iat > self.since[r.found] + SKEW else ["unfollowed"]
        highest = max(same, key=lambda s: s.counter)
        missing = r.counter - highest.counter - 1
        if missing < 0:
            return ["late"]
        if missing == 0:
            return []
        return [f"gap:{missing}"] if highest.run == r.run else ["unfollowed"]


def run(path):
    """Returns the lines about records whose flags differ, with the flags got, and how many there are."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    follower, keys, records, wrong = Follower("mirror: true" in lines), {}, 0, []
    for line in lines:
        name, value = line.split(":", 1)
        fields = dict(field.split("=", 1) for field in value.split() if "=" in field)
        number = {key: int(text) for key, text in fields.items() if text.isdecimal()}
        if name == "clock":
            follower.clock = int(value)
        elif name == "data-key":
            keys[fields["name"]] = {"key": fields["name"], "sender": fields["sender"], "iat": number["iat"], "exp": number["exp"]}
        elif name == "recreated":
            follower.recreate()
        elif name == "revoked":
            follower.revoked.add(number["partition"])
        elif name == "read-from":
            follower.read_from(number["partition"], number["offset"])
        elif name == "rewound":
            follower.rewind(number["partition"], number["offset"])
        elif name == "record":
            found = number["partition"]
            record = SimpleNamespace(**keys[fields["key"]], counter=number["counter"], found=found, sealed=number.get("sealed-for", found),
                                     offset=number["offset"], after=number.get("appended-after"))
            got = ",".join(follower.follow(record)) or "none"
            records += 1
            if got != fields["flags"]:
                wrong.append(f"{line} got {got}")
    return wrong, records


def main(directory):
    names = sorted(os.listdir(directory))
    failed = 0
    for name in names:
        wrong, records = run(os.path.join(directory, name))
        if wrong or not records:
            failed += 1
            print(f"{name}: {wrong or 'no records'}")
    print(f"{len(names)} sequences, {failed} failed")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
