#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An iBGP neighbour that cannot make up its mind.

bgp_churn.py FROM TO AS PREFIXES RATE

PREFIXES has lines "prefix asn": announced with these origins, and preferred to
everybody else's. Commands on standard input, each answered by its own name:

  churn     from now on RATE updates a second, in bursts: the origins of
            PREFIXES change to asn + 1,000,000 and back, and 8,000 other
            prefixes come and go
  settle N  no more of it: PREFIXES as at first, all the others withdrawn, and
            198.18.0.0/15 with the origin 4,000,000 + N behind it
  drop      the connection goes without a word, and comes back with PREFIXES
  count     prints the number of updates so far, too

It connects again whenever the far end is gone; ends with its input.
"""
import ipaddress
import random
import select
import socket
import struct
import sys
import time

MARK = b"\xff" * 16
SHIFT = 1000000
OTHERS = 4000  # of each family
MARKER = "198.18.0.0/15"


def message(kind, body=b""):
    return MARK + struct.pack(">HB", 19 + len(body), kind) + body


def hello(asn, addr):
    caps = b"".join(struct.pack(">BBHBB", 1, 4, afi, 0, 1) for afi in (1, 2))
    caps += struct.pack(">BBI", 65, 4, asn)
    opt = struct.pack(">BB", 2, len(caps)) + caps
    return message(1, struct.pack(">BHH4sB", 4, min(asn, 23456), 90,
                                  socket.inet_aton(addr), len(opt)) + opt)


def nlri(net):
    return bytes([net.prefixlen]) + net.network_address.packed[
        :(net.prefixlen + 7) // 8]


def announce(net, origin):
    attrs = (b"\x40\x01\x01\x00" +
             b"\x40\x02\x06\x02\x01" + struct.pack(">I", origin) +
             b"\x40\x05\x04" + struct.pack(">I", 200))
    if net.version == 4:
        attrs += b"\x40\x03\x04" + socket.inet_aton("10.0.0.3")
        return message(2, b"\0\0" + struct.pack(">H", len(attrs)) + attrs +
                       nlri(net))
    hop = socket.inet_pton(socket.AF_INET6, "2001:db8::3")
    reach = struct.pack(">HBB", 2, 1, 16) + hop + b"\0" + nlri(net)
    attrs += b"\x80\x0e" + bytes([len(reach)]) + reach
    return message(2, b"\0\0" + struct.pack(">H", len(attrs)) + attrs)


def withdraw(net):
    n = nlri(net)
    if net.version == 4:
        return message(2, struct.pack(">H", len(n)) + n + b"\0\0")
    body = struct.pack(">HB", 2, 1) + n
    attrs = b"\x80\x0f" + bytes([len(body)]) + body
    return message(2, b"\0\0" + struct.pack(">H", len(attrs)) + attrs)


END_OF_RIB = (message(2, b"\0\0\0\0") +
              message(2, b"\0\0\0\x06\x80\x0f\x03\0\x02\x01"))


def others():
    """Half of them in the Internet's table already, half of them new."""
    for i in range(OTHERS):
        yield ipaddress.ip_network(f"5.{i // 256}.{i % 256}.0/24")
        yield ipaddress.ip_network(f"2001:db8:{i + 1:x}::/48")


class Speaker:
    def __init__(self, src, dst, asn, prefixes, rate):
        self.src, self.dst, self.asn, self.rate = src, dst, asn, rate
        self.rnd = random.Random(asn)
        self.base = []
        with open(prefixes, encoding="ascii") as f:
            for line in f:
                net, origin = line.split()
                net, origin = ipaddress.ip_network(net), int(origin)
                self.base.append((announce(net, origin),
                                  announce(net, origin + SHIFT)))
        self.other = [(announce(n, 300000 + i), announce(n, 500000 + i),
                       withdraw(n)) for i, n in enumerate(others())]
        self.there = set()
        self.sock = None
        self.churning, self.sent = False, 0
        self.heard = self.said = 0.0

    def open(self):
        """Up to the far end's OPEN, and the table behind it."""
        while True:
            s = socket.socket()
            try:
                s.settimeout(5)
                s.bind((self.src, 0))
                s.connect((self.dst, 179))
                s.sendall(hello(self.asn, self.src))
                head = s.recv(19, socket.MSG_WAITALL)
                if len(head) == 19 and head[18] == 1:
                    s.recv(struct.unpack_from(">H", head, 16)[0] - 19,
                           socket.MSG_WAITALL)
                    s.sendall(message(4) + b"".join(b for b, _ in self.base) +
                              END_OF_RIB)
                    break
            except OSError:
                pass
            s.close()
            time.sleep(0.3)
        s.settimeout(30)
        self.sock, self.there = s, set()
        self.heard = self.said = time.monotonic()

    def send(self, data):
        """Connects again instead, when the far end is gone."""
        try:
            self.sock.sendall(data)
            self.said = time.monotonic()
            return True
        except OSError:
            self.drop()
            return False

    def drop(self):
        # linger 0: reset, not closed
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()
        self.open()

    def one(self):
        if self.rnd.random() < 0.3:
            return self.rnd.choice(self.base)[self.rnd.randrange(2)]
        i = self.rnd.randrange(len(self.other))
        if i in self.there and self.rnd.random() < 0.5:
            self.there.discard(i)
            return self.other[i][2]
        self.there.add(i)
        return self.other[i][self.rnd.randrange(2)]

    def burst(self, seconds):
        n = int(self.rate * seconds)
        if self.send(b"".join(self.one() for _ in range(n))):
            self.sent += n

    def settle(self, n):
        net = ipaddress.ip_network(MARKER)
        while not self.send(b"".join(b for b, _ in self.base) +
                            b"".join(o[2] for o in self.other) +
                            announce(net, 4000000 + n)):
            pass

    def command(self, line):
        word, *args = line.split()
        if word == "churn":
            self.churning = True
        elif word == "settle":
            self.churning = False
            self.settle(int(args[0]))
        elif word == "drop":
            self.drop()
        elif word == "count":
            print(self.sent, end=" ")
        print(line.strip(), flush=True)

    def run(self):
        self.open()
        print("up", flush=True)
        due = time.monotonic()
        while True:
            now = time.monotonic()
            ready, _, _ = select.select([sys.stdin.buffer.raw, self.sock], [],
                                        [], max(0.0, min(1.0, due - now)))
            if self.sock in ready:
                try:
                    if not self.sock.recv(65536):
                        self.drop()
                except OSError:
                    self.drop()
            if sys.stdin.buffer.raw in ready:
                line = sys.stdin.buffer.raw.readline().decode()
                if not line:
                    return
                self.command(line)
            now = time.monotonic()
            if now - self.said > 10:
                self.send(message(4))
            if now >= due:
                # four seconds of it, two of silence
                if self.churning and now % 6 < 4:
                    self.burst(0.1)
                due = now + 0.1


Speaker(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4],
        int(sys.argv[5])).run()
