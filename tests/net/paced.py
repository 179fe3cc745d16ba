#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Numbered UDP packets through a router, and what became of them.

paced.py send ADDR PORT SECONDS PER-SECOND    prints the number sent
paced.py recv ADDR PORT                       until the mark of the end;
                                prints "received N lost N reordered N doubled N"
"""
import socket
import struct
import sys
import time

END = 0xFFFFFFFF


def send(addr, port, seconds, rate):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((addr, port))
    n, t0 = 0, time.monotonic()
    while (t := time.monotonic() - t0) < seconds:
        while n < t * rate:
            s.send(struct.pack("=I", n) + bytes(n % 1200))
            n += 1
        time.sleep(0.002)
    for _ in range(5):
        time.sleep(0.1)
        try:
            s.send(struct.pack("=II", END, n))
        except ConnectionRefusedError:  # it has ended with the first mark
            break
    print(n)


def recv(addr, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # as root: more than the system's limit, so that nothing is lost here
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind((addr, port))
    s.settimeout(300)
    print("ready", flush=True)
    got, last, reordered, doubled, sent = set(), -1, 0, 0, None
    while sent is None:
        data = s.recv(65536)
        n = struct.unpack_from("=I", data)[0]
        if n == END:
            sent = struct.unpack_from("=I", data, 4)[0]
            break
        reordered += n < last
        doubled += n in got
        last = max(last, n)
        got.add(n)
    print(f"received {len(got)} lost {sent - len(got)} "
          f"reordered {reordered} doubled {doubled}", flush=True)


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
else:
    recv(sys.argv[2], int(sys.argv[3]))
