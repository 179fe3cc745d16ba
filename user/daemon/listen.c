/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/listen.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A meter that lost its keeper needs a moment to go. */
#define TAKEN_TRIES   50
#define TAKEN_WAIT_MS 100

static int fail(int err, char *msg, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int fail(int err, char *msg, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, len, fmt, ap);
	va_end(ap);
	return err;
}

static socklen_t fill_sockaddr(const struct config_endpoint *e,
			       struct sockaddr_storage *ret)
{
	struct sockaddr_in *s4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (e->addr.family == FAMILY_IP4) {
		s4->sin_family = AF_INET;
		s4->sin_port = htons(e->port);
		s4->sin_addr.s_addr = htonl((uint32_t)(e->addr.hi >> 32));
		return sizeof(*s4);
	}
	s6->sin6_family = AF_INET6;
	s6->sin6_port = htons(e->port);
	for (unsigned i = 0; i < 8; i++) {
		s6->sin6_addr.s6_addr[i] =
			(uint8_t)(e->addr.hi >> (56 - 8 * i));
		s6->sin6_addr.s6_addr[8 + i] =
			(uint8_t)(e->addr.lo >> (56 - 8 * i));
	}
	return sizeof(*s6);
}

static int bind_retry(int fd, const struct sockaddr *sa, socklen_t len)
{
	const struct timespec wait = {0, TAKEN_WAIT_MS * 1000000L};

	for (int i = 0; bind(fd, sa, len); i++) {
		if (errno != EADDRINUSE || i == TAKEN_TRIES)
			return -errno;
		(void)nanosleep(&wait, NULL);
	}
	return 0;
}

static const char *cure(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "the port is taken: see who has it with `ss -ltnp`, "
		       "stop it or choose another port";
	case -EADDRNOTAVAIL:
		return "this machine does not have the address: choose one "
		       "that `ip addr` shows";
	case -EACCES:
		return "a port below 1024 needs CAP_NET_BIND_SERVICE: start as "
		       "root";
	default:
		return strerror(-err);
	}
}

static int open_tcp(const struct config_endpoint *e, enum ipc_listener kind,
		    char *msg, size_t msg_len)
{
	const char *key = kind == IPC_LISTEN_BGP ? "bgp" : "prometheus";
	struct sockaddr_storage sa;
	socklen_t len = fill_sockaddr(e, &sa);
	char buf[PREFIX_STRLEN];
	int fd, one = 1, err = 0;

	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
	if (fd < 0)
		return fail(-errno, msg, msg_len, "%s.listen: %s", key,
			    strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
				 sizeof(one));
	err = bind_retry(fd, (struct sockaddr *)&sa, len);
	if (!err && kind != IPC_LISTEN_BGP && listen(fd, SOMAXCONN))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return fail(err, msg, msg_len, "%s.listen %s port %u: %s", key,
		    addr_str(&e->addr, buf), e->port, cure(err));
}

/* Makes the directory of the socket when it is not there. */
static int make_dir(const char *path, const struct privs_user *u)
{
	char dir[112];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755))
		return errno == EEXIST ? 0 : -errno;
	if (geteuid() == u->uid)
		return 0;
	return chown(dir, u->uid, u->gid) ? -errno : 0;
}

/* A socket left over by a daemon that was killed is removed; one that
 * answers is not ours. */
static int clear_stale(const struct sockaddr_un *sa)
{
	const struct timespec wait = {0, TAKEN_WAIT_MS * 1000000L};
	struct stat st;

	if (lstat(sa->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	for (int i = 0;; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int busy = fd >= 0 && !connect(fd, (const struct sockaddr *)sa,
					       sizeof(*sa));

		if (fd >= 0)
			close(fd);
		if (!busy)
			break;
		if (i == TAKEN_TRIES)
			return -EADDRINUSE;
		(void)nanosleep(&wait, NULL);
	}
	return unlink(sa->sun_path) ? -errno : 0;
}

static int bind_unix(int fd, const struct sockaddr_un *sa, gid_t gid)
{
	mode_t old = umask(0777); /* nobody gets in before it is set up */
	int err =
		bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) ? -errno : 0;

	(void)umask(old);
	if (err)
		return err;
	if (chown(sa->sun_path, (uid_t)-1, gid) || chmod(sa->sun_path, 0660) ||
	    listen(fd, SOMAXCONN)) {
		err = -errno;
		(void)unlink(sa->sun_path);
	}
	return err;
}

static int open_unix(const struct config_api *api, const struct privs_user *u,
		     char *msg, size_t msg_len)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct group *gr = getgrnam(api->group);
	int fd, err;

	if (!gr)
		return fail(-ENOENT, msg, msg_len,
			    "api.group: group \"%s\" does not exist: groupadd "
			    "--system %s, or name another",
			    api->group, api->group);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", api->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(-errno, msg, msg_len, "api.socket: %s",
			    strerror(errno));
	err = make_dir(api->socket, u);
	if (!err)
		err = clear_stale(&sa);
	if (!err)
		err = bind_unix(fd, &sa, gr->gr_gid);
	if (!err)
		return fd;
	close(fd);
	if (err == -EADDRINUSE)
		return fail(err, msg, msg_len,
			    "api.socket %s: another asmeterd answers there: "
			    "stop it first",
			    api->socket);
	return fail(err, msg, msg_len, "api.socket %s: %s%s", api->socket,
		    strerror(-err),
		    err == -EEXIST ? ", and it is not a socket: move it away"
				   : "");
}

static void add(struct listen_set *set, int fd, enum ipc_listener kind)
{
	set->v[set->n].fd = fd;
	set->v[set->n++].kind = kind;
}

static int open_each(const struct config_endpoint *e, size_t n,
		     enum ipc_listener kind, struct listen_set *set, char *msg,
		     size_t msg_len)
{
	for (size_t i = 0; i < n; i++) {
		int fd = open_tcp(&e[i], kind, msg, msg_len);

		if (fd < 0)
			return fd;
		add(set, fd, kind);
	}
	return 0;
}

int listen_open(const struct config *cfg, const struct privs_user *user,
		struct listen_set *ret, char *msg, size_t msg_len)
{
	struct listen_set set = {0};
	int err = open_each(cfg->bgp.listen, cfg->bgp.n_listen, IPC_LISTEN_BGP,
			    &set, msg, msg_len);

	if (!err)
		err = open_each(cfg->prometheus.listen,
				cfg->prometheus.n_listen, IPC_LISTEN_HTTP, &set,
				msg, msg_len);
	if (!err) {
		int fd = open_unix(&cfg->api, user, msg, msg_len);

		if (fd < 0) {
			err = fd;
		} else {
			add(&set, fd, IPC_LISTEN_API);
			(void)snprintf(set.path, sizeof(set.path), "%s",
				       cfg->api.socket);
		}
	}
	if (err)
		listen_close(&set);
	else
		*ret = set;
	return err;
}

void listen_close(struct listen_set *set)
{
	while (set->n)
		close(set->v[--set->n].fd);
	if (set->path[0])
		(void)unlink(set->path);
	set->path[0] = '\0';
}

static bool same_places(const struct config_endpoint *a, size_t na,
			const struct config_endpoint *b, size_t nb)
{
	if (na != nb)
		return false;
	for (size_t i = 0; i < na; i++) {
		if (a[i].port != b[i].port || a[i].addr.hi != b[i].addr.hi ||
		    a[i].addr.lo != b[i].addr.lo ||
		    a[i].addr.family != b[i].addr.family)
			return false;
	}
	return true;
}

bool listen_same(const struct config *a, const struct config *b)
{
	return same_places(a->bgp.listen, a->bgp.n_listen, b->bgp.listen,
			   b->bgp.n_listen) &&
	       same_places(a->prometheus.listen, a->prometheus.n_listen,
			   b->prometheus.listen, b->prometheus.n_listen) &&
	       !strcmp(a->api.socket, b->api.socket) &&
	       !strcmp(a->api.group, b->api.group);
}
