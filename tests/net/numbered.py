#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Numbered datagrams through a router: what was lost, what came in the wrong
order, what came twice.

numbered.py recv PORT N FILE    takes N datagrams, or what comes until 5 s pass
                                without one; "ready" into FILE when it listens;
                                prints "received R lost L reordered O twice T"
numbered.py send ADDRESS PORT N
"""
import socket
import struct
import sys
import time

BURST = 32
PAUSE = 0.002


def recv(port, n, ready):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
    s.bind(("0.0.0.0", port))
    s.settimeout(5)
    with open(ready, "w") as f:
        f.write("ready\n")
    s.settimeout(60)
    seen, last, reordered, twice = set(), -1, 0, 0
    try:
        while len(seen) < n:
            (i,) = struct.unpack("!I", s.recv(2048)[:4])
            s.settimeout(5)
            twice += i in seen
            reordered += i < last
            last = max(last, i)
            seen.add(i)
        # one that came twice would come now
        s.settimeout(0.5)
        while True:
            s.recv(2048)
            twice += 1
    except socket.timeout:
        pass
    print(f"received {len(seen)} lost {n - len(seen)} "
          f"reordered {reordered} twice {twice}")


def send(address, port, n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, port))
    for i in range(n):
        s.send(struct.pack("!I", i) + bytes(i % 1000))
        if i % BURST == 0:
            time.sleep(PAUSE)


if sys.argv[1] == "recv":
    recv(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
