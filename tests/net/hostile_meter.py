#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Speaks to the keeper in the meter's place: takes the socket of the running
meter and sends what a meter that was taken over could send.

hostile_meter.py PID FD nonsense|keeper|short|descriptors|flood|range|fuzz
"""
import array
import ctypes
import os
import random
import socket
import struct
import sys

MAGIC, VERSION, SIZE = 0x6173746D, 1, 32 + 48 + 256
READY, BEAT, STATUS, RELOADED = 11, 12, 13, 14


def message(kind, text=b""):
    head = struct.pack("=IHHIIQII", MAGIC, VERSION, kind, 0, 0, 0, 0, 0)
    return (head + bytes(48) + text).ljust(SIZE, b"\0")


def main():
    pid, fd, what = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    libc = ctypes.CDLL(None, use_errno=True)
    got = libc.syscall(438, os.pidfd_open(pid), fd, 0)  # pidfd_getfd
    if got < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    sock = socket.socket(fileno=got)
    sock.setblocking(True)
    rng = random.Random(int(os.environ.get("SEED", "1")))
    try:
        if what == "nonsense":
            sock.send(rng.randbytes(SIZE))
        elif what == "keeper":
            for kind in range(1, READY):
                sock.send(message(kind))
        elif what == "short":
            sock.send(message(BEAT)[:-1])
        elif what == "range":
            sock.send(message(65535))
        elif what == "descriptors":
            fds = array.array("i", [0, 1, 2])
            sock.sendmsg([message(BEAT)],
                         [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        elif what == "fuzz":  # any type with any arguments, name and text
            for _ in range(2000):
                m = bytearray(message(rng.randrange(RELOADED + 2), rng.randbytes(200)))
                for _ in range(rng.randrange(6)):
                    m[rng.randrange(4, SIZE)] = rng.randrange(256)
                sock.send(bytes(m[:rng.choice((SIZE, SIZE, SIZE, rng.randrange(SIZE))) or 1]))
        elif what == "flood":  # well formed, and harmless for the meter
            for i in range(30000):
                kind = (READY, BEAT, STATUS, RELOADED)[i % 4]
                sock.send(message(kind, b"%d\nBARRIER=1\033%s" % (i, b"x" * 200)))
    except (BrokenPipeError, ConnectionResetError):
        pass


main()
