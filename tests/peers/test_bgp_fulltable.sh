#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The whole Internet table, as in libloc's database, through a real BIRD 2:
# bgpfeed (a provider, eBGP) -> BIRD -> us (iBGP, both families). Every prefix
# must arrive with its origin AS; then the session goes and comes back, and
# the stale table is renewed without a gap; then all of it is withdrawn.
# shellcheck disable=SC1091,SC2154 # "dir" and all functions come from there
. "$(dirname "$0")/bgp_lib.sh"

net_up
conf() { # OPTIONS-OF-THE-SESSION OPTIONS-OF-THE-CHANNELS
	cat <<-END
	router id 10.0.0.2;
	protocol device { }
	protocol bgp provider {
		local 127.0.0.1 as 64512;
		neighbor 127.0.0.2 port 1790 as 64999;
		multihop;
		connect delay time 1;
		ipv4 { import all; export none; };
		ipv6 { import all; export none; };
	}
	protocol bgp customer {
		local 10.0.0.2 as 64512;
		neighbor 10.0.0.1 as 64512;
		passive;
		graceful restart on;
		$1
		ipv4 { import none; export where source = RTS_BGP; next hop self; $2 };
		ipv6 { import none; export where source = RTS_BGP; next hop self; $2 };
	}
	END
}
bc() { ip netns exec d birdc -s "$dir/bird.ctl" "$@"; }
sent() { grep -q '^sent' "$dir/bgpfeed.log"; }
# word KEY of the answer to a command
word() { ask "$2" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
# The RIB holds exactly the database, no prefix more or less or elsewhere.
check_all() {
	local got
	got=$(ask checkloc)
	case $got in
	"rc=0 loc4=$n4 loc6=$n6 rib4=$n4 rib6=$n6 wrong=0") ;;
	*) fail "after $1: $got" ;;
	esac
}
complete() {
	wait_field 120 10.0.0.2 eor4 1
	wait_field 120 10.0.0.2 eor6 1
}

ip netns exec d "$B/tests/net/bgpfeed" -a 64999 -l 127.0.0.2:1790 -6 fd00::2 \
	>"$dir/bgpfeed.log" 2>&1 &
feed_pid=$!
conf '' '' >"$dir/bird.conf"
ip netns exec d bird -c "$dir/bird.conf" -s "$dir/bird.ctl" \
	-P "$dir/bird.pid" -D "$dir/bird.log" || fail "BIRD does not start"
until_true 120 sent || fail "the provider did not send"
read -r _ n4 _ n6 _ < <(grep '^sent' "$dir/bgpfeed.log")
[ "$n4" -gt 900000 ] && [ "$n6" -gt 150000 ] || fail "no full table: $n4 $n6"
has_all() { bc show route count | grep -q "^Total: $((n4 + n6)) "; }
until_true 60 has_all || fail "BIRD did not take the table"

sink_start -a 64512 -i 10.0.0.1 -p 10.0.0.2,as=64512,retry=1,add-path=1
complete
check_all "the first feed"
ms=$(word complete4_ms mem)
[ "$ms" -gt "$(word complete6_ms mem)" ] || ms=$(word complete6_ms mem)
echo "note: full table from BIRD: $n4 IPv4 + $n6 IPv6 prefixes," \
	"$ms ms to the last End-of-RIB," \
	"$(word cpu_ms mem) ms CPU, $(word maxrss_kb mem) kB at the peak," \
	"$(word attrs mem) attribute sets"

# The session goes; nothing is lost meanwhile, nor when it is back, now with
# messages of up to 65,535 bytes (RFC 8654) and path identifiers (RFC 7911).
conf 'enable extended messages on;' 'add paths tx;' >"$dir/bird.conf"
bc configure >"$dir/birdc.log" || fail "BIRD refused it"
wait_field 30 10.0.0.2 flaps 1
[ "$(ask count)" = "$n4 $n6" ] || fail "routes lost: $(ask count)"
wait_field 30 10.0.0.2 state established
complete
check_all "the second feed"
[ "$(field 10.0.0.2 addpath4)" = 1 ] || fail "no ADD-PATH"
[ $((0x$(field 10.0.0.2 caps) & 16)) = 16 ] || fail "no extended messages"
[ "$(field 10.0.0.2 stale_expired)" = 0 ] || fail "stale timer took routes"

# The provider goes: BIRD withdraws everything.
kill "$feed_pid"
wait_field 60 10.0.0.2 paths4 0
wait_field 60 10.0.0.2 paths6 0
[ "$(ask count)" = "0 0" ] || fail "left: $(ask count)"
[ "$(word attrs mem)" = 0 ] || fail "attribute sets left: $(ask mem)"
[ "$(field 10.0.0.2 flaps)" = 1 ] || fail "the session flapped"
finish
