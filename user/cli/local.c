/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs that need no daemon: check, attach, detach; see confirm.c. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include "daemon/config.h"
#include "export/json.h"
#include "kernel/attach.h"
#include "kernel/ifstat.h"
#include "kernel/load.h"

static void put(const struct cli *c, struct buf *b)
{
	buf_putc(b, '\n');
	(void)fwrite(b->p, 1, b->len, c->out);
	buf_free(b);
}

/* ---------------------------------------------------------------- check */

/* The interfaces of the file that do not exist now: they may come, so that
 * is no fault of the file. */
static size_t absent(const struct config *cfg, struct config_error *ret,
		     size_t max)
{
	char near[IFSTAT_NAME_LEN];
	struct ifstat st;
	size_t n = 0;

	for (size_t i = 0; cfg && i < cfg->n_interfaces && n < max; i++) {
		const struct config_iface *f = &cfg->interfaces[i];

		if (ifstat_get(0, f->name, &st) != -ENODEV)
			continue;
		ifstat_suggest(f->name, near);
		ret[n].pos = f->pos;
		(void)snprintf(ret[n++].text, sizeof(ret->text),
			       "no interface \"%s\" now%s%s%s: asmeterd does "
			       "not start until there is one",
			       f->name, near[0] ? ", did you mean \"" : "",
			       near, near[0] ? "\"?" : "");
	}
	return n;
}

static void faults_json(struct jw *j, const char *name,
			const struct config_error *v, size_t n)
{
	jw_array(j, name);
	for (size_t i = 0; i < n; i++) {
		jw_object(j, NULL);
		jw_u64(j, "line", v[i].pos.line);
		jw_u64(j, "column", v[i].pos.col);
		jw_str(j, "text", v[i].text);
		jw_end(j);
	}
	jw_close(j);
}

static void check_json(const struct cli *c, const char *path,
		       const struct config_report *rep,
		       const struct config_error *warnings, size_t n)
{
	struct buf b = {0};
	struct jw j = jw_init(&b);

	jw_object(&j, NULL);
	jw_str(&j, "file", path);
	jw_bool(&j, "ok", rep->n == 0);
	faults_json(&j, "errors", rep->errors, rep->n);
	jw_u64(&j, "more", rep->held);
	faults_json(&j, "warnings", warnings, n);
	jw_end(&j);
	put(c, &b);
}

int cli_check(struct cli *c)
{
	const char *path = c->n_args ? c->args[0] : CONFIG_PATH;
	static struct config_error warn[ASM_IF_SLOTS];
	static struct config_report rep;
	struct config *cfg = NULL;
	int err = config_load(path, &cfg, &rep);
	size_t n = err ? 0 : absent(cfg, warn, ASM_IF_SLOTS);

	for (size_t i = 0; !c->json && i < n; i++)
		fprintf(stderr, "%s:%u:%u: warning: %s\n", path,
			warn[i].pos.line, warn[i].pos.col, warn[i].text);
	if (c->json)
		check_json(c, path, &rep, warn, n);
	else if (err)
		config_report_print(&rep, path, stderr);
	else
		fprintf(c->out, "%s: in order\n", path);
	config_free(cfg);
	return err ? CLI_USAGE : CLI_OK;
}

/* ------------------------------------------------------- attach, detach */

static int exit_of(int err)
{
	return err == -EPERM || err == -EACCES ? CLI_PERMISSION : CLI_FAULT;
}

/* What the daemon would have loaded: sizes from its configuration, when that
 * can be read; else the defaults. */
static void load_cfg(struct kern_cfg *ret)
{
	static struct config_report rep;
	struct config *cfg = NULL;

	*ret = (struct kern_cfg){0};
	if (!config_load(CONFIG_PATH, &cfg, &rep)) {
		ret->rows = cfg->counters.rows;
		ret->table_words = cfg->counters.table_words;
	}
	config_free(cfg);
}

static int open_or_load(struct kern *ret, char *msg, size_t msg_len)
{
	struct kern_cfg cfg;
	int err = kern_open(NULL, ret, msg, msg_len);

	if (err != -ENOENT)
		return err;
	load_cfg(&cfg);
	return kern_load(&cfg, ret, msg, msg_len);
}

static void attach_print(const struct cli *c, const struct attach_status *st,
			 const char *msg)
{
	struct buf b = {0};
	struct jw j = jw_init(&b);

	if (!c->json) {
		fprintf(c->out, "%s: metered, in %s, out %s\n", st->name,
			attach_mode_name(st->in.mode),
			attach_mode_name(st->out.mode));
		if (*msg)
			fprintf(c->out, "%s\n", msg);
		return;
	}
	jw_object(&j, NULL);
	jw_str(&j, "interface", st->name);
	jw_u64(&j, "ifindex", st->ifindex);
	jw_str(&j, "receive_mode", attach_mode_name(st->in.mode));
	jw_str(&j, "transmit_mode", attach_mode_name(st->out.mode));
	jw_str(&j, "note", *msg ? msg : NULL);
	jw_end(&j);
	put(c, &b);
}

/* Only what is new can be taken back. */
static int begin_confirm(const struct cli *c)
{
	struct attach_status st;
	const char *name = c->args[0];
	int err;

	if (!attach_get(NULL, name, &st) && (st.in.alive || st.out.alive)) {
		fprintf(stderr,
			"asmeter: %s is metered already: there is nothing to "
			"confirm\n",
			name);
		return CLI_FAULT;
	}
	err = confirm_wait(name, c->confirm_s);
	if (err)
		fprintf(stderr, "asmeter: %s: %s\n", name,
			err == -EADDRINUSE ? "an attach is waiting to be "
					     "confirmed already"
					   : strerror(-err));
	return err ? CLI_FAULT : CLI_OK;
}

static int attach(struct cli *c, const struct attach_opts *opts)
{
	char msg[KERN_MSG_LEN] = "";
	struct attach_status st;
	struct kern k = {0};
	int err = open_or_load(&k, msg, sizeof(msg));

	if (!err) {
		err = attach_iface(&k, c->args[0], opts, &st, msg, sizeof(msg));
		kern_done(&k);
	}
	if (err) {
		fprintf(stderr, "asmeter: %s\n", *msg ? msg : strerror(-err));
		return exit_of(err);
	}
	attach_print(c, &st, msg);
	return CLI_OK;
}

int cli_attach(struct cli *c)
{
	struct attach_opts opts = {.in = ATTACH_WANT_AUTO,
				   .out = ATTACH_WANT_AUTO};
	int rc = c->confirm_s ? begin_confirm(c) : CLI_OK;

	if (rc)
		return rc;
	if (c->mode)
		(void)attach_want_parse(c->mode, &opts.in);
	if (opts.in == ATTACH_WANT_TC)
		opts.out = ATTACH_WANT_TC;
	if (c->confirm_s) /* the connection may break right here */
		(void)signal(SIGHUP, SIG_IGN);
	rc = attach(c, &opts);
	if (!c->confirm_s)
		return rc;
	if (rc)
		(void)confirm_tell(c->args[0]); /* nothing to take back */
	else if (!c->json)
		fprintf(c->out,
			"it is taken off in %u s unless: asmeter confirm %s\n",
			c->confirm_s, c->args[0]);
	return rc;
}

struct pick {
	unsigned skip; /* those that are listed and cannot be found */
	char name[ASM_IFNAME_LEN];
};

/* The next interface that is attached; 1: its name is filled in. */
static int pick_attached(void *ctx, const struct attach_status *st)
{
	struct pick *p = ctx;

	if (p->skip) {
		p->skip--;
		return 0;
	}
	memcpy(p->name, st->name, sizeof(p->name));
	return 1;
}

/* Takes off what is attached; one that is not there any more is no fault. */
static int detach_each(unsigned *ret_n, char *msg, size_t msg_len)
{
	unsigned lost = 0;

	for (;;) {
		struct pick p = {.skip = lost};
		int err;

		if (attach_list(NULL, pick_attached, &p) != 1)
			return 0;
		err = attach_detach(NULL, p.name, msg, msg_len);
		if (!err)
			++*ret_n;
		else if (err == -ENOENT || err == -ENODEV)
			lost++;
		else
			return err;
	}
}

/* Everything off, and the maps unpinned. */
static int detach_all(struct cli *c)
{
	char msg[KERN_MSG_LEN] = "";
	json_t *v = NULL;
	unsigned n = 0;
	int err;

	if (!cli_try(c, "/api/v1/version", &v, msg, sizeof(msg))) {
		json_decref(v);
		fputs("asmeter: the daemon runs, and would go on with maps "
		      "that "
		      "nobody sees: systemctl stop asmeterd\n",
		      stderr);
		return CLI_FAULT;
	}
	msg[0] = 0;
	err = detach_each(&n, msg, sizeof(msg));
	if (!err)
		err = kern_unpin(ASM_PIN_DIR, msg, sizeof(msg));
	if (err) {
		fprintf(stderr, "asmeter: %s\n", *msg ? msg : strerror(-err));
		return exit_of(err);
	}
	if (c->json)
		fprintf(c->out, "{\"detached\":%u}\n", n);
	else
		fprintf(c->out,
			"%u interfaces not metered any more; the maps are "
			"gone\n",
			n);
	return CLI_OK;
}

int cli_detach(struct cli *c)
{
	char msg[KERN_MSG_LEN] = "";
	int err;

	if (c->all == (c->n_args > 0)) {
		fputs("usage: asmeter detach INTERFACE, or asmeter detach "
		      "--all\n",
		      stderr);
		return CLI_USAGE;
	}
	if (c->all)
		return detach_all(c);
	err = attach_detach(NULL, c->args[0], msg, sizeof(msg));
	if (err) {
		fprintf(stderr, "asmeter: %s\n", *msg ? msg : strerror(-err));
		return exit_of(err);
	}
	if (c->json)
		fprintf(c->out, "{\"detached\":1}\n");
	else
		fprintf(c->out, "%s: not metered any more; its counters stay\n",
			c->args[0]);
	return CLI_OK;
}
