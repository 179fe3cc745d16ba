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

static void set_rates(const struct sampling *s, const struct config *cfg,
		      const struct iface_set *ifs)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		const struct config_iface *c = &cfg->interfaces[i];
		const struct iface *f = find(ifs, c->name);
		bool at_tc;
		int err;

		if (!f || !f->ifindex)
			continue;
		at_tc = f->in == ATTACH_TCX || f->in == ATTACH_CLSACT;
		err = tap_rate(s->kern, s->pin_dir, c->name, f->ifindex, at_tc,
			       config_sample_rate(cfg, c), cfg->sampling.snap,
			       s->tap.out_ifindex);
		if (err)
			why_not(c->name, err);
	}
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
	int err = 0;

	*ret_ring = false;
	s->check = false;
	s->retry = (struct mono){0};
	s->wanted = is_wanted(cfg);
	memcpy(before, s->error, sizeof(before));
	if (s->wanted)
		err = tap_ensure(&s->tap, s->kern, s->pin_dir, ret_ring, msg,
				 sizeof(msg));
	(void)snprintf(s->error, sizeof(s->error), "%.*s",
		       (int)sizeof(s->error) - 1, err ? msg : "");
	s->failed = err ? s->failed + 1 : 0;
	if (err) {
		/* the first time it may be the last ring, whose locked memory
		 * the meter gives up when it is told */
		s->retry = mono_add_ns(now, RETRY_NS);
		if (s->failed == 2)
			log_error("no samples: %s", s->error);
	} else if (*ret_ring) {
		log_notice("samples: %s is up%s, %u frames", TAP_OUT,
			   again ? " again" : "", s->tap.xsk.frames);
	}
	set_rates(s, cfg, ifs);
	if (!s->wanted) {
		tap_close(&s->tap);
		tap_remove(s->pin_dir);
	}
	return *ret_ring || s->wanted != was_wanted ||
	       strcmp(before, s->error) != 0;
}

int sampling_tell(const struct sampling *s, int fd, bool ring)
{
	struct ipc_msg m = {.type = IPC_SAMPLING,
			    .arg = s->wanted,
			    .arg2 = s->tap.opened};
	int fds[2] = {s->tap.xsk.sock, s->tap.xsk.mem};
	int err;

	memcpy(m.text, s->error, sizeof(m.text));
	err = ipc_send(fd, &m, NULL, 0);
	if (err || !ring || fds[0] < 0)
		return err;
	m = (struct ipc_msg){.type = IPC_RING,
			     .arg = s->tap.xsk.frames,
			     .count = s->tap.given};
	return ipc_send(fd, &m, fds, 2);
}

void sampling_close(struct sampling *s)
{
	tap_close(&s->tap);
}
