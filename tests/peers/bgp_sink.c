/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions and RIB without the daemon, for tests against real speakers.
 *
 *   bgp_sink -a LOCAL-AS -i ROUTER-ID [-l ADDR[@PORT]]... -p PEER...
 *
 * PEER: "ADDR[,key=value]..." with as, local-as, port, md5, hold, stale, retry,
 * max, passive=1, add-path=1, ttl-security, multihop. Commands on standard
 * input, one a line; each answer ends with a line ".":
 *
 *   peer ADDR      key=value words on one line
 *   lookup ADDR    "PREFIX AS [local] [stale] via SOURCE", or "none"
 *   count          "N4 N6"
 *   checkloc       compares the RIB with libloc's database, both ways
 *   stale N        from now on, of all neighbours, in seconds
 *   refresh ADDR | reset ADDR | stop | mem | quit
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "route/bgp_session.h"
#include "route/loc.h"

#define PEERS_MAX 64

static struct {
	uv_loop_t loop;
	struct attr_table *attrs;
	struct rib *rib;
	struct bgp_peerset *set;
	struct bgp_local_cfg local;
	struct bgp_peer_cfg peers[PEERS_MAX];
	size_t n_peers;
	struct addr wanted;
	bool found;
	int64_t complete_ns[FAMILIES]; /* from establishment to End-of-RIB */
} g;

static void die(const char *what, const char *arg)
{
	fprintf(stderr, "bgp_sink: %s: %s\n", what, arg);
	exit(2);
}

static void must_addr(const char *text, struct addr *ret)
{
	if (addr_parse(text, ret))
		die("not an address", text);
}

/* ---- arguments */

static void peer_option(struct bgp_peer_cfg *c, const char *key,
			const char *value)
{
	unsigned long v = strtoul(value, NULL, 0);

	if (strcmp(key, "as") == 0)
		c->remote_as = (uint32_t)v;
	else if (strcmp(key, "local-as") == 0)
		c->local_as = (uint32_t)v;
	else if (strcmp(key, "port") == 0)
		c->port = (uint16_t)v;
	else if (strcmp(key, "md5") == 0)
		(void)snprintf(c->md5, sizeof(c->md5), "%s", value);
	else if (strcmp(key, "hold") == 0)
		c->hold_time_s = (uint16_t)v;
	else if (strcmp(key, "stale") == 0)
		c->stale_time_s = (uint32_t)v;
	else if (strcmp(key, "retry") == 0)
		c->connect_retry_s = (uint16_t)v;
	else if (strcmp(key, "max") == 0)
		c->max_prefixes = (uint32_t)v;
	else if (strcmp(key, "passive") == 0)
		c->passive = v;
	else if (strcmp(key, "add-path") == 0)
		c->add_path = v;
	else if (strcmp(key, "ttl-security") == 0)
		c->ttl_security = (uint8_t)v;
	else if (strcmp(key, "multihop") == 0)
		c->multihop = (uint8_t)v;
	else
		die("unknown option", key);
}

static void add_peer(char *text)
{
	struct bgp_peer_cfg *c = &g.peers[g.n_peers++];
	char *save, *word = strtok_r(text, ",", &save);

	bgp_peer_cfg_default(c);
	must_addr(word, &c->addr);
	while ((word = strtok_r(NULL, ",", &save))) {
		char *eq = strchr(word, '=');

		if (!eq)
			die("no value", word);
		*eq = '\0';
		peer_option(c, word, eq + 1);
	}
}

static void add_listener(char *text)
{
	char *at = strchr(text, '@');
	uint16_t port = at ? (uint16_t)atoi(at + 1) : BGP_PORT;
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(port)};
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(port)};
	bool v6 = strchr(text, ':');
	int fd, one = 1, rc;

	if (at)
		*at = '\0';
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (v6 && inet_pton(AF_INET6, text, &sin6.sin6_addr) == 1)
		rc = bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	else if (!v6 && inet_pton(AF_INET, text, &sin.sin_addr) == 1)
		rc = bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	else
		rc = -1;
	if (rc || listen(fd, 64) || bgp_peerset_listen(g.set, fd))
		die("cannot listen", text);
}

/* ---- answers */

static void print_peer(void *ctx, const struct bgp_peer_info *p)
{
	const struct addr *a = &p->cfg->addr;

	(void)ctx;
	if (a->family != g.wanted.family || a->hi != g.wanted.hi ||
	    a->lo != g.wanted.lo)
		return;
	g.found = true;
	printf("state=%s as=%u hold=%u caps=%x md5=%d", bgp_state_str(p->state),
	       p->remote_as, p->hold_time_s, p->caps, p->cfg->md5[0] != 0);
	for (unsigned f = 0; f < FAMILIES; f++)
		printf(" paths%u=%zu stale%u=%zu eor%u=%d addpath%u=%d",
		       f ? 6 : 4, p->family[f].paths, f ? 6 : 4,
		       p->family[f].stale, f ? 6 : 4, p->family[f].eor,
		       f ? 6 : 4, p->family[f].add_path);
	for (unsigned i = 0; i < BGP_COUNTERS; i++)
		printf(" %s=%llu", bgp_counter_str((enum bgp_counter)i),
		       (unsigned long long)p->counters[i]);
	printf(" updates=%llu keepalives_out=%llu\n",
	       (unsigned long long)p->msgs_in[BGP_UPDATE],
	       (unsigned long long)p->msgs_out[BGP_KEEPALIVE]);
	printf("last_in: %s\nlast_out: %s\nlast_error: %s\n", p->last_in.text,
	       p->last_out.text, p->last_error);
}

static void lookup(const char *text)
{
	char buf[PREFIX_STRLEN];
	struct attr_spec spec;
	struct rib_route r;
	struct addr a;

	must_addr(text, &a);
	if (!rib_lookup(g.rib, &a, &r)) {
		printf("none\n");
		return;
	}
	attr_view(r.attr, &spec);
	printf("%s %u%s%s via %s\n", prefix_str(&r.prefix, buf), spec.origin_as,
	       spec.flags & ATTR_LOCAL ? " local" : "", r.stale ? " stale" : "",
	       rib_source_get(g.rib, r.source)->name);
}

struct check {
	size_t n[FAMILIES], wrong;
};

static int check_batch(void *ctx, const struct loc_entry *e, size_t n)
{
	struct check *c = ctx;
	struct rib_route r;

	for (size_t i = 0; i < n; i++) {
		struct addr a = {.hi = e[i].prefix.hi,
				 .lo = e[i].prefix.lo,
				 .family = (enum family)e[i].prefix.family};

		c->n[a.family]++;
		/* The first address of the prefix may have a longer match. */
		if (!rib_lookup(g.rib, &a, &r) ||
		    r.prefix.len < e[i].prefix.len ||
		    (r.prefix.len == e[i].prefix.len &&
		     attr_origin_as(r.attr) != e[i].asn))
			c->wrong++;
	}
	return 0;
}

static void checkloc(void)
{
	struct check c = {0};
	struct loc_db *db;
	int rc = loc_db_open(LOC_DB_PATH, &db);

	if (rc == 0) {
		rc = loc_db_walk(db, check_batch, &c);
		loc_db_close(db);
	}
	printf("rc=%d loc4=%zu loc6=%zu rib4=%zu rib6=%zu wrong=%zu\n", rc,
	       c.n[0], c.n[1], rib_prefixes(g.rib, FAMILY_IP4),
	       rib_prefixes(g.rib, FAMILY_IP6), c.wrong);
}

static void mem(void)
{
	struct rusage ru;

	(void)getrusage(RUSAGE_SELF, &ru);
	printf("attrs=%zu attr_bytes=%zu rib_bytes=%zu maxrss_kb=%ld "
	       "cpu_ms=%ld complete4_ms=%lld complete6_ms=%lld\n",
	       attr_table_count(g.attrs), attr_table_bytes(g.attrs),
	       rib_bytes(g.rib), ru.ru_maxrss,
	       ru.ru_utime.tv_sec * 1000 + ru.ru_utime.tv_usec / 1000 +
		       ru.ru_stime.tv_sec * 1000 + ru.ru_stime.tv_usec / 1000,
	       (long long)(g.complete_ns[0] / NSEC_PER_MSEC),
	       (long long)(g.complete_ns[1] / NSEC_PER_MSEC));
}

static void command(char *line)
{
	char *arg = strchr(line, ' ');
	struct addr a;

	if (arg)
		*arg++ = '\0';
	if (arg && strcmp(line, "lookup") != 0 && strcmp(line, "stale") != 0)
		must_addr(arg, &a);
	if (strcmp(line, "peer") == 0 && arg) {
		g.wanted = a;
		g.found = false;
		bgp_peerset_each(g.set, print_peer, NULL);
		if (!g.found)
			printf("no such peer\n");
	} else if (strcmp(line, "lookup") == 0 && arg) {
		lookup(arg);
	} else if (strcmp(line, "count") == 0) {
		printf("%zu %zu\n", rib_prefixes(g.rib, FAMILY_IP4),
		       rib_prefixes(g.rib, FAMILY_IP6));
	} else if (strcmp(line, "checkloc") == 0) {
		checkloc();
	} else if (strcmp(line, "refresh") == 0 && arg) {
		printf("%d\n", bgp_peerset_refresh(g.set, &a));
	} else if (strcmp(line, "reset") == 0 && arg) {
		printf("%d\n", bgp_peerset_reset(g.set, &a));
	} else if (strcmp(line, "stale") == 0 && arg) {
		for (size_t i = 0; i < g.n_peers; i++)
			g.peers[i].stale_time_s = (uint32_t)atoi(arg);
		printf("%d\n",
		       bgp_peerset_apply(g.set, &g.local, g.peers, g.n_peers));
	} else if (strcmp(line, "mem") == 0) {
		mem();
	} else if (strcmp(line, "stop") == 0) {
		bgp_peerset_stop(g.set, BGP_STOP_SHUTDOWN, "test over");
	} else {
		printf("unknown command\n");
	}
	printf(".\n");
	(void)fflush(stdout);
}

static void quit(uv_poll_t *h)
{
	uv_close((uv_handle_t *)h, NULL);
	bgp_peerset_free(g.set);
}

static void stdin_cb(uv_poll_t *h, int status, int events)
{
	static char buf[4096];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
	char *nl;

	(void)events;
	if (status < 0 || n <= 0) { /* the test is gone */
		quit(h);
		return;
	}
	len += (size_t)n;
	buf[len] = '\0';
	while ((nl = strchr(buf, '\n'))) {
		*nl = '\0';
		if (strcmp(buf, "quit") == 0) {
			quit(h);
			return;
		}
		command(buf);
		len -= (size_t)(nl + 1 - buf);
		memmove(buf, nl + 1, len + 1);
	}
}

static void on_complete(void *ctx, const struct bgp_peer_info *p, enum family f)
{
	(void)ctx;
	g.complete_ns[f] = p->state_age_ns;
}

int main(int argc, char **argv)
{
	static const struct bgp_callbacks cb = {.table_complete = on_complete};
	char *listen_on[16];
	size_t n_listen = 0;
	uv_poll_t in;
	struct addr id;
	int opt;

	log_setup(LOG_LVL_INFO, "bgp_sink");
	while ((opt = getopt(argc, argv, "a:i:l:p:")) != -1) {
		if (opt == 'a') {
			g.local.asn = (uint32_t)strtoul(optarg, NULL, 10);
		} else if (opt == 'i') {
			must_addr(optarg, &id);
			g.local.router_id = (uint32_t)(id.hi >> 32);
		} else if (opt == 'l' && n_listen < 16) {
			listen_on[n_listen++] = optarg;
		} else if (opt == 'p' && g.n_peers < PEERS_MAX) {
			add_peer(optarg);
		} else {
			die("usage", argv[0]);
		}
	}
	(void)uv_loop_init(&g.loop);
	g.attrs = attr_table_new();
	g.rib = rib_new(g.attrs);
	g.set = bgp_peerset_new(&g.loop, g.rib, g.attrs, &g.local, &cb, NULL);
	for (size_t i = 0; i < n_listen; i++)
		add_listener(listen_on[i]);
	if (bgp_peerset_apply(g.set, &g.local, g.peers, g.n_peers))
		die("configuration refused", argv[0]);
	(void)uv_poll_init(&g.loop, &in, STDIN_FILENO);
	(void)uv_poll_start(&in, UV_READABLE, stdin_cb);
	(void)uv_run(&g.loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&g.loop))
		die("handles left open", argv[0]);
	rib_free(g.rib);
	if (attr_table_count(g.attrs))
		die("attribute sets left", argv[0]);
	attr_table_free(g.attrs);
	return 0;
}
