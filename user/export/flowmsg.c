/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/flowmsg.h"

#include <stdio.h>
#include <string.h>

#include "export/json.h"
#include "export/pbuf.h"
#include "flowmsg.pb-c.h"

#define NS UINT64_C(1000000000)

typedef Asmeter__FlowMessage message; /* the generator's name for it */

/* The addresses of one message, as bytes. */
struct scratch {
	uint8_t addr[8][16];
	unsigned n;
};

/* Nothing for an address of all zeroes: it is not known. */
static ProtobufCBinaryData addr_bytes(struct scratch *s, const struct addr *a)
{
	ProtobufCBinaryData d = {.len = a->family == FAMILY_IP4 ? 4 : 16};
	uint8_t *p = s->addr[s->n++];

	if (!a->hi && !a->lo)
		return (ProtobufCBinaryData){0};
	for (unsigned i = 0; i < 16; i++)
		p[i] = (uint8_t)((i < 8 ? a->hi : a->lo) >> (56 - i % 8 * 8));
	d.data = p;
	return d;
}

static uint64_t mac_number(const uint8_t mac[6])
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 6; i++)
		v = v << 8 | mac[i];
	return v;
}

static uint64_t bytes_of(const struct flow *f)
{
	return f->wire_bytes ? f->wire_bytes : f->ip_bytes;
}

/* ------------------------------------------------------------- protobuf */

static void put_ip(const struct flow *f, message *m, struct scratch *s)
{
	if (!(f->has & FLOW_HAS_IP))
		return;
	m->srcaddr = addr_bytes(s, &f->ip.src);
	m->dstaddr = addr_bytes(s, &f->ip.dst);
	m->proto = f->ip.proto;
	m->srcport = f->ip.src_port;
	m->dstport = f->ip.dst_port;
	m->iptos = f->ip.tos;
	m->ipttl = f->ip.ttl;
	m->tcpflags = f->ip.tcp_flags;
	m->icmptype = f->ip.icmp_type;
	m->icmpcode = f->ip.icmp_code;
	m->fragmentid = f->ip.frag_id;
	m->fragmentoffset = f->ip.frag_off / 8;
	m->ipv6flowlabel = f->ip.flow_label;
	if (f->ip.eth_proto)
		m->etype = f->ip.eth_proto;
}

static void put_inner(const struct flow *f, message *m, struct scratch *s)
{
	if (!(f->has & FLOW_HAS_TUNNEL))
		return;
	m->hasencap = 1;
	if (!(f->inner_has & FLOW_HAS_IP))
		return;
	m->srcaddrencap = addr_bytes(s, &f->inner.src);
	m->dstaddrencap = addr_bytes(s, &f->inner.dst);
	m->protoencap = f->inner.proto;
	m->etypeencap = f->inner.eth_proto;
	m->iptosencap = f->inner.tos;
	m->ipttlencap = f->inner.ttl;
	m->ipv6flowlabelencap = f->inner.flow_label;
	m->fragmentidencap = f->inner.frag_id;
	m->fragmentoffsetencap = f->inner.frag_off / 8;
}

/* Label stack entries: label 31..12, TTL 7..0 (RFC 3032). */
static void put_mpls(const struct flow *f, message *m)
{
	uint32_t *const at[][2] = {{&m->mpls1label, &m->mpls1ttl},
				   {&m->mpls2label, &m->mpls2ttl},
				   {&m->mpls3label, &m->mpls3ttl}};

	if (!f->n_labels)
		return;
	m->hasmpls = 1;
	m->mplscount = f->n_labels;
	for (unsigned i = 0; i < 3 && i < f->n_labels; i++) {
		*at[i][0] = f->label[i] >> 12;
		*at[i][1] = f->label[i] & 0xff;
	}
	m->mplslastlabel = f->label[f->n_labels - 1] >> 12;
	m->mplslastttl = f->label[f->n_labels - 1] & 0xff;
}

static void put_routes(const struct flow *f, message *m, struct scratch *s,
		       uint32_t *path, uint32_t *comm)
{
	m->srcas = f->src_as;
	m->dstas = f->dst_as;
	m->srcnet = f->src_plen;
	m->dstnet = f->dst_plen;
	m->nexthopas = f->dst_peer_as;
	m->nexthop = addr_bytes(s, &f->next_hop);
	m->bgpnexthop = m->nexthop;
	m->n_aspath = f->path_len < FLOWMSG_HOPS ? f->path_len : FLOWMSG_HOPS;
	m->n_bgpcommunities =
		f->comm_len < FLOWMSG_HOPS ? f->comm_len : FLOWMSG_HOPS;
	if (m->n_aspath)
		memcpy(path, f->path, m->n_aspath * sizeof(*path));
	if (m->n_bgpcommunities)
		memcpy(comm, f->comm, m->n_bgpcommunities * sizeof(*comm));
	m->aspath = path;
	m->bgpcommunities = comm;
}

void flow_protobuf(const struct flow *f, struct buf *ret)
{
	static const Asmeter__FlowMessage__FlowType types[FLOW_SOURCES] = {
		[FLOW_SAMPLE] = ASMETER__FLOW_MESSAGE__FLOW_TYPE__SFLOW_5,
		[FLOW_SFLOW5] = ASMETER__FLOW_MESSAGE__FLOW_TYPE__SFLOW_5,
		[FLOW_NETFLOW5] = ASMETER__FLOW_MESSAGE__FLOW_TYPE__NETFLOW_V5,
		[FLOW_NETFLOW9] = ASMETER__FLOW_MESSAGE__FLOW_TYPE__NETFLOW_V9,
		[FLOW_IPFIX] = ASMETER__FLOW_MESSAGE__FLOW_TYPE__IPFIX,
	};
	uint32_t path[FLOWMSG_HOPS], comm[FLOWMSG_HOPS];
	struct scratch s = {.n = 0};
	message m;

	asmeter__flow_message__init(&m);
	m.type = types[f->source];
	m.timereceived = f->received_ns / NS;
	m.timeflowstart = f->start_ns / NS;
	m.timeflowend = f->end_ns / NS;
	m.samplingrate = f->rate;
	m.sequencenum = f->seq;
	m.sampleraddress = addr_bytes(&s, &f->exporter);
	m.bytes = bytes_of(f);
	m.packets = f->packets;
	m.inif = f->in_if;
	m.outif = f->out_if;
	m.flowdirection = f->dir;
	m.srcmac = mac_number(f->src_mac);
	m.dstmac = mac_number(f->dst_mac);
	m.vlanid = f->n_vlans ? f->vlan[0] : 0;
	m.etype = f->eth_proto;
	put_ip(f, &m, &s);
	put_inner(f, &m, &s);
	put_mpls(f, &m);
	put_routes(f, &m, &s, path, comm);
	pbuf_delimited(ret, &m.base);
}

/* ----------------------------------------------------------------- JSON */

static void js_addr(struct jw *j, const char *key, const struct addr *a)
{
	char text[PREFIX_STRLEN];

	if (a->hi || a->lo)
		jw_str(j, key, addr_str(a, text));
}

static void js_mac(struct jw *j, const char *key, const uint8_t m[6])
{
	char text[20];

	(void)snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x",
		       m[0], m[1], m[2], m[3], m[4], m[5]);
	jw_str(j, key, text);
}

static void js_list(struct jw *j, const char *key, const uint32_t *v, size_t n)
{
	jw_array(j, key);
	for (size_t i = 0; i < n; i++)
		jw_u64(j, NULL, v[i]);
	jw_close(j);
}

static void js_ip(struct jw *j, const struct flow_ip *ip, uint32_t has)
{
	js_addr(j, "SrcAddr", &ip->src);
	js_addr(j, "DstAddr", &ip->dst);
	jw_u64(j, "Proto", ip->proto);
	jw_u64(j, "IPTos", ip->tos);
	jw_u64(j, "IPTTL", ip->ttl);
	jw_u64(j, "IPv6FlowLabel", ip->flow_label);
	if (has & FLOW_HAS_PORTS) {
		jw_u64(j, "SrcPort", ip->src_port);
		jw_u64(j, "DstPort", ip->dst_port);
	}
	if (has & FLOW_HAS_TCP)
		jw_u64(j, "TCPFlags", ip->tcp_flags);
	if (has & FLOW_HAS_ICMP) {
		jw_u64(j, "IcmpType", ip->icmp_type);
		jw_u64(j, "IcmpCode", ip->icmp_code);
	}
	if (has & FLOW_HAS_FRAG) {
		jw_u64(j, "FragmentId", ip->frag_id);
		jw_u64(j, "FragmentOffset", ip->frag_off / 8);
	}
}

static void js_layer2(struct jw *j, const struct flow *f)
{
	if (f->has & FLOW_HAS_ETH) {
		js_mac(j, "SrcMac", f->src_mac);
		js_mac(j, "DstMac", f->dst_mac);
	}
	jw_u64(j, "Etype",
	       f->has & FLOW_HAS_IP && f->ip.eth_proto ? f->ip.eth_proto
						       : f->eth_proto);
	if (f->n_vlans) {
		jw_u64(j, "VlanId", f->vlan[0]);
		jw_array(j, "Vlans");
		for (unsigned i = 0; i < f->n_vlans; i++)
			jw_u64(j, NULL, f->vlan[i]);
		jw_close(j);
	}
	if (f->n_labels) {
		jw_array(j, "MPLSLabels");
		for (unsigned i = 0; i < f->n_labels; i++)
			jw_u64(j, NULL, f->label[i] >> 12);
		jw_close(j);
	}
}

static void js_routes(struct jw *j, const struct flow *f)
{
	jw_u64(j, "SrcAS", f->src_as);
	jw_u64(j, "DstAS", f->dst_as);
	jw_u64(j, "SrcNet", f->src_plen);
	jw_u64(j, "DstNet", f->dst_plen);
	jw_u64(j, "PrevHopAS", f->src_peer_as);
	jw_u64(j, "NextHopAS", f->dst_peer_as);
	js_addr(j, "NextHop", &f->next_hop);
	js_list(j, "AsPath", f->path, f->path_len);
	js_list(j, "BgpCommunities", f->comm, f->comm_len);
}

void flow_json(const struct flow *f, const char *router, struct buf *ret)
{
	static const char *const types[FLOW_SOURCES] = {"SAMPLE", "SFLOW_5",
							"NETFLOW_V5",
							"NETFLOW_V9", "IPFIX"};
	struct jw j = jw_init(ret);

	jw_object(&j, NULL);
	jw_str(&j, "Type", types[f->source]);
	jw_str(&j, "Label", router);
	jw_u64(&j, "TimeReceived", f->received_ns / NS);
	jw_u64(&j, "TimeFlowStart", f->start_ns / NS);
	jw_u64(&j, "TimeFlowEnd", f->end_ns / NS);
	jw_u64(&j, "SamplingRate", f->rate);
	jw_u64(&j, "SequenceNum", f->seq);
	js_addr(&j, "SamplerAddress", &f->exporter);
	jw_u64(&j, "Packets", f->packets);
	jw_u64(&j, "Bytes", bytes_of(f));
	jw_u64(&j, "IPBytes", f->ip_bytes);
	jw_u64(&j, "InIf", f->in_if);
	jw_u64(&j, "OutIf", f->out_if);
	jw_u64(&j, "FlowDirection", f->dir);
	js_layer2(&j, f);
	if (f->has & FLOW_HAS_IP)
		js_ip(&j, &f->ip, f->has);
	if (f->has & FLOW_HAS_TUNNEL && f->inner_has & FLOW_HAS_IP) {
		jw_object(&j, "Encap");
		js_ip(&j, &f->inner, f->inner_has);
		jw_end(&j);
	}
	js_routes(&j, f);
	jw_end(&j);
}
