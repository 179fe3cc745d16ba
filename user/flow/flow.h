/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One flow record, whatever it came from: a packet sample of our own, and
 * later sFlow (sflow.org version 5), NetFlow (RFC 3954) and IPFIX (RFC 7011)
 * of other routers. A plain value: filled in by decoders, completed from the
 * routes, read by exporters; nothing in it is owned but what `path` and
 * `comm` point to, which is the attribute set's and valid until the RIB
 * changes.
 *
 * What is not known is 0; where 0 is also a value, a bit of `has` tells.
 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "route/prefix.h"

#define FLOW_VLANS_MAX  4
#define FLOW_LABELS_MAX 16

enum flow_source {
	FLOW_SAMPLE = 0, /* a packet header taken by this machine */
	FLOW_SFLOW5,
	FLOW_NETFLOW5,
	FLOW_NETFLOW9,
	FLOW_IPFIX,
	FLOW_SOURCES
};

#define FLOW_HAS_ETH    (1u << 0) /* MACs and EtherType */
#define FLOW_HAS_IP     (1u << 1) /* family, addresses, proto, tos, ttl */
#define FLOW_HAS_PORTS  (1u << 2) /* src_port and dst_port */
#define FLOW_HAS_TCP    (1u << 3) /* tcp_flags */
#define FLOW_HAS_ICMP   (1u << 4) /* icmp_type and icmp_code */
#define FLOW_HAS_FRAG   (1u << 5) /* a fragment: frag_id and frag_off */
#define FLOW_HAS_TUNNEL (1u << 6) /* `inner` */
#define FLOW_HAS_ROUTES (1u << 7) /* asked the RIB: the fields of it */
#define FLOW_CUT        (1u << 8) /* the header ends before all was read */
#define FLOW_BAD        (1u << 9) /* a header contradicts itself */

/* The source itself said src_as and dst_as: they stay (enrich.h). */
#define FLOW_HAS_AS (1u << 10)

/* Outer or inner IP header and what follows it. */
struct flow_ip {
	struct addr src, dst; /* outer and inner may differ in family */
	uint32_t flow_label;  /* IPv6, 20 bits */
	uint32_t frag_id;     /* IPv4: 16 bits */
	uint16_t frag_off;    /* in bytes */
	uint16_t eth_proto;   /* 0x0800 or 0x86dd */
	uint16_t src_port, dst_port;
	uint8_t proto; /* behind all extension headers */
	uint8_t tos;   /* IPv6: traffic class */
	uint8_t ttl;   /* IPv6: hop limit */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
};

/* The start of the sampled packet itself, for exporters that pass it on
 * (sFlow). Belongs to whoever took the sample, for the duration of a call. */
struct flow_head {
	const uint8_t *data;
	uint32_t cap_len;  /* bytes at data */
	uint32_t wire_len; /* of the whole frame */
	bool no_l2;        /* starts with the IP header */
};

struct flow {
	uint32_t has;   /* FLOW_* */
	uint8_t source; /* enum flow_source */
	uint8_t dir;    /* enum asm_dir at the metered interface */
	uint8_t n_vlans, n_labels;

	/* when and where; nanoseconds since the epoch, UTC */
	uint64_t received_ns;
	uint64_t start_ns, end_ns;
	struct addr exporter;
	uint32_t seq;   /* of the exporter's messages or samples */
	uint32_t rate;  /* one of `rate` packets was sampled; 1: all */
	uint32_t in_if; /* SNMP ifIndex; 0: not known */
	uint32_t out_if;

	/* what the record stands for before it is multiplied by rate */
	uint64_t packets;
	uint64_t ip_bytes;   /* IPv4 total length; IPv6 payload length + 40 */
	uint64_t wire_bytes; /* Ethernet frame without FCS */

	/* layer 2 */
	uint8_t src_mac[6], dst_mac[6];
	uint16_t eth_proto;              /* behind the VLAN tags */
	uint16_t vlan[FLOW_VLANS_MAX];   /* VLAN ids, outermost first */
	uint32_t label[FLOW_LABELS_MAX]; /* whole label stack entries (RFC 3032)
					  */

	struct flow_ip ip;
	struct flow_ip inner; /* of the first tunnel */
	uint32_t inner_has;   /* FLOW_HAS_IP/PORTS/TCP/ICMP/FRAG of inner */

	/* from the routes (FLOW_HAS_ROUTES), see enrich.h; the two ASes are
	 * what the packet was counted to */
	uint32_t src_as, dst_as; /* 0: no route */
	uint8_t src_plen, dst_plen;
	uint32_t src_peer_as; /* neighbour AS towards the source */
	uint32_t dst_peer_as; /* neighbour AS towards the destination */
	struct addr next_hop; /* BGP next hop towards the destination */
	const uint32_t *path; /* AS path towards the destination */
	const uint32_t *comm; /* its communities (RFC 1997) */
	uint16_t path_len, comm_len;
	uint32_t local_pref; /* 0: the route carries none */
};

#endif
