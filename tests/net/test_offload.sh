#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Large packets at the TC hooks (tests/vm does the same with VLAN tags), and an
# interface whose frames start with the IP header.
. tests/net/offload.sh

# no Ethernet header: the frame is the IP packet
$ctl load 4096 >/dev/null
ip tuntap add mode tun name t0
echo 1 >/proc/sys/net/ipv6/conf/t0/disable_ipv6
ip link set t0 up
ip addr add 10.77.0.1/24 dev t0
$ctl attach t0 | grep -q 'in tcx out tcx' || fail "t0: not TC"
python3 - <<'END'
import fcntl, os, socket, struct
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"t0", 0x1001))
for i in range(1000):
    n = 20 + i % 1400
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, n, i, 0, 64, 253, 0,
                     bytes([192, 0, 2, 1]), bytes([198, 51, 100, 1]))
    os.write(tun, ip + bytes(n - 20))
for i in range(500):
    n = 40 + i % 1400
    ip = struct.pack(">IHBB", 6 << 28, n - 40, 59, 64) + bytes(32)
    os.write(tun, ip + bytes(n - 40))
os.write(tun, b"\x45" + bytes(9))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(700):
    s.sendto(bytes(i % 1400), ("10.77.0.9", 9))
END
$ctl drain t0 rx >"$work/rx"
$ctl drain t0 tx >"$work/tx"
# the sums of the loops above
in4=$(awk 'BEGIN { for (i = 0; i < 1000; i++) s += 20 + i % 1400; print s }')
in6=$(awk 'BEGIN { for (i = 0; i < 500; i++) s += 40 + i % 1400; print s }')
out=$(awk 'BEGIN { for (i = 0; i < 700; i++) s += 28 + i % 1400; print s }')
grep -qx "unknown_as 1500 $((in4 + in6)) $((in4 + in6))" "$work/rx" ||
	fail "t0 rx: $(cat "$work/rx")"
grep -qx "unknown_as 700 $out $out" "$work/tx" ||
	fail "t0 tx: $(cat "$work/tx")"
echo "note: tun: 1,500 in and 700 out, difference 0"
$ctl detach t0
$ctl unpin
