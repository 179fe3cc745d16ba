/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/sampling.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

#define RETRY_NS (NSEC_PER_SEC / 2)
#define IDLE_NS  (3600 * NSEC_PER_SEC)

void sampling_init(struct sampling *s, const struct kern *k,
		   const char *pin_dir)
{
	*s = (struct sampling){.kern = k, .pin_dir = pin_dir};
	tap_init(&s->tap);
}

void sampling_event(struct sampling *s, enum ifstat_event_kind kind,
		    const struct ifstat *st)
{
	s->check |= kind == IFSTAT_LOST || !st || tap_concerns(st->name);
}

int64_t sampling_due_ns(const struct sampling *s, struct mono now)
{
	if (s->check)
		return 0;
	return s->retry.ns ? mono_diff_ns(now, s->retry) : IDLE_NS;
}

static const struct iface *find(const struct iface_set *ifs, const char *name)
{
	for (size_t i = 0; i < ifs->n; i++) {
		if (!strcmp(ifs->v[i].name, name))
			return &ifs->v[i];
	}
	return NULL;
}

static const struct mirror *mirror_of(const struct sampling *s,
				      const char *name)
{
	for (size_t i = 0; i < SAMPLING_MIRRORS_MAX; i++) {
		if (s->mirrors[i].queues && !strcmp(s->mirrors[i].name, name))
			return &s->mirrors[i];
	}
	return NULL;
}

static void why_not(const char *name, int err)
{
	if (err == -EOPNOTSUPP)
		log_warn("%s: not sampled: packets there have no Ethernet "
			 "header",
			 name);
	else if (err == -ENOSPC)
		log_warn("%s: not sampled: no slot of its own is free", name);
	else
		log_error("%s: not sampled: %s", name, strerror(-err));
}

static void set_rate(const struct sampling *s, const struct config *cfg,
		     const struct config_iface *c, const struct iface *f)
{
	const struct mirror *m = mirror_of(s, c->name);
	struct asm_rate r = {.rate = config_sample_rate(cfg, c),
			     .snap = cfg->sampling.snap,
			     .tap_ifindex = s->tap.out_ifindex};
	int err;

	if (m && m->ifindex == f->ifindex) {
		r.ring = m->ring;
		r.rings = m->queues;
	}
	err = tap_rate(s->kern, s->pin_dir, c->name, f->ifindex,
		       f->in == ATTACH_NATIVE || f->in == ATTACH_GENERIC, &r);
	if (err)
		why_not(c->name, err);
}

static void set_rates(const struct sampling *s, const struct config *cfg,
		      const struct iface_set *ifs)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		const struct iface *f = find(ifs, cfg->interfaces[i].name);

		if (f && f->ifindex)
			set_rate(s, cfg, &cfg->interfaces[i], f);
	}
}

/* ------------------------------------------------------------- mirrors */

static const char *copy_mode(const struct mirror *m)
{
	for (uint32_t q = 0; q < m->queues; q++) {
		if (!m->xsk[q].zerocopy)
			return "copy mode, the driver has no zero-copy";
	}
	return "zero-copy";
}

/* A range of rings that no other mirror port has. */
static uint32_t free_ring(const struct sampling *s)
{
	uint32_t next = ASM_XSK_FIRST;

	for (size_t i = 0; i < SAMPLING_MIRRORS_MAX; i++) {
		const struct mirror *m = &s->mirrors[i];

		if (m->queues && m->ring + m->queues > next)
			next = m->ring + m->queues;
	}
	return next;
}

static int mirror_start(struct sampling *s, const struct iface *f, char *msg,
			size_t msg_len)
{
	uint32_t ring = free_ring(s);
	struct ifstat st;
	int err;

	for (size_t i = 0; i < SAMPLING_MIRRORS_MAX; i++) {
		struct mirror *m = &s->mirrors[i];

		if (m->queues)
			continue;
		err = ifstat_get(f->ifindex, NULL, &st);
		if (!err)
			err = mirror_open(s->kern, &st, ring, m, msg, msg_len);
		if (!err)
			log_notice("%s: samples from %u queues, %s", f->name,
				   m->queues, copy_mode(m));
		return err;
	}
	(void)snprintf(msg, msg_len, "%s: only %d mirror ports can be sampled",
		       f->name, SAMPLING_MIRRORS_MAX);
	return -ENOSPC;
}

static bool mirror_wanted(const struct config *cfg, const struct iface *f)
{
	for (size_t i = 0; f && i < cfg->n_interfaces; i++) {
		if (!strcmp(cfg->interfaces[i].name, f->name))
			return f->in == ATTACH_MIRROR && f->ifindex &&
			       config_sample_rate(cfg, &cfg->interfaces[i]);
	}
	return false;
}

/* Closes what is not wanted any more, opens what is missing. *ret_ring: a ring
 * is new. */
static int mirrors_ensure(struct sampling *s, const struct config *cfg,
			  const struct iface_set *ifs, bool *ret_ring,
			  char *msg, size_t msg_len)
{
	int err = 0;

	for (size_t i = 0; i < SAMPLING_MIRRORS_MAX; i++) {
		struct mirror *m = &s->mirrors[i];
		const struct iface *f = m->queues ? find(ifs, m->name) : NULL;

		if (m->queues &&
		    (!mirror_wanted(cfg, f) || f->ifindex != m->ifindex)) {
			mirror_close(s->kern, m);
			*ret_ring = true;
		}
	}
	for (size_t i = 0; !err && i < ifs->n; i++) {
		const struct iface *f = &ifs->v[i];

		if (!mirror_wanted(cfg, f) || mirror_of(s, f->name))
			continue;
		err = mirror_start(s, f, msg, msg_len);
		*ret_ring |= !err;
	}
	return err;
}

static bool is_wanted(const struct config *cfg)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		if (config_sample_rate(cfg, &cfg->interfaces[i]))
			return true;
	}
	return false;
}

bool sampling_apply(struct sampling *s, const struct config *cfg,
		    const struct iface_set *ifs, struct mono now,
		    bool *ret_ring)
{
	char msg[KERN_MSG_LEN] = "", before[IPC_TEXT];
	bool was_wanted = s->wanted, again = s->tap.opened != 0;
	bool tap = false;
	int err = 0;

	*ret_ring = false;
	s->check = false;
	s->retry = (struct mono){0};
	s->wanted = is_wanted(cfg);
	memcpy(before, s->error, sizeof(before));
	if (s->wanted)
		err = tap_ensure(&s->tap, s->kern, s->pin_dir, &tap, msg,
				 sizeof(msg));
	*ret_ring = tap;
	if (!err)
		err = mirrors_ensure(s, cfg, ifs, ret_ring, msg, sizeof(msg));
	(void)snprintf(s->error, sizeof(s->error), "%.*s",
		       (int)sizeof(s->error) - 1, err ? msg : "");
	s->failed = err ? s->failed + 1 : 0;
	if (err) {
		/* the first time it may be the last ring, whose locked memory
		 * the meter gives up when it is told */
		s->retry = mono_add_ns(now, RETRY_NS);
		if (s->failed == 2)
			log_error("no samples: %s", s->error);
	} else if (tap) {
		log_notice("samples: %s is up%s, %u frames", TAP_OUT,
			   again ? " again" : "", s->tap.xsk.frames);
	}
	set_rates(s, cfg, ifs);
	if (!s->wanted) {
		*ret_ring |= s->tap.xsk.sock >= 0;
		tap_close(&s->tap);
		tap_remove(s->pin_dir);
	}
	return *ret_ring || s->wanted != was_wanted ||
	       strcmp(before, s->error) != 0;
}

void sampling_new_meter(struct sampling *s)
{
	if (s->tap.xsk.bind_ifindex) {
		tap_close(&s->tap);
		s->check = true;
	}
	for (size_t i = 0; i < SAMPLING_MIRRORS_MAX; i++) {
		struct mirror *m = &s->mirrors[i];

		if (m->queues && m->xsk[0].bind_ifindex) {
			mirror_close(s->kern, m);
			s->check = true;
		}
	}
}

static int tell_ring(int fd, const struct xsk_fds *x, uint32_t ring,
		     uint64_t given, const char *name)
{
	struct ipc_msg m = {.type = IPC_RING,
			    .arg = x->frames,
			    .arg2 = ring,
			    .count = given,
			    .zerocopy = x->zerocopy,
			    .bind_queue = x->bind_queue,
			    .iface.ifindex = x->bind_ifindex};
	const int fds[2] = {x->sock, x->mem};

	(void)snprintf(m.iface.name, sizeof(m.iface.name), "%s", name);
	return x->sock < 0 ? 0 : ipc_send(fd, &m, fds, 2);
}

int sampling_tell(const struct sampling *s, int fd, bool ring)
{
	struct ipc_msg m = {.type = IPC_SAMPLING,
			    .arg = s->wanted,
			    .arg2 = s->tap.opened,
			    .count = ring ? IPC_RINGS_BEGIN : 0};
	int err;

	memcpy(m.text, s->error, sizeof(m.text));
	err = ipc_send(fd, &m, NULL, 0);
	if (err || !ring)
		return err;
	err = tell_ring(fd, &s->tap.xsk, ASM_XSK_TAP, s->tap.given, "");
	for (size_t i = 0; !err && i < SAMPLING_MIRRORS_MAX; i++) {
		const struct mirror *x = &s->mirrors[i];

		for (uint32_t q = 0; !err && q < x->queues; q++)
			err = tell_ring(fd, &x->xsk[q], x->ring + q,
					x->given[q], x->name);
	}
	m.count = IPC_RINGS_END;
	return err ? err : ipc_send(fd, &m, NULL, 0);
}

void sampling_close(struct sampling *s)
{
	for (size_t i = 0; i < SAMPLING_MIRRORS_MAX; i++)
		if (s->mirrors[i].queues)
			mirror_close(s->kern, &s->mirrors[i]);
	tap_close(&s->tap);
}
