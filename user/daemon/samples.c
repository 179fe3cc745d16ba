/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mono.h"
#include "flow/decode.h"

#define BATCH          64
#define BATCHES_A_TURN 16
#define UNDER_WAY      512 /* samples that may be in the tap's queue */
#define SPREAD         64  /* what was lost is made up for over so many */
#define VLAN_AT        12
#define VLAN_BYTES     4
#define SLOTS          (ASM_PORT_SLOTS * ASM_DIRS)

struct view {
	void *p;
	size_t len;
};

/* One direction of a slot. */
struct port {
	uint32_t ifindex; /* 0: never sampled */
	uint32_t rate;
	bool on; /* was sampled at the last cut */
	uint64_t taken, received;
	uint64_t lost, owed; /* by gaps; of them, not made up for yet */
	uint64_t taken_before, weight, received_before, weight_before;
	double rate_eff;
	uint64_t est_packets, est_wire_bytes;
	uint64_t packets, wire_bytes;
	uint64_t seen_packets, seen_wire_bytes; /* at the last cut */
};

struct ring {
	struct samples *all;
	struct samples_ring info; /* without the descriptors */
	struct asm_ring *own;
	struct xsk *xsk;
	uint64_t cookie;
	bool stale; /* not told of since samples_rings_begin() */
	uv_poll_t poll;
};

struct samples {
	struct flows *flows;
	const struct books *books;
	uint32_t n_cpus;
	struct view state, ifs, rates, sampler, rings;

	uv_loop_t *loop;
	struct ring *ring[ASM_XSK_SLOTS]; /* NULL: none of that number */

	uint64_t *seq; /* the last one seen, as asm_sampler is indexed; behind
			* those of each ring */
	struct port ports[SLOTS];
	uint64_t garbage;
	uint32_t number;        /* of the last sample */
	uint64_t sent, arrived; /* at the last look */
	struct samples_stats stats;
	uint8_t buf[XSK_FRAME_SIZE + VLAN_BYTES];
};

static const char *const lost_names[SAMPLES_LOST] = {
	[SAMPLES_NO_TAP] = "no_tap",
	[SAMPLES_NOT_CUT] = "not_cut",
	[SAMPLES_TAP_DROPPED] = "tap_dropped",
	[SAMPLES_NO_SOCKET] = "no_socket",
	[SAMPLES_RING_FULL] = "ring_full",
	[SAMPLES_FILL_EMPTY] = "fill_empty",
	[SAMPLES_DROPPED] = "dropped",
	[SAMPLES_SOCK_CLOSED] = "socket_closed",
};

const char *samples_lost_name(enum samples_lost l)
{
	return lost_names[l];
}

/* ------------------------------------------------------------ one sample */

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Whether the header is one of ours and can be believed as an index. */
static bool header_ok(const struct samples *s, const struct sample_header *h,
		      uint32_t len)
{
	return h->version == SAMPLE_VERSION && h->size == sizeof(*h) &&
	       h->cap_len == len - sizeof(*h) && h->cap_len <= ASM_SNAP_MAX &&
	       h->slot < ASM_PORT_SLOTS &&
	       h->cpu <
		       (h->flags & SAMPLE_MIRROR ? ASM_XSK_SLOTS : s->n_cpus) &&
	       h->dir < ASM_DIRS && h->hits && h->packets >= h->hits &&
	       h->rate && h->rate <= ASM_RATE_MAX && h->wire_len && h->seq;
}

/* How many samples this record stands for: itself, and some of those that
 * were lost before it. */
static uint32_t weigh(struct samples *s, const struct sample_header *h)
{
	size_t at = (size_t)h->slot * ASM_DIRS + h->dir;
	uint64_t *seq = h->flags & SAMPLE_MIRROR
				? &s->seq[s->n_cpus * (size_t)SLOTS + h->cpu]
				: &s->seq[h->cpu * (size_t)SLOTS + at];
	struct port *p = &s->ports[at];
	uint64_t gap = *seq && h->seq > *seq ? h->seq - *seq - 1 : 0;
	uint64_t more;

	*seq = h->seq;
	p->lost += gap;
	p->owed += gap;
	more = p->owed ? 1 + p->owed / SPREAD : 0;
	if (more > ASM_RATE_MAX / 2)
		more = ASM_RATE_MAX / 2;
	p->owed -= more;
	p->received++;
	p->weight += 1 + more;
	return (uint32_t)(1 + more);
}

static uint32_t times(uint32_t rate, uint32_t weight)
{
	uint64_t n = (uint64_t)rate * weight;

	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* The packet as it was on the wire: the tag that travelled beside it is put
 * back. */
static void put_tag_back(struct samples *s, const struct sample_header *h,
			 struct flow_head *head)
{
	const uint8_t tag[VLAN_BYTES] = {(uint8_t)(h->vlan_proto >> 8),
					 (uint8_t)h->vlan_proto,
					 (uint8_t)(h->vlan_tci >> 8),
					 (uint8_t)h->vlan_tci};

	if (!(h->flags & SAMPLE_VLAN) || head->cap_len < VLAN_AT)
		return;
	memcpy(s->buf, head->data, VLAN_AT);
	memcpy(s->buf + VLAN_AT, tag, VLAN_BYTES);
	memcpy(s->buf + VLAN_AT + VLAN_BYTES, head->data + VLAN_AT,
	       head->cap_len - VLAN_AT);
	head->data = s->buf;
	head->cap_len += VLAN_BYTES;
}

/* Bytes before the IP header of a packet, tags and labels included. */
static uint32_t before_ip(const struct flow_head *head)
{
	const struct pkt p = {.data = head->data,
			      .data_end = head->data + head->cap_len,
			      .len = head->wire_len,
			      .gso = 1,
			      .no_l2 = head->no_l2};
	struct pkt_view v = {0};

	return pkt_parse(&p, &v) == PKT_IP ? v.l3_off : head->wire_len;
}

/* Of a packet that is many, each counts as their mean. */
static void measure(const struct sample_header *h, const struct flow_head *head,
		    enum pkt_verdict verdict, struct flow *f)
{
	uint64_t hits = h->hits;

	f->wire_bytes = hits * h->wire_len / h->packets;
	if (h->packets > 1 && verdict == PKT_IP)
		f->ip_bytes = f->wire_bytes - hits * before_ip(head);
	else
		f->ip_bytes *= hits;
	f->packets = hits;
}

static void take(struct samples *s, const struct xsk_frame *fr,
		 uint64_t mono_to_real)
{
	struct flow f = {.source = FLOW_SAMPLE};
	struct sample_header h;
	struct flow_head head;
	enum pkt_verdict verdict;
	uint32_t weight;
	struct port *p;

	if (fr->len >= sizeof(h))
		memcpy(&h, fr->data, sizeof(h));
	if (fr->len < sizeof(h) || !header_ok(s, &h, fr->len)) {
		s->garbage++;
		return;
	}
	weight = weigh(s, &h);
	p = &s->ports[(size_t)h.slot * ASM_DIRS + h.dir];
	p->est_packets += (uint64_t)h.hits * h.rate * weight;
	p->est_wire_bytes +=
		(uint64_t)h.hits * h.wire_len / h.packets * h.rate * weight;
	head = (struct flow_head){.data = fr->data + sizeof(h),
				  .cap_len = h.cap_len,
				  .wire_len = h.wire_len / h.packets,
				  .no_l2 = (h.flags & SAMPLE_NO_L2) != 0};
	put_tag_back(s, &h, &head);
	verdict = flow_decode(&head, h.packets > 1, &f);
	measure(&h, &head, verdict, &f);
	f.dir = h.dir;
	f.received_ns = clock_ns(CLOCK_REALTIME);
	f.start_ns = f.end_ns = h.ktime_ns + mono_to_real;
	f.seq = (uint32_t)++s->number;
	f.rate = times(h.rate, weight);
	f.in_if = h.dir == ASM_DIR_IN ? h.ifindex : h.peer_ifindex;
	f.out_if = h.dir == ASM_DIR_IN ? h.peer_ifindex : h.ifindex;
	if (verdict == PKT_IP) {
		f.has |= FLOW_HAS_AS;
		f.src_as = h.src_as;
		f.dst_as = h.dst_as;
	}
	flows_take(s->flows, &f, &head);
}

/* --------------------------------------------------------------- the ring */

/* What the socket lost since it was looked at last. */
static void book_losses(struct ring *r)
{
	struct asm_ring *own = r->own;
	struct xsk_losses l;

	if (xsk_losses(r->xsk, &l))
		return;
	own->ring_full += l.ring_full - own->sock_ring_full;
	own->fill_empty += l.fill_empty - own->sock_fill_empty;
	own->dropped += l.dropped - own->sock_dropped;
	own->sock_ring_full = l.ring_full;
	own->sock_fill_empty = l.fill_empty;
	own->sock_dropped = l.dropped;
}

/* One batch; how many. What is taken is booked as it is given back, so that
 * a process that ends here leaves the rest to the next one. */
static unsigned drain_batch(struct ring *r)
{
	struct xsk_frame v[BATCH];
	uint64_t offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	unsigned n = xsk_peek(r->xsk, v, BATCH);

	for (unsigned i = 0; i < n; i++)
		take(r->all, &v[i], offset);
	xsk_release(r->xsk, v, n);
	r->own->received += n;
	return n;
}

/* Before the start there is nobody to give records to. */
static void drain(struct ring *r, unsigned batches)
{
	while (r->all->flows && batches-- && drain_batch(r) == BATCH)
		;
}

static void on_ring(uv_poll_t *p, int status, int events)
{
	struct ring *r = p->data;

	(void)events;
	if (status < 0)
		(void)uv_poll_stop(p);
	drain(r, BATCHES_A_TURN);
}

static void on_closed(uv_handle_t *h)
{
	struct ring *r = h->data;

	xsk_unmap(r->xsk);
	free(r);
}

/* It is emptied and its losses are known: what its socket was given beyond
 * that ends with it. */
static void ring_end(struct samples *s, uint32_t number)
{
	struct ring *r = s->ring[number];

	if (!r)
		return;
	s->ring[number] = NULL;
	drain(r, UINT32_MAX);
	book_losses(r);
	(void)uv_poll_stop(&r->poll);
	uv_close((uv_handle_t *)&r->poll, on_closed);
}

static void ring_begin(struct ring *r, uint64_t given)
{
	uint64_t cookie = r->cookie;
	struct asm_ring *own = r->own;
	uint64_t known =
		own->received + own->ring_full + own->fill_empty + own->dropped;

	if (cookie && cookie == own->sock_cookie)
		return; /* another process has had it before */
	own->sock_closed = given > known ? given - known : own->sock_closed;
	own->sock_ring_full = own->sock_fill_empty = own->sock_dropped = 0;
	own->sock_cookie = cookie;
}

void samples_no_ring(struct samples *s)
{
	for (uint32_t i = 0; i < ASM_XSK_SLOTS; i++)
		ring_end(s, i);
}

static int ring_start(struct ring *r)
{
	int err;

	r->poll.data = r;
	err = uv_poll_init(r->all->loop, &r->poll, xsk_sock(r->xsk));
	if (err)
		return err;
	return r->all->flows ? uv_poll_start(&r->poll, UV_READABLE, on_ring)
			     : 0;
}

void samples_rings_begin(struct samples *s)
{
	for (uint32_t i = 0; i < ASM_XSK_SLOTS; i++)
		if (s->ring[i])
			s->ring[i]->stale = true;
}

void samples_rings_end(struct samples *s)
{
	for (uint32_t i = 0; i < ASM_XSK_SLOTS; i++)
		if (s->ring[i] && s->ring[i]->stale)
			ring_end(s, i);
}

int samples_ring(struct samples *s, struct samples_ring *info)
{
	struct ring *r = s->ring[info->number];
	uint64_t cookie = xsk_cookie(info->fds.sock);
	int err;

	if (r && cookie && r->cookie == cookie) {
		r->stale = false;
		xsk_fds_close(&info->fds);
		return 0;
	}
	r = calloc(1, sizeof(*r));

	if (!r) {
		xsk_fds_close(&info->fds);
		return -ENOMEM;
	}
	ring_end(s, info->number);
	r->all = s;
	r->info = *info;
	r->cookie = cookie;
	r->own = (struct asm_ring *)s->rings.p + info->number;
	err = xsk_map(&info->fds, &r->xsk);
	if (err) {
		free(r);
		return err;
	}
	ring_begin(r, info->given);
	err = ring_start(r);
	if (err) {
		xsk_unmap(r->xsk);
		free(r);
		return err;
	}
	s->ring[info->number] = r;
	return 0;
}

bool samples_ring_get(const struct samples *s, unsigned i,
		      struct samples_ring *ret)
{
	for (uint32_t n = 0; n < ASM_XSK_SLOTS; n++) {
		if (!s->ring[n] || i--)
			continue;
		*ret = s->ring[n]->info;
		return true;
	}
	return false;
}

/* --------------------------------------------------------------- books */

/* The kernel's counters of all samples; by port, too. */
static void read_ports(struct samples *s, struct asm_sampler *sum)
{
	const struct asm_sampler *v = s->sampler.p;

	*sum = (struct asm_sampler){0};
	for (size_t at = 0; at < SLOTS; at++)
		s->ports[at].taken = 0;
	for (size_t i = 0; i < s->n_cpus * (size_t)SLOTS; i++) {
		struct port *p = &s->ports[i % SLOTS];

		if (!v[i].taken)
			continue;
		p->ifindex = v[i].ifindex;
		p->taken += v[i].taken;
		sum->taken += v[i].taken;
		sum->no_tap += v[i].no_tap;
		sum->not_cut += v[i].not_cut;
		sum->sent += v[i].sent;
	}
}

static void read_rings(struct samples *s, struct asm_ring *sum)
{
	const struct asm_ring *v = s->rings.p;

	*sum = (struct asm_ring){0};
	for (uint32_t i = 0; i < ASM_XSK_SLOTS; i++) {
		if (s->ring[i])
			book_losses(s->ring[i]);
		sum->arrived += v[i].arrived;
		sum->no_socket += v[i].no_socket;
		sum->received += v[i].received;
		sum->ring_full += v[i].ring_full;
		sum->fill_empty += v[i].fill_empty;
		sum->dropped += v[i].dropped;
		sum->sock_closed += v[i].sock_closed;
	}
}

/* What the tap dropped is the difference of two counters that move: while
 * they do, what may be under way is left out, so that it never goes down. */
static void book_tap(struct samples *s, uint64_t sent, uint64_t arrived)
{
	bool quiet = sent == s->sent && arrived == s->arrived;
	uint64_t lost = sent > arrived ? sent - arrived : 0;
	uint64_t *booked = &s->stats.lost[SAMPLES_TAP_DROPPED];

	if (!quiet)
		lost = lost > UNDER_WAY ? lost - UNDER_WAY : 0;
	if (lost > *booked)
		*booked = lost;
	s->sent = sent;
	s->arrived = arrived;
}

static void look(struct samples *s)
{
	struct samples_stats *st = &s->stats;
	struct asm_sampler sum;
	struct asm_ring ring;

	read_ports(s, &sum);
	read_rings(s, &ring);
	st->taken = sum.taken;
	st->lost[SAMPLES_NO_TAP] = sum.no_tap;
	st->lost[SAMPLES_NOT_CUT] = sum.not_cut;
	st->lost[SAMPLES_NO_SOCKET] = ring.no_socket;
	st->lost[SAMPLES_RING_FULL] = ring.ring_full;
	st->lost[SAMPLES_FILL_EMPTY] = ring.fill_empty;
	st->lost[SAMPLES_DROPPED] = ring.dropped;
	st->lost[SAMPLES_SOCK_CLOSED] = ring.sock_closed;
	st->received = ring.received;
	st->garbage = s->garbage;
	st->ring = s->ring[ASM_XSK_TAP] != NULL;
	book_tap(s, sum.sent, ring.arrived);
}

/* Counted and estimated over the same time: from the first cut at which the
 * port was sampled. */
static void port_cut(struct samples *s, const struct ledger_port *lp,
		     enum asm_dir d)
{
	const struct asm_rate *rates = s->rates.p;
	const struct asm_if *ifs = s->ifs.p;
	struct port *p = &s->ports[lp->slot * ASM_DIRS + d];
	const struct asm_measure *m = &lp->books[d].seen;
	bool on = ifs[lp->slot].flags & ASM_IFF_SAMPLED;
	uint64_t n = p->received - p->received_before;

	p->rate = on ? rates[lp->slot].rate : 0;
	if (on)
		p->ifindex = ifs[lp->slot].ifindex;
	if (on && p->on) {
		p->packets += m->packets - p->seen_packets;
		p->wire_bytes += m->wire_bytes - p->seen_wire_bytes;
	}
	p->on = on;
	p->seen_packets = m->packets;
	p->seen_wire_bytes = m->wire_bytes;
	p->rate_eff =
		n ? p->rate * (double)(p->weight - p->weight_before) / (double)n
		  : 0;
	p->received_before = p->received;
	p->weight_before = p->weight;
}

void samples_cut(struct samples *s)
{
	const struct ledger *l;

	if (!s->books)
		return; /* not started yet */
	l = books_ledger(s->books);
	look(s);
	for (size_t i = 0; i < ledger_ports(l); i++) {
		struct ledger_port lp;

		ledger_port_get(l, i, &lp);
		for (unsigned d = 0; d < ASM_DIRS && lp.slot < ASM_IF_SLOTS;
		     d++)
			port_cut(s, &lp, (enum asm_dir)d);
	}
}

void samples_stats(const struct samples *s, struct samples_stats *ret)
{
	*ret = s->stats;
}

size_t samples_ports(const struct samples *s)
{
	size_t n = 0;

	for (size_t at = 0; at < SLOTS; at++)
		n += s->ports[at].ifindex != 0;
	return n;
}

void samples_port_get(const struct samples *s, size_t i,
		      struct samples_port *ret)
{
	const struct asm_if *ifs = s->ifs.p;

	for (size_t at = 0; at < SLOTS; at++) {
		const struct port *p = &s->ports[at];

		if (!p->ifindex || i--)
			continue;
		*ret = (struct samples_port){
			.ifindex = p->ifindex,
			.slot = (uint32_t)(at / ASM_DIRS),
			.dir = (enum asm_dir)(at % ASM_DIRS),
			.rate = p->rate,
			.rate_eff = p->rate_eff,
			.taken = p->taken,
			.lost = p->lost,
			.est_packets = p->est_packets,
			.est_wire_bytes = p->est_wire_bytes,
			.packets = p->packets,
			.wire_bytes = p->wire_bytes,
		};
		if (ret->slot < ASM_IF_SLOTS)
			memcpy(ret->name, ifs[ret->slot].name,
			       sizeof(ret->name) - 1);
		return;
	}
}

uint64_t samples_missed(void *samples, uint32_t ifindex, enum asm_dir dir)
{
	const struct samples *s = samples;

	for (uint32_t i = 0; i < ASM_IF_PROBES; i++) {
		uint32_t slot = (ifindex + i) % ASM_IF_SLOTS;
		const struct port *p = &s->ports[slot * ASM_DIRS + dir];

		if (p->ifindex == ifindex)
			return p->lost;
	}
	return 0;
}

/* ------------------------------------------------------------ start, end */

static int view_open(struct view *v, int fd, size_t len, int prot)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	v->len = (len + page - 1) / page * page;
	v->p = mmap(NULL, v->len, prot, MAP_SHARED, fd, 0);
	if (v->p != MAP_FAILED)
		return 0;
	v->p = NULL;
	return -errno;
}

static void view_close(struct view *v)
{
	if (v->p)
		munmap(v->p, v->len);
}

static int open_views(struct samples *s, const int fds[ASM_MAP_COUNT])
{
	int err = view_open(&s->state, fds[ASM_MAP_STATE],
			    sizeof(struct asm_state), PROT_READ);

	if (err)
		return err;
	s->n_cpus = ((const struct asm_state *)s->state.p)->n_cpus;
	err = view_open(&s->ifs, fds[ASM_MAP_IFS],
			sizeof(struct asm_if) * ASM_IF_SLOTS, PROT_READ);
	if (!err)
		err = view_open(&s->rates, fds[ASM_MAP_RATES],
				sizeof(struct asm_rate) * ASM_PORT_SLOTS,
				PROT_READ);
	if (!err)
		err = view_open(&s->sampler, fds[ASM_MAP_SAMPLER],
				sizeof(struct asm_sampler) * SLOTS * s->n_cpus,
				PROT_READ);
	if (!err)
		err = view_open(&s->rings, fds[ASM_MAP_RINGS],
				sizeof(struct asm_ring) * ASM_XSK_SLOTS,
				PROT_READ | PROT_WRITE);
	return err;
}

static void samples_free(struct samples *s)
{
	view_close(&s->rings);
	view_close(&s->sampler);
	view_close(&s->rates);
	view_close(&s->ifs);
	view_close(&s->state);
	free(s->seq);
	free(s);
}

int samples_new(uv_loop_t *loop, const int fds[ASM_MAP_COUNT],
		struct samples **ret)
{
	struct samples *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	err = open_views(s, fds);
	if (!err) {
		s->seq = calloc(s->n_cpus * (size_t)SLOTS + ASM_XSK_SLOTS,
				sizeof(*s->seq));
		err = s->seq ? 0 : -ENOMEM;
	}
	if (err) {
		samples_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

int samples_start(struct samples *s, struct flows *flows,
		  const struct books *books)
{
	int err = 0;

	s->flows = flows;
	s->books = books;
	look(s);
	for (uint32_t i = 0; !err && i < ASM_XSK_SLOTS; i++)
		if (s->ring[i])
			err = uv_poll_start(&s->ring[i]->poll, UV_READABLE,
					    on_ring);
	return err;
}

/* Views stay for whoever still asks; they go with the process. */
void samples_stop(struct samples *s)
{
	if (s)
		samples_no_ring(s);
}
