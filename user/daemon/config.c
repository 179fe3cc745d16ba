/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/schema.h"
#include "daemon/yaml.h"

uint32_t config_sample_rate(const struct config *c,
			    const struct config_iface *f)
{
	return f->has_sample_rate ? f->sample_rate : c->sampling.rate;
}

/* ---------------------------------------- what one key cannot see alone */

static void check_ifaces(const struct config *c, struct config_report *rep)
{
	for (size_t i = 0; i < c->n_interfaces; i++) {
		const struct config_iface *f = &c->interfaces[i];

		if (!f->name)
			continue;
		if (strpbrk(f->name, "/ \t:") || !strcmp(f->name, ".") ||
		    !strcmp(f->name, ".."))
			config_fault(
				rep, f->pos,
				"\"%s\" cannot be the name of an interface",
				f->name);
		for (size_t j = 0; j < i; j++) {
			if (c->interfaces[j].name &&
			    !strcmp(c->interfaces[j].name, f->name))
				config_fault(rep, f->pos,
					     "interface %s is listed twice "
					     "(first in line %u)",
					     f->name,
					     c->interfaces[j].pos.line);
		}
	}
}

static bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->hi == b->hi && a->lo == b->lo;
}

static bool link_local(const struct addr *a)
{
	return a->family == FAMILY_IP6 && a->hi >> 54 == 0xfe80 >> 6;
}

/* Everything that bgp_peer_cfg_check() would refuse, and said earlier. */
static const char *neighbor_fault(const struct config_bgp *b,
				  const struct config_neighbor *n)
{
	if (link_local(&n->address) && !n->interface)
		return "a link-local address needs \"interface\"";
	if (n->hold_time_s == 1 || n->hold_time_s == 2)
		return "hold-time has to be 0 or at least 3";
	if (n->has_local_address &&
	    n->local_address.family != n->address.family)
		return "address and local-address are of different families";
	if (n->multihop && n->ttl_security)
		return "multihop and ttl-security exclude each other";
	if (n->passive && !b->n_listen)
		return "a passive neighbor needs bgp.listen, as "
		       "[\"0.0.0.0:179\"]";
	return NULL;
}

static void check_neighbor(const struct config_bgp *b, size_t i,
			   struct config_report *rep)
{
	const struct config_neighbor *n = &b->neighbors[i];
	char buf[PREFIX_STRLEN];
	const char *why;

	if (!n->remote_as)
		return; /* half filled, its own fault is reported */
	why = neighbor_fault(b, n);
	if (why)
		config_fault(rep, n->pos, "%s", why);
	for (size_t j = 0; j < i; j++) {
		if (same_addr(&b->neighbors[j].address, &n->address))
			config_fault(rep, n->pos,
				     "neighbor %s is listed twice (first in "
				     "line %u)",
				     addr_str(&n->address, buf),
				     b->neighbors[j].pos.line);
	}
}

static void check_prefixes(const struct config *c, struct config_report *rep)
{
	char buf[PREFIX_STRLEN];

	for (size_t i = 0; i < c->n_own_prefixes; i++) {
		const struct config_prefix *p = &c->own_prefixes[i];

		for (size_t j = 0; p->pos.line && j < i; j++) {
			if (c->own_prefixes[j].pos.line &&
			    prefix_equal(&p->prefix,
					 &c->own_prefixes[j].prefix))
				config_fault(
					rep, p->pos,
					"%s is listed twice (first in line %u)",
					prefix_str(&p->prefix, buf),
					c->own_prefixes[j].pos.line);
		}
	}
}

static void check_sflow(const struct config_sflow *s, struct config_report *rep)
{
	for (size_t i = 0; i < s->n_collectors; i++) {
		const struct config_endpoint *e = &s->collectors[i];

		if (link_local(&e->addr))
			config_fault(rep, e->pos,
				     "a link-local address cannot be a "
				     "collector's");
		for (size_t j = 0; e->pos.line && j < i; j++) {
			const struct config_endpoint *f = &s->collectors[j];

			if (f->port == e->port && f->pos.line &&
			    same_addr(&f->addr, &e->addr))
				config_fault(rep, e->pos,
					     "this collector is listed twice "
					     "(first in line %u)",
					     f->pos.line);
		}
	}
}

/* Topics are file names to the brokers; these are their rules. */
static bool good_topic(const char *s)
{
	static const char may[] = "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return !s[strspn(s, may)] && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

static const char *option_of(const struct config_kafka *k, const char *name)
{
	for (size_t i = 0; i < k->n_options; i++) {
		if (!strcmp(k->options[i].name, name))
			return k->options[i].value;
	}
	return NULL;
}

static void check_topic(const struct config_kafka *k,
			const struct config_stream *s,
			struct config_report *rep)
{
	if (s->topic && !good_topic(s->topic))
		config_fault(rep, k->pos,
			     "\"%.60s\" cannot be the name of a topic "
			     "(letters, digits, \".\", \"_\" and \"-\")",
			     s->topic);
}

static void check_kafka(const struct config_kafka *k, struct config_report *rep)
{
	const char *idem = option_of(k, "enable.idempotence");
	const char *acks = option_of(k, "acks");

	for (size_t i = 0; i < k->n_brokers; i++) {
		if (k->brokers[i] && strpbrk(k->brokers[i], ", \t"))
			config_fault(rep, k->pos,
				     "broker \"%.60s\" has to be one HOST or "
				     "HOST:PORT",
				     k->brokers[i]);
	}
	check_topic(k, &k->as_traffic, rep);
	check_topic(k, &k->flows, rep);
	if (!acks)
		acks = option_of(k, "request.required.acks");
	if (acks && strcmp(acks, "all") != 0 && strcmp(acks, "-1") != 0 &&
	    (!idem || !strcmp(idem, "true")))
		config_fault(rep, k->pos,
			     "acks: %.20s needs enable.idempotence: false, "
			     "which is true by default",
			     acks);
}

static void check_whole(const struct config *c, const struct ytree *root,
			struct config_report *rep)
{
	struct config_pos at = root->pos;
	uint32_t w = c->counters.table_words;

	check_ifaces(c, rep);
	check_prefixes(c, rep);
	check_sflow(&c->sflow, rep);
	check_kafka(&c->kafka, rep);
	for (size_t i = 0; i < c->bgp.n_neighbors; i++)
		check_neighbor(&c->bgp, i, rep);
	for (const struct ytree *n = root->child; n; n = n->next) {
		if (!strcmp(n->key->text, "counters"))
			at = n->pos;
	}
	if (w & (w - 1))
		config_fault(rep, at, "table-words has to be a power of 2");
}

/* ------------------------------------------------------------ loading */

static int by_place(const void *a, const void *b)
{
	const struct config_error *x = a, *y = b;

	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	return x->pos.col < y->pos.col ? -1 : x->pos.col > y->pos.col;
}

static int fill(struct config *c, const struct ytree *root,
		struct config_report *rep)
{
	struct schema_ctx ctx = {.mem = &c->mem, .rep = rep};
	char host[256] = "";

	schema_apply(&ctx, &schema_root, root, c);
	if (ctx.err)
		return ctx.err;
	if (root->kind == YTREE_MAP)
		check_whole(c, root, rep);
	if (!c->hostname) {
		(void)gethostname(host, sizeof(host) - 1);
		c->hostname = arena_strndup(&c->mem, host, strlen(host));
	}
	return !c->hostname ? -ENOMEM : rep->n ? -EINVAL : 0;
}

int config_parse(const char *text, size_t len, struct config **ret,
		 struct config_report *rep)
{
	struct config *c = calloc(1, sizeof(*c));
	struct ytree *root = NULL;
	int err;

	memset(rep, 0, sizeof(*rep));
	if (!c)
		return -ENOMEM;
	err = ytree_parse(text, len, &c->mem, rep, &root);
	if (!err && (!root || ytree_is_null(root))) {
		config_fault(rep, (struct config_pos){1, 1},
			     "empty: at least \"local-as\" is needed");
		err = -EINVAL;
	}
	if (!err)
		err = fill(c, root, rep);
	qsort(rep->errors, rep->n, sizeof(rep->errors[0]), by_place);
	if (err)
		config_free(c);
	else
		*ret = c;
	return err;
}

int config_read_text(int fd, char **ret, size_t *ret_len)
{
	size_t size = 0, room = 0;
	char *buf = NULL, *p;
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
		return -errno;
	for (;;) {
		if (room - size < 2) {
			room = room ? room * 2 : 16384;
			p = realloc(buf, room);
			if (!p)
				break;
			buf = p;
		}
		n = read(fd, buf + size, room - size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || size + (size_t)n > CONFIG_BYTES_MAX) {
			int err = n < 0 ? -errno : -EFBIG;

			free(buf);
			return err;
		}
		if (!n) {
			buf[size] = '\0';
			*ret = buf;
			*ret_len = size;
			return 0;
		}
		size += (size_t)n;
	}
	free(buf);
	return -ENOMEM;
}

static int load_failed(struct config_report *rep, int err)
{
	memset(rep, 0, sizeof(*rep));
	config_fault(rep, (struct config_pos){0}, "%s",
		     err == -EFBIG
			     ? "longer than a configuration may be (4 MiB)"
			     : strerror(-err));
	return err;
}

int config_load_fd(int fd, struct config **ret, struct config_report *rep)
{
	size_t len = 0;
	char *text;
	int err = config_read_text(fd, &text, &len);

	if (err)
		return load_failed(rep, err);
	err = config_parse(text, len, ret, rep);
	free(text);
	if (err == -ENOMEM)
		return load_failed(rep, err);
	return err;
}

int config_load(const char *path, struct config **ret,
		struct config_report *rep)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return load_failed(rep, -errno);
	err = config_load_fd(fd, ret, rep);
	close(fd);
	return err;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	struct arena mem = c->mem;

	free(c);
	arena_done(&mem);
}

/* ----------------------------------------------------------- printing */

void config_report_print(const struct config_report *rep, const char *path,
			 FILE *out)
{
	for (size_t i = 0; i < rep->n; i++) {
		const struct config_error *e = &rep->errors[i];

		if (e->pos.line)
			(void)fprintf(out, "%s:%u:%u: %s\n", path, e->pos.line,
				      e->pos.col, e->text);
		else
			(void)fprintf(out, "%s: %s\n", path, e->text);
	}
	if (rep->held)
		(void)fprintf(out, "%s: %zu more faults\n", path, rep->held);
}

static void print_map(const struct schema_map *map, const char *prefix,
		      FILE *out)
{
	char path[128];

	for (const struct schema_key *k = map->keys; k->name; k++) {
		(void)snprintf(path, sizeof(path), "%s%s%s", prefix, k->name,
			       k->type == SCHEMA_LIST ? "[]" : "");
		(void)fprintf(out, "%s\n\ttype: %s", path,
			      schema_type_name(k->type));
		if (k->type == SCHEMA_LIST && k->item != SCHEMA_MAP)
			(void)fprintf(out, " of %s", schema_type_name(k->item));
		for (const struct schema_choice *c = k->choices; c && c->name;
		     c++)
			(void)fprintf(out, "%s%s",
				      c == k->choices ? ": " : ", ", c->name);
		if (k->type == SCHEMA_UINT)
			(void)fprintf(out, ", %u to %u", k->min, k->max);
		(void)fprintf(out, "\n\tdefault: %s\n\t%s\n",
			      k->required ? "(required)"
			      : k->def    ? k->def
					  : "(none)",
			      k->help);
		if (k->map) {
			size_t used = strlen(path);

			(void)snprintf(path + used, sizeof(path) - used, ".");
			print_map(k->map, path, out);
		}
	}
}

void config_print_reference(FILE *out)
{
	print_map(&schema_root, "", out);
}
