#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""HTTP clients that take their time, and come back when they are thrown out.

slow_clients.py N TARGET [one|many]

TARGET is a port of 127.0.0.1 or the path of a Unix socket. Of the N clients
that hold a connection each, a third send a head that never ends, byte by byte;
a third ask for the metrics page and read it byte by byte; a third say nothing.
They come from one address or from one each. Prints "held" when all of them
have connected once; at SIGTERM how often they were thrown out.
"""
import heapq
import resource
import select
import signal
import socket
import sys
import time

TICK = 0.5
HEAD = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
REQUEST = HEAD + b"\r\n"


class Client:
    def __init__(self, i, target, many):
        self.i, self.target = i, target
        self.src = f"127.1.{i // 250}.{i % 250 + 1}" if many else "127.0.0.1"
        self.sock = None

    def open(self):
        unix = self.target.startswith("/")
        s = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        if self.i % 3 == 1:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        if not unix:
            s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            s.bind((self.src, 0))
        s.setblocking(False)
        err = s.connect_ex(self.target if unix
                           else ("127.0.0.1", int(self.target)))
        if err not in (0, 115):  # EINPROGRESS
            s.close()
            return False
        self.sock, self.sent = s, 0
        return True

    def act(self):
        """One byte's worth."""
        try:
            if self.i % 3 == 0:
                text = HEAD if self.sent < len(HEAD) else b"X-A: b\r\n"
                self.sock.send(text[self.sent % len(text):][:1])
                self.sent += 1
            elif self.i % 3 == 1 and not self.sent:
                self.sent = self.sock.send(REQUEST)
            elif self.i % 3 == 1:
                self.sock.recv(1)
        except OSError:
            pass


def main():
    n, target = int(sys.argv[1]), sys.argv[2]
    resource.setrlimit(resource.RLIMIT_NOFILE, (n + 100, n + 100))
    clients = [Client(i, target, sys.argv[3:] == ["many"]) for i in range(n)]
    done, opened, thrown, held = [], set(), 0, False
    signal.signal(signal.SIGTERM, lambda *_: done.append(1))
    hung_up = select.epoll()
    by_fd = {}
    due = [(0.0, c.i) for c in clients]
    while not done:
        for fd, _ in hung_up.poll(0.005):
            c = by_fd.pop(fd)
            c.sock.close()
            c.sock = None
            thrown += 1
        now = time.monotonic()
        while due and due[0][0] <= now:
            c = clients[heapq.heappop(due)[1]]
            wait = TICK
            if c.sock:
                c.act()
            elif c.open():
                by_fd[c.sock.fileno()] = c
                hung_up.register(c.sock, select.EPOLLRDHUP)
                opened.add(c.i)
                if len(opened) == n and not held:
                    held = True
                    print("held", flush=True)
                wait = 0.01
            heapq.heappush(due, (now + wait, c.i))
    print("thrown out", thrown, flush=True)


main()
