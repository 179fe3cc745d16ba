/* SPDX-License-Identifier: BSD-2-Clause */
/* The meter's answers: fills the API's context from its parts. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/meter_int.h"
#include "version.h"

static void refresh_ifaces(struct meter *m)
{
	for (size_t i = 0; i < m->n_ifaces; i++) {
		const struct ipc_msg *src = &m->ifaces[i];
		struct api_iface *dst = &m->api_ifaces[i];
		const struct ifstat *st =
			books_ifstat(m->books, src->iface.ifindex);

		uint64_t lost = src->iface.lost_ns,
			 now = (uint64_t)mono_now().ns;

		*dst = (struct api_iface){
			.gap_ns = src->iface.gap_ns +
				  (lost && lost < now ? now - lost : 0),
			.ifindex = src->iface.ifindex,
			.in = (enum attach_mode)src->iface.mode_in,
			.out = (enum attach_mode)src->iface.mode_out,
			.reattached = src->iface.reattached,
			.have_stats = st != NULL,
		};
		memcpy(dst->name, src->iface.name, sizeof(dst->name));
		memcpy(dst->error, src->text, sizeof(dst->error));
		if (st)
			dst->now = *st;
	}
	m->api.ifaces = m->api_ifaces;
	m->api.n_ifaces = m->n_ifaces;
}

/* One word for both families, the better source first. */
static const char *source_of(const struct routes_info *ri)
{
	static const char *const order[] = {"bgp", "snapshot", "libloc"};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		for (unsigned f = 0; f < FAMILIES; f++) {
			if (!strcmp(ri->source[f], order[i]))
				return order[i];
		}
	}
	return "none";
}

static void refresh_routes(struct meter *m)
{
	const struct asm_state *st = routes_state(m->routes);
	struct routes_info ri;
	struct api_ctx *a = &m->api;

	routes_info(m->routes, &ri);
	a->table = (struct api_table){
		.live = st->table_published_at != 0,
		.source = source_of(&ri),
		.words_used = ri.table.words_used,
		.words = ri.table.words,
		.as_used = ri.table.as_count,
		.as_max = ASM_AS_SLOTS - 1,
		.epoch = ri.table.epoch,
		.published_at = st->table_published_at,
	};
	a->loc = (struct api_loc){
		.loaded = ri.loc_loaded,
		.created_at = (uint64_t)ri.loc_created_at,
		.names = ri.loc_names,
	};
	memcpy(a->loc.error, ri.loc_error, sizeof(a->loc.error));
	a->state.writes[API_FILE_TABLE] = ri.snap.writes;
	a->state.errors[API_FILE_TABLE] = ri.snap.errors;
	a->state.snapshot_at = (uint64_t)ri.snap.written_at;
	for (unsigned f = 0; f < FAMILIES; f++) {
		a->table.prefixes[f] = ri.table.prefixes[f];
		a->loc.prefixes[f] = ri.loc_prefixes[f];
	}
}

static const char *iface_name(const struct meter *m, uint32_t ifindex)
{
	for (size_t i = 0; i < m->n_ifaces; i++) {
		if (m->ifaces[i].iface.ifindex == ifindex)
			return m->ifaces[i].iface.name;
	}
	return NULL;
}

/* An interface that came back has another slot, and the one that went keeps
 * its counters: one name, one series. */
static size_t refresh_ports(struct meter *m)
{
	size_t n = 0;

	for (; n < samples_ports(m->samples); n++) {
		struct api_samples_port *dst = &m->api_samples[n];
		struct samples_port p;
		const char *name;

		samples_port_get(m->samples, n, &p);
		name = iface_name(m, p.ifindex);
		*dst = (struct api_samples_port){
			.dir = p.dir,
			.rate = p.rate,
			.rate_eff = p.rate_eff,
			.taken = p.taken,
			.lost = p.lost,
			.est_packets = p.est_packets,
			.est_wire_bytes = p.est_wire_bytes,
			.packets = p.packets,
			.wire_bytes = p.wire_bytes,
		};
		if (name)
			memcpy(dst->name, name, sizeof(dst->name));
		else
			(void)snprintf(dst->name, sizeof(dst->name), "%.8s#%u",
				       p.name, p.slot);
	}
	return n;
}

static size_t refresh_rings(struct meter *m)
{
	struct samples_ring r;
	unsigned n = 0;

	for (; n < ASM_XSK_SLOTS && samples_ring_get(m->samples, n, &r); n++) {
		m->api_rings[n].zerocopy = r.fds.zerocopy;
		memcpy(m->api_rings[n].name, r.iface, sizeof(r.iface));
	}
	return n;
}

static void refresh_samples(struct meter *m)
{
	struct api_samples *a = &m->api.samples;
	struct samples_stats st;

	samples_stats(m->samples, &st);
	*a = (struct api_samples){.wanted = m->sampling,
				  .up = m->sampling && st.ring &&
					!m->sampling_error[0],
				  .error = m->sampling_error,
				  .rings = m->taps,
				  .taken = st.taken,
				  .received = st.received,
				  .garbage = st.garbage,
				  .n_lost = SAMPLES_LOST,
				  .ports = m->api_samples};
	for (unsigned i = 0; i < SAMPLES_LOST; i++) {
		a->lost[i].reason = samples_lost_name((enum samples_lost)i);
		a->lost[i].n = st.lost[i];
	}
	a->n_ports = refresh_ports(m);
	a->ring = m->api_rings;
	a->n_rings = refresh_rings(m);
}

static void refresh_flows(struct meter *m)
{
	struct api_flows *f = &m->api.flows;
	struct flows_stats s;

	flows_stats(m->flows, &s);
	f->recent = flows_recent(m->flows);
	memcpy(f->taken, s.taken, sizeof(f->taken));
	f->no_ip = s.no_ip;
	f->no_route = s.no_route;
	f->cut = s.cut;
	f->malformed = s.bad;
}

static void refresh_collector(const struct collector_stats *s,
			      struct api_collector *ret)
{
	char addr[PREFIX_STRLEN];

	(void)snprintf(ret->name, sizeof(ret->name),
		       s->addr.family == FAMILY_IP4 ? "%s:%u" : "[%s]:%u",
		       addr_str(&s->addr, addr), s->port);
	ret->datagrams = s->datagrams;
	ret->samples = s->samples;
	ret->lost = s->lost;
	for (unsigned k = 0; k < COLLECTOR_FAULTS; k++) {
		ret->fault[k].reason =
			collector_fault_name((enum collector_fault)k);
		ret->fault[k].n = s->faults[k];
	}
}

_Static_assert((int)COLLECTOR_FAULTS <= (int)API_FAULTS_MAX, "each is shown");

static void refresh_sflow(struct meter *m)
{
	const struct sflow_out *out = flows_sflow(m->flows);
	const struct collectors *cs = sflow_out_collectors(out);
	struct api_sflow *a = &m->api.sflow;
	struct sflow_out_stats s;

	sflow_out_stats(out, &s);
	a->flows = s.flows;
	a->counters = s.counters;
	a->skipped = s.skipped;
	a->n = collectors_count(cs);
	if (a->n > API_COLLECTORS_MAX)
		a->n = API_COLLECTORS_MAX; /* the configuration's bound, too */
	for (size_t i = 0; i < a->n; i++) {
		struct collector_stats c;

		collectors_stats(cs, i, &c);
		refresh_collector(&c, &a->collector[i]);
	}
}

static void refresh(struct api_ctx *a)
{
	struct meter *m = a->arg;
	struct counters_stats cs;

	books_counters(m->books, &cs);
	a->ledger = books_ledger(m->books);
	a->maps = (struct api_maps){
		.rows_used = cs.rows_used_max,
		.rows = cs.rows,
		.freed_rows = cs.freed_rows,
		.freed_times = cs.freed_times,
		.past = cs.past,
		.past_room = cs.past_room,
		.pairs = cs.pairs,
		.drain_ns = (uint64_t)cs.last_drain_ns,
	};
	books_state(m->books, &a->state.writes[API_FILE_SERIES],
		    &a->state.errors[API_FILE_SERIES]);
	a->bgp_refused = m->peers ? peers_refused(m->peers) : 0;
	a->meter_starts = m->starts;
	a->config_reloads = m->reloads;
	a->config_errors = m->reloads_refused;
	a->has_kafka = streams_stats(m->streams, &a->kafka);
	refresh_routes(m);
	refresh_ifaces(m);
	refresh_samples(m);
	refresh_flows(m);
	refresh_sflow(m);
}

static const char *if_name(void *arg, uint32_t ifindex)
{
	const struct meter *m = arg;
	const struct ifstat *st = books_ifstat(m->books, ifindex);

	return st ? st->name : NULL;
}

static const char *as_name(void *arg, uint32_t asn)
{
	const struct meter *m = arg;

	return routes_as_name(m->routes, asn);
}

static bool lookup(void *arg, const struct addr *addr, uint32_t *ret_as)
{
	const struct meter *m = arg;

	*ret_as = routes_lookup(m->routes, addr);
	return *ret_as != 0;
}

static void each_peer(void *arg, api_peer_fn fn, void *ctx)
{
	const struct meter *m = arg;

	if (m->peers)
		peers_each(m->peers, fn, ctx);
}

void serve_configure(struct meter *m)
{
	(void)snprintf(m->hostname, sizeof(m->hostname), "%s",
		       m->cfg->hostname);
	m->api.router = m->hostname;
	m->api.local_as = m->cfg->local_as;
}

int serve_start(struct meter *m)
{
	struct http_cfg hc = {0};
	struct timespec now;
	int fds[METER_LISTENERS_MAX];

	m->api.version = ASMETER_VERSION;
	m->api.started_at = (uint64_t)time(NULL);
	m->api.started = mono_now();
	m->api.rib = routes_rib(m->routes);
	m->api.refresh = refresh;
	m->api.as_name = as_name;
	m->api.if_name = if_name;
	/* the time in milliseconds: no two meters start in the same one */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	m->api.flows.run = (uint64_t)now.tv_sec * 1000 +
			   (uint64_t)now.tv_nsec / NSEC_PER_MSEC;
	m->api.table_lookup = lookup;
	m->api.peers_each = each_peer;
	m->api.arg = m;
	serve_configure(m);
	refresh(&m->api);
	for (unsigned i = 0; i < m->n_listeners; i++) {
		if (m->listeners[i].kind != IPC_LISTEN_BGP)
			fds[hc.n_listeners++] = m->listeners[i].fd;
	}
	hc.listeners = fds;
	return http_start(&m->loop, &hc, &m->api, &m->http);
}
