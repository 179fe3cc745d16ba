#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What asmeterd holds of the system, one "name value" a line, sorted, so that
two of them can be compared: descriptors by kind, threads, pins, and the BPF
maps, programs and links that exist because of it.

census.py EVER PINS [PROCESS ...]

Other daemons may run on the machine: a map is ours when it is pinned in PINS
or open in a PROCESS, or was so at any earlier census (EVER keeps the numbers),
or belongs to a program that has one of ours; a program when it has one of our
maps; a link when it holds one of our programs. So what has been forgotten
without being freed is still seen.
"""
import collections
import json
import os
import re
import subprocess
import sys

KINDS = ("netlink", "packet", "tcp", "tcp6", "udp", "udp6", "unix", "xdp")


def sockets(pid):
    """inode: kind, of the network namespace of a process"""
    out = {}
    for kind in KINDS:
        try:
            with open(f"/proc/{pid}/net/{kind}", encoding="ascii") as f:
                head = f.readline().split()
                for line in f:
                    w = line.split()
                    if kind in ("tcp", "tcp6"):
                        state = "listening" if w[3] == "0A" else "connected"
                        out[w[9]] = f"{kind}-{state}"
                    elif kind in ("udp", "udp6"):
                        out[w[9]] = kind
                    elif kind == "unix":
                        out[w[6]] = kind
                    else:
                        at = [h.lower() for h in head].index("inode")
                        out[w[at]] = kind
        except (FileNotFoundError, ValueError):
            pass
    return out


def descriptors(pid, maps):
    kinds, known = collections.Counter(), sockets(pid)
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            to = os.readlink(f"/proc/{pid}/fd/{fd}")
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
                info = f.read()
        except FileNotFoundError:
            continue
        m = re.match(r"socket:\[(\d+)\]", to)
        if m:
            to = "socket-" + known.get(m[1], "other")
        to = re.sub(r":\[\d+\]", "", to).replace(" ", "_")
        kinds[re.sub(r"-[0-9a-f]+\.spool$", ".spool", to)] += 1
        m = re.search(r"^map_id:\s*(\d+)", info, re.M)
        if m:
            maps.add(int(m[1]))
    return kinds


def process(role, pid, out, maps):
    kinds = descriptors(pid, maps)
    for kind, n in kinds.items():
        out[f"{role}-fd {kind}"] = n
    out[f"{role}-fds"] = sum(kinds.values())
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        m = re.search(r"^Threads:\s*(\d+)", f.read(), re.M)
    out[f"{role}-threads"] = int(m[1])


def bpftool(*args):
    # an object that goes while they are listed is an error of bpftool's
    for _ in range(20):
        p = subprocess.run(["bpftool", "-j", *args], capture_output=True,
                           check=False)
        if p.returncode == 0:
            return [o for o in json.loads(p.stdout or "[]") if "id" in o]
    sys.exit(f"bpftool {args}: {p.stderr.decode()}{p.stdout.decode()}")


def pinned(pins, out, maps):
    for top, _, files in os.walk(pins):
        for name in files:
            path = os.path.join(top, name)
            out[f"pin {os.path.relpath(path, pins)}"] = 1
            if "/links" not in path:
                p = subprocess.run(["bpftool", "-j", "map", "show", "pinned",
                                    path], capture_output=True, check=False)
                if p.returncode == 0:
                    maps.add(json.loads(p.stdout)["id"])


def main():
    ever, pins, pids = sys.argv[1], sys.argv[2], sys.argv[3:]
    out, maps = {}, set()
    if os.path.exists(ever):
        with open(ever, encoding="ascii") as f:
            maps = set(map(int, f.read().split()))
    for role, pid in zip(("keeper", "meter"), pids):
        process(role, pid, out, maps)
    pinned(pins, out, maps)
    progs, before = [], None
    every = bpftool("prog", "show")
    while before != len(maps):
        before = len(maps)
        progs = [p for p in every if maps.intersection(p.get("map_ids", []))]
        for p in progs:
            maps.update(p["map_ids"])
    ids = {p["id"] for p in progs}
    for name, n in collections.Counter(p.get("name") for p in progs).items():
        out[f"program {name}"] = n
    ours = [m for m in bpftool("map", "show") if m["id"] in maps]
    for name, n in collections.Counter(m.get("name") for m in ours).items():
        out[f"map {name}"] = n
    out["maps"], out["programs"] = len(ours), len(progs)
    out["links"] = sum(k.get("prog_id") in ids for k in bpftool("link", "show"))
    with open(ever, "w", encoding="ascii") as f:
        f.write(" ".join(map(str, sorted(maps))))
    for name in sorted(out):
        print(name, out[name])


main()
