#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes a port inside a network namespace reachable on the host's loopback.

demo-relay.py PORT NETNS-FILE PORT-FILE

Listens on 127.0.0.1:PORT of the present namespace (any free port when that
one is taken), writes the port to PORT-FILE, then moves to the namespace and
connects each client to 127.0.0.1:PORT there.
"""
import ctypes
import os
import socket
import sys
import threading

CLONE_NEWNET = 0x40000000


def pump(src, dst):
    try:
        while data := src.recv(65536):
            dst.sendall(data)
        dst.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, port):
    try:
        with client, socket.create_connection(("127.0.0.1", port), 5) as up:
            back = threading.Thread(target=pump, args=(up, client))
            back.start()
            pump(client, up)
            back.join()
    except OSError:
        pass


def main():
    port = int(sys.argv[1])
    try:
        lsock = socket.create_server(("127.0.0.1", port))
    except OSError:
        lsock = socket.create_server(("127.0.0.1", 0))
    with open(sys.argv[2], "rb") as ns:
        if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), CLONE_NEWNET):
            sys.exit("setns: " + os.strerror(ctypes.get_errno()))
    with open(sys.argv[3], "w", encoding="ascii") as f:
        f.write(f"{lsock.getsockname()[1]}\n")
    while True:
        client, _ = lsock.accept()
        threading.Thread(target=serve, args=(client, port), daemon=True).start()


main()
