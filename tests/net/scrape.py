#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads a metrics page again and again until SIGTERM and holds it to what must
be true of every single answer:

  * no series that counts traffic ever has less than before, or vanishes
  * of each interface, direction and measure: all = attributed + the reasons
  * asmeter_books_difference is 0
  * no value is negative, infinite or not a number

Answers that do not come (the daemon is being killed) do not count. Prints one
line; exit code 1 and the first faults when something was not so.

scrape.py URL [PAUSE]     seconds between two of them (0.02)
"""
import http.client
import re
import signal
import sys
import time
import urllib.request

TRAFFIC = re.compile(
    r"(flow_(receive|transmit)_bytes_total|"
    r"asmeter_interface_(receive|transmit)_"
    r"(attributed_|unattributed_)?(packets|ip_bytes|wire_bytes)_total)\{")
PORT = re.compile(
    r"asmeter_interface_(receive|transmit)_(attributed_|unattributed_)?"
    r'(packets|ip_bytes|wire_bytes)_total\{interface="([^"]*)"')

# What an AS is called can change at any time.
NAME = re.compile(r'(?:source|destination)_as_name="(?:[^"\\]|\\.)*",')


def parse(text):
    v = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            v[NAME.sub("", name)] = value
    return v


def check(v, last, faults):
    sums = {}
    for name, value in v.items():
        if value in ("NaN", "+Inf", "-Inf") or (
                value.startswith("-") and "_ppm" not in name
                and not name.startswith("process_")):
            faults.append(f"{name} is {value}")
        if not TRAFFIC.match(name):
            continue
        n = int(float(value)) if "e" in value else int(value)
        if n < last.get(name, 0):
            faults.append(f"{name}: {last[name]}, then {n}")
        last[name] = n
        m = PORT.match(name)
        if m:
            key = (m[1], m[3], m[4])
            s = sums.setdefault(key, [0, 0])
            s[1 if m[2] else 0] += n
    for name in last:
        if name not in v:
            faults.append(f"{name} has vanished")
    for key, (seen, parts) in sums.items():
        if seen != parts:
            faults.append(f"{key}: {seen} in all, {parts} in its parts")
    if v.get("asmeter_books_difference") != "0":
        faults.append("the books differ: "
                      f"{v.get('asmeter_books_difference')}")


def main():
    done, last, faults, n, missed = [], {}, [], 0, 0
    pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0.02
    signal.signal(signal.SIGTERM, lambda *_: done.append(1))
    while not done and len(faults) < 10:
        try:
            with urllib.request.urlopen(sys.argv[1], timeout=5) as r:
                text = r.read().decode()
        except (OSError, http.client.HTTPException):
            missed += 1
            time.sleep(pause)
            continue
        n += 1
        check(parse(text), last, faults)
        time.sleep(pause)
    for f in faults[:10]:
        print(f)
    print(f"{n} scrapes ({missed} without an answer) of {len(last)} series: "
          "nothing decreased, everything added up" if not faults else
          f"scrape {n}: see above")
    sys.exit(bool(faults) or not n)


main()
