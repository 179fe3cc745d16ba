#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""BGP neighbours, good and bad, for the port of asmeterd.

bgp_crowd.py FROM TO good AS [HOLD]     a session with that hold time (3 s);
                                   prints "up", and "lost" when it has passed
                                   unheard
bgp_crowd.py FROM TO slow AS       an OPEN, one byte a second; never reads
bgp_crowd.py FROM TO idle N        N connections, nothing is said
bgp_crowd.py FROM TO stranger N    N connections with an OPEN at once; prints
                                   "closed N answered N"
"""
import socket
import struct
import sys
import time

MARK = b"\xff" * 16


def message(kind, body=b""):
    return MARK + struct.pack(">HB", 19 + len(body), kind) + body


def hello(asn, addr, hold=3):
    caps = struct.pack(">BBHBB", 1, 4, 1, 0, 1) + struct.pack(">BBI", 65, 4, asn)
    opt = struct.pack(">BB", 2, len(caps)) + caps
    return message(1, struct.pack(">BHH4sB", 4, min(asn, 23456), hold,
                                  socket.inet_aton(addr), len(opt)) + opt)


def connect(src, dst):
    return socket.create_connection((dst, 179), 10, (src, 0))


def good(src, dst, asn, hold=3):
    s = connect(src, dst)
    s.sendall(hello(asn, src, hold))
    buf, up, due = b"", False, time.monotonic() + 1
    heard = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= due:
            s.sendall(message(4))
            due = now + 1
        s.settimeout(max(0.01, due - now))
        try:
            data = s.recv(65536)
        except TimeoutError:
            # only here: what waited while we did not run was in time
            if time.monotonic() - heard > hold:
                print("lost", flush=True)
                return
            continue
        if not data:
            print("closed", flush=True)
            return
        buf += data
        while len(buf) >= 19 and len(buf) >= struct.unpack_from(">H", buf, 16)[0]:
            kind, n = buf[18], struct.unpack_from(">H", buf, 16)[0]
            buf = buf[n:]
            heard = time.monotonic()
            if kind == 1:
                s.sendall(message(4))
            elif kind == 4 and not up:
                up = True
                print("up", flush=True)
            elif kind == 3:
                print("notification", flush=True)
                return


def slow(src, dst, asn):
    while True:
        try:
            s = connect(src, dst)
            for byte in hello(asn, src):
                s.send(bytes([byte]))
                time.sleep(1)
        except OSError:
            time.sleep(0.2)


def idle(src, dst, n):
    held = []
    for _ in range(n):
        try:
            held.append(connect(src, dst))
        except OSError:
            pass
    print("held", flush=True)
    time.sleep(600)


def stranger(src, dst, n):
    closed = answered = 0
    for _ in range(n):
        try:
            s = connect(src, dst)
            s.settimeout(10)
            s.sendall(hello(64999, src))
            answered += bool(s.recv(1))
            closed += 1
            s.close()
        except OSError:  # reset: it has not read what came
            closed += 1
    print(f"closed {closed} answered {answered}", flush=True)


{"good": good, "slow": slow, "idle": idle, "stranger": stranger}[sys.argv[3]](
    sys.argv[1], sys.argv[2], *map(int, sys.argv[4:]))
