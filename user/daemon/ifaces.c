/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/ifaces.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static struct iface *find(struct iface_set *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!strcmp(s->v[i].name, name))
			return &s->v[i];
	}
	return NULL;
}

static struct attach_opts opts_of(const struct iface_set *s,
				  enum config_mode mode)
{
	static const enum attach_want in[] = {
		[CONFIG_MODE_AUTO] = ATTACH_WANT_AUTO,
		[CONFIG_MODE_NATIVE] = ATTACH_WANT_NATIVE,
		[CONFIG_MODE_TC] = ATTACH_WANT_TC,
		[CONFIG_MODE_GENERIC] = ATTACH_WANT_GENERIC,
		[CONFIG_MODE_MIRROR] = ATTACH_WANT_MIRROR,
	};

	return (struct attach_opts){.pin_dir = s->pin_dir,
				    .in = in[mode],
				    .out = ATTACH_WANT_AUTO};
}

/* It is not metered any more, since then. */
static void lose(struct iface *f, struct mono since, const char *why)
{
	if (!f->lost.ns)
		f->lost = since;
	f->ifindex = 0;
	f->in = f->out = ATTACH_NONE;
	(void)snprintf(f->error, sizeof(f->error), "%.*s",
		       (int)sizeof(f->error) - 1, why);
}

static int attach(const struct iface_set *s, struct iface *f, char *msg,
		  size_t msg_len)
{
	struct attach_opts o = opts_of(s, f->want);
	struct attach_status st = {0};
	int err = attach_iface(s->kern, f->name, &o, &st, msg, msg_len);

	if (!err && st.in.mode == ATTACH_NONE && st.out.mode == ATTACH_NONE) {
		(void)snprintf(msg, msg_len,
			       "%s: the interface went away while it was "
			       "attached",
			       f->name);
		err = -ENODEV;
	}
	if (err) {
		f->failed = mono_now();
		lose(f, f->failed, msg);
		return err;
	}
	if (f->lost.ns)
		f->gap_ns += mono_diff_ns(f->lost, mono_now());
	f->lost = (struct mono){0};
	f->off = false;
	f->ifindex = st.ifindex;
	f->in = st.in.mode;
	f->out = st.out.mode;
	f->error[0] = '\0';
	log_info("%s: metered, in %s, out %s", f->name, attach_mode_name(f->in),
		 attach_mode_name(f->out));
	if (msg[0])
		log_notice("%s", msg);
	if (st.slot == ASM_IF_UNLISTED)
		log_warn("%s: no slot of its own is free: counted as unlisted",
			 f->name);
	return 0;
}

static bool was_attached(const struct iface_set *s, const char *name)
{
	struct attach_status st;

	return !attach_get(s->pin_dir, name, &st) && st.ifindex &&
	       (st.in.alive || st.out.alive);
}

static void detach(const struct iface_set *s, const char *name)
{
	char msg[KERN_MSG_LEN] = "";
	int err = attach_detach(s->pin_dir, name, msg, sizeof(msg));

	if (!err)
		log_info("%s: not metered any more", name);
	else if (err != -ENODEV && err != -ENOENT)
		log_warn("%s: cannot be detached: %s", name, msg);
}

/* Whether the set has it as the configuration wants it. */
static bool is_done(const struct iface *old, enum config_mode want)
{
	return old && old->want == want && old->ifindex;
}

/* Whether all of it can be attached, before any of it is: on many cards the
 * link flaps when XDP comes or goes. */
static int check_all(struct iface_set *s, const struct config *cfg, char *msg,
		     size_t msg_len)
{
	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		const struct config_iface *c = &cfg->interfaces[i];
		struct attach_opts o = opts_of(s, c->mode);
		int err = is_done(find(s, c->name), c->mode)
				  ? 0
				  : attach_check(c->name, &o, msg, msg_len);

		if (err)
			return err;
	}
	return 0;
}

/* Takes back what was done for the first n of next. */
static void undo(struct iface_set *s, struct iface_set *next, const bool *fresh,
		 size_t n)
{
	char msg[KERN_MSG_LEN];

	for (size_t i = 0; i < n; i++) {
		struct iface *old = find(s, next->v[i].name);

		if (fresh[i])
			detach(next, next->v[i].name);
		else if (old && old->want != next->v[i].want)
			(void)attach(s, old, msg, sizeof(msg));
	}
}

int iface_set_apply(struct iface_set *s, const struct config *cfg, char *msg,
		    size_t msg_len)
{
	struct iface_set next = {.kern = s->kern,
				 .pin_dir = s->pin_dir,
				 .audited = s->audited};
	bool fresh[ASM_IF_SLOTS] = {false};
	int err = check_all(s, cfg, msg, msg_len);

	if (err)
		return err;
	for (size_t i = 0; i < cfg->n_interfaces; i++) {
		struct iface *f = &next.v[i];
		const struct iface *old = find(s, cfg->interfaces[i].name);

		if (old)
			*f = *old;
		(void)snprintf(f->name, sizeof(f->name), "%s",
			       cfg->interfaces[i].name);
		f->want = cfg->interfaces[i].mode;
		next.n++;
		if (is_done(old, f->want))
			continue;
		fresh[i] = !was_attached(s, f->name);
		err = attach(&next, f, msg, msg_len);
		if (err) {
			undo(s, &next, fresh, i + !fresh[i]);
			return err;
		}
	}
	for (size_t i = 0; i < s->n; i++) {
		if (!find(&next, s->v[i].name))
			detach(s, s->v[i].name);
	}
	*s = next;
	return 0;
}

void iface_set_event(struct iface_set *s, enum ifstat_event_kind kind,
		     const struct ifstat *st)
{
	if (kind == IFSTAT_LOST || !st) {
		s->check = true;
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct iface *f = &s->v[i];

		if (f->ifindex == st->ifindex)
			s->check |= kind == IFSTAT_GONE || f->error[0] ||
				    strcmp(f->name, st->name) != 0;
		else if (!strcmp(f->name, st->name))
			s->check = true;
	}
}

/* Gone, or moved to another network namespace: there it would count on. */
static bool is_gone(struct iface_set *s, struct iface *f)
{
	char msg[KERN_MSG_LEN];

	if (!f->ifindex)
		return false;
	log_warn("%s: the interface is gone", f->name);
	lose(f, mono_now(), "the interface is gone");
	(void)attach_detach(s->pin_dir, f->name, msg, sizeof(msg));
	return true;
}

/* The same interface by another name: it counts on, under the one that it is
 * configured by. */
static bool is_renamed(struct iface *f, const char *now)
{
	char text[IPC_TEXT];

	(void)snprintf(text, sizeof(text),
		       "the interface is called %s now, and metered as %s", now,
		       f->name);
	if (!strcmp(text, f->error))
		return false;
	log_warn("%s", text);
	memcpy(f->error, text, sizeof(text));
	return true;
}

/* Said once a reason, as it is tried again with each audit. */
static bool attach_again(struct iface_set *s, struct iface *f)
{
	char msg[KERN_MSG_LEN] = "", before[IPC_TEXT];

	memcpy(before, f->error, sizeof(before));
	if (attach(s, f, msg, sizeof(msg))) {
		if (!strcmp(before, f->error))
			return false;
		log_error("%s", msg);
		return true;
	}
	f->reattached++;
	log_notice("%s: attached again (interface %u); %.3f s in all were not "
		   "counted",
		   f->name, f->ifindex, (double)f->gap_ns / 1e9);
	return true;
}

/* One interface against what the kernel has now. True: it changed. */
static bool repair(struct iface_set *s, struct iface *f)
{
	struct ifstat named, own;
	bool there = !ifstat_get(0, f->name, &named);
	bool alive = f->ifindex && !ifstat_get(f->ifindex, NULL, &own);

	if (f->off)
		return false;
	if (there && named.ifindex == f->ifindex) {
		bool back = f->error[0] != '\0';

		f->error[0] = '\0';
		return back;
	}
	if (!there)
		return alive ? is_renamed(f, own.name) : is_gone(s, f);
	if (alive) { /* under another name, and this is another one */
		lose(f, mono_now(), "another interface has its name now");
		detach(s, own.name);
	}
	if (!f->lost.ns)
		f->lost = mono_now();
	return attach_again(s, f);
}

bool iface_set_repair(struct iface_set *s)
{
	bool changed = false;

	if (!s->check)
		return false;
	s->check = false;
	for (size_t i = 0; i < s->n; i++)
		changed |= repair(s, &s->v[i]);
	return changed;
}

/* True: it is not as it was. */
static bool audit(struct iface_set *s, struct iface *f,
		  const struct attach_look *look, struct mono now)
{
	if (!f->ifindex) /* it may not have worked at the event */
		return mono_diff_ns(f->failed, now) >= IFACE_RETRY_NS &&
		       repair(s, f);
	if (look->in && look->out)
		return false;
	if (!look->meant) {
		log_notice("%s: `asmeter detach` took it off", f->name);
		lose(f, s->audited,
		     "taken off by `asmeter detach`: a reload attaches it "
		     "again");
		f->off = true;
		return true;
	}
	/* an event about it may be on its way */
	if (ifstat_get(f->ifindex, NULL, &(struct ifstat){0}))
		return false;
	log_warn("%s: somebody has removed the program", f->name);
	lose(f, s->audited, "somebody has removed the program");
	return attach_again(s, f);
}

/* What is there of all that should be. Without pins, all of it is lost. */
static void look(const struct iface_set *s, struct attach_look *ret)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		ret[i] = (struct attach_look){.ifindex = s->v[i].ifindex,
					      .meant = true};
		any |= s->v[i].ifindex != 0;
	}
	if (any && attach_look(s->pin_dir, ret, s->n) &&
	    kern_pin_again(s->kern, s->pin_dir))
		log_error("the pins are gone: restart asmeterd");
}

int64_t iface_set_due_ns(const struct iface_set *s, struct mono now)
{
	return mono_diff_ns(now, mono_add_ns(s->audited, IFACE_AUDIT_NS));
}

bool iface_set_audit(struct iface_set *s, struct mono now)
{
	struct attach_look there[ASM_IF_SLOTS];
	bool changed = false;

	if (!s->audited.ns)
		s->audited = now;
	if (mono_diff_ns(s->audited, now) < IFACE_AUDIT_NS)
		return false;
	look(s, there);
	for (size_t i = 0; i < s->n; i++)
		changed |= audit(s, &s->v[i], &there[i], now);
	s->audited = now;
	return changed;
}

int iface_set_tell(const struct iface_set *s, int fd)
{
	struct ipc_msg m = {.type = IPC_IFACE};
	int err = s->n ? 0 : ipc_send(fd, &m, NULL, 0);

	for (size_t i = 0; !err && i < s->n; i++) {
		const struct iface *f = &s->v[i];

		m = (struct ipc_msg){.type = IPC_IFACE,
				     .arg = (uint32_t)i,
				     .arg2 = (uint32_t)s->n};
		memcpy(m.iface.name, f->name, sizeof(m.iface.name));
		m.iface.ifindex = f->ifindex;
		m.iface.mode_in = f->in;
		m.iface.mode_out = f->out;
		m.iface.reattached = f->reattached;
		m.iface.gap_ns = (uint64_t)f->gap_ns;
		m.iface.lost_ns = (uint64_t)f->lost.ns;
		memcpy(m.text, f->error, sizeof(m.text));
		err = ipc_send(fd, &m, NULL, 0);
	}
	return err;
}

struct stranger_job {
	const struct iface_set *s;
	void (*fn)(const char *name);
};

static int on_attached(void *ctx, const struct attach_status *st)
{
	const struct stranger_job *j = ctx;

	for (size_t i = 0; i < j->s->n; i++) {
		if (!strcmp(j->s->v[i].name, st->name))
			return 0;
	}
	if (st->ifindex)
		j->fn(st->name);
	return 0;
}

void iface_set_strangers(const struct iface_set *s,
			 void (*fn)(const char *name))
{
	struct stranger_job j = {s, fn};

	(void)attach_list(s->pin_dir, on_attached, &j);
}
