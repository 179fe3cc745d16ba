/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/sflow_out.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "export/sflow.h"

#define SOURCES_MAX 1024u      /* interfaces seen; then all begin anew */
#define PACKETS_MAX UINT16_MAX /* segments of a packet, by the kernel */
#define PER_TICK    8u /* interfaces whose counters are read at a time */

struct source {
	uint32_t ifindex;
	uint32_t seq, counter_seq;
	uint64_t seen; /* packets, both directions */
	struct mono counters_at;
	bool counters_sent;
};

struct sflow_out {
	const struct config *cfg;
	const struct books *books;
	struct mono started;
	uv_timer_t timer;
	struct sflow dg;
	struct collectors *to;
	struct source source[SOURCES_MAX];
	uint32_t n_sources;
	struct map by_ifindex;
	uint32_t next_port; /* where reading of counters goes on */
	sflow_lost_fn lost;
	void *lost_ctx;
	struct sflow_out_stats stats;
	bool stopped;
};

static void flush(struct sflow_out *o)
{
	uint32_t n = o->dg.n;
	int64_t up_ns = mono_diff_ns(o->started, mono_now());
	size_t len = sflow_close(&o->dg, (uint32_t)(up_ns / NSEC_PER_MSEC));

	if (len)
		collectors_send(o->to, o->dg.buf, len, n);
}

/* -------------------------------------------------------------- sources */

static void update_seen(struct sflow_out *o, const struct ledger_port *p)
{
	uint32_t i = map_get(&o->by_ifindex, p->ifc.ifindex);

	if (i == MAP_NONE)
		return;
	o->source[i].seen = 0;
	for (unsigned d = 0; d < ASM_DIRS; d++)
		o->source[i].seen += p->books[d].seen.packets;
}

void sflow_out_cut(struct sflow_out *o)
{
	const struct ledger *l = books_ledger(o->books);
	struct ledger_port p;

	for (size_t i = 0; o->n_sources && i < ledger_ports(l); i++) {
		ledger_port_get(l, i, &p);
		update_seen(o, &p);
	}
}

/* NULL: no memory. */
static struct source *source_of(struct sflow_out *o, uint32_t ifindex)
{
	uint32_t i = map_get(&o->by_ifindex, ifindex);

	if (i != MAP_NONE)
		return &o->source[i];
	if (o->n_sources == SOURCES_MAX) {
		map_clear(&o->by_ifindex);
		o->n_sources = 0;
	}
	i = o->n_sources;
	if (map_add(&o->by_ifindex, ifindex, i))
		return NULL;
	o->source[o->n_sources++] = (struct source){.ifindex = ifindex};
	sflow_out_cut(o);
	return &o->source[i];
}

static uint32_t drops_of(const struct sflow_out *o, const struct source *s)
{
	uint64_t n = 0;

	for (unsigned d = 0; o->lost && d < ASM_DIRS; d++)
		n += o->lost(o->lost_ctx, s->ifindex, (enum asm_dir)d);
	return (uint32_t)n;
}

void sflow_out_take(struct sflow_out *o, const struct flow *fl,
		    const struct flow_head *head)
{
	uint32_t ifindex = fl->dir == ASM_DIR_IN ? fl->in_if : fl->out_if;
	struct source *s = NULL;

	if (!collectors_count(o->to) || o->stopped)
		return;
	if (fl->source == FLOW_SAMPLE && head && ifindex)
		s = source_of(o, ifindex);
	if (!s) {
		o->stats.skipped++;
		return;
	}
	struct sflow_flow v = {.flow = fl,
			       .head = head,
			       .head_max = o->cfg->sflow.header,
			       .ifindex = ifindex,
			       .pool = (uint32_t)s->seen, /* wraps */
			       .drops = drops_of(o, s),
			       .local_as = o->cfg->local_as};

	/* a sample of sFlow is one packet: of a large one that the network
	 * card cuts, each packet that was sampled is told */
	for (uint64_t i = 0; i < fl->packets && i < PACKETS_MAX; i++) {
		v.seq = ++s->seq;
		while (!sflow_add_flow(&o->dg, &v))
			flush(o);
		o->stats.flows++;
	}
}

/* ------------------------------------------------------------- counters */

/* IANAifType-MIB */
static uint32_t if_type(uint16_t arphrd)
{
	switch (arphrd) {
	case ARPHRD_ETHER:
		return 6; /* ethernetCsmacd */
	case ARPHRD_PPP:
		return 23;
	case ARPHRD_LOOPBACK:
		return 24; /* softwareLoopback */
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_IP6GRE:
		return 131; /* tunnel */
	default:
		return 1; /* other */
	}
}

static void add_counters(struct sflow_out *o, struct source *s,
			 const struct ifstat *st)
{
	struct sflow_counters v = {
		.ifindex = st->ifindex,
		.seq = ++s->counter_seq,
		.type = if_type(st->arphrd),
		.speed = st->speed_mbps * UINT64_C(1000000),
		.admin_up = st->admin_up,
		.oper_up = st->oper_up,
		.in_octets = st->rx_bytes,
		.in_unicast = (uint32_t)(st->rx_packets - st->rx_multicast),
		.in_multicast = (uint32_t)st->rx_multicast,
		.in_broadcast = UINT32_MAX,
		.in_discards = (uint32_t)st->rx_dropped,
		.in_errors = (uint32_t)st->rx_errors,
		.out_octets = st->tx_bytes,
		.out_unicast = (uint32_t)st->tx_packets,
		.out_multicast = UINT32_MAX,
		.out_broadcast = UINT32_MAX,
		.out_discards = (uint32_t)st->tx_dropped,
		.out_errors = (uint32_t)st->tx_errors,
	};

	while (!sflow_add_counters(&o->dg, &v))
		flush(o);
	o->stats.counters++;
}

/* The tick nearest to the interval is meant, not the next one after it. */
static bool due(const struct sflow_out *o, const struct source *s,
		struct mono now)
{
	int64_t since = mono_diff_ns(s->counters_at, now) / NSEC_PER_MSEC;

	return !s->counters_sent ||
	       since + SFLOW_FLUSH_MS / 2 >= o->cfg->sflow.counter_ms;
}

/* Goes around the metered interfaces, some at each tick, so that none waits
 * longer than the interval and not all come at once. */
static void poll_counters(struct sflow_out *o)
{
	const struct ledger *l = books_ledger(o->books);
	uint32_t n = (uint32_t)ledger_ports(l);
	uint32_t most =
		PER_TICK + n * SFLOW_FLUSH_MS / (o->cfg->sflow.counter_ms + 1);
	struct mono now = mono_now();

	for (uint32_t i = 0; i < n && most; i++) {
		struct ledger_port p;
		struct source *s;
		struct ifstat st;

		ledger_port_get(l, o->next_port++ % n, &p);
		if (!p.ifc.ifindex || !(p.ifc.flags & ASM_IFF_ATTACHED))
			continue;
		s = source_of(o, p.ifc.ifindex);
		if (!s || !due(o, s, now))
			continue;
		most--;
		s->counters_at = now;
		s->counters_sent = true;
		if (!ifstat_get(p.ifc.ifindex, NULL, &st))
			add_counters(o, s, &st);
	}
}

static void on_tick(uv_timer_t *t)
{
	struct sflow_out *o = t->data;

	collectors_tick(o->to);
	if (o->cfg->sflow.counter_ms)
		poll_counters(o);
	flush(o);
}

/* ------------------------------------------------------------- start, end */

static int apply(struct sflow_out *o, const struct config *cfg,
		 const struct addr *agent)
{
	const struct addr was = o->dg.agent;
	uint32_t seq = o->dg.seq;
	int err;

	flush(o);
	o->cfg = cfg;
	err = collectors_set(o->to, cfg->sflow.collectors,
			     cfg->sflow.n_collectors);
	sflow_init(&o->dg, agent, cfg->sflow.max_datagram);
	if (was.family == agent->family && was.hi == agent->hi &&
	    was.lo == agent->lo)
		o->dg.seq = seq; /* the same stream goes on */
	if (collectors_count(o->to))
		(void)uv_timer_start(&o->timer, on_tick, SFLOW_FLUSH_MS,
				     SFLOW_FLUSH_MS);
	else
		(void)uv_timer_stop(&o->timer);
	return err;
}

int sflow_out_start(uv_loop_t *loop, const struct config *cfg,
		    const struct addr *agent, const struct books *books,
		    struct sflow_out **ret)
{
	struct sflow_out *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->books = books;
	o->started = mono_now();
	(void)uv_timer_init(loop, &o->timer);
	o->timer.data = o;
	err = collectors_new("sflow", &o->to);
	if (!err)
		err = apply(o, cfg, agent);
	if (err)
		return err; /* the process ends: its memory goes with it */
	*ret = o;
	return 0;
}

void sflow_out_configure(struct sflow_out *o, const struct config *cfg,
			 const struct addr *agent)
{
	if (apply(o, cfg, agent))
		log_error("sflow: out of memory: the collectors stay");
}

void sflow_out_stop(struct sflow_out *o)
{
	if (!o || o->stopped)
		return;
	o->stopped = true;
	(void)uv_timer_stop(&o->timer);
	flush(o);
	(void)collectors_set(o->to, NULL, 0);
}

void sflow_out_lost_by(struct sflow_out *o, sflow_lost_fn fn, void *ctx)
{
	o->lost = fn;
	o->lost_ctx = ctx;
}

void sflow_out_stats(const struct sflow_out *o, struct sflow_out_stats *ret)
{
	*ret = o->stats;
}

const struct collectors *sflow_out_collectors(const struct sflow_out *o)
{
	return o->to;
}
