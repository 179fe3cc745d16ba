/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Damaged requests for a live HTTP server, by real connections, many at a time.
 *
 *   http_fuzz -n COUNT -p PORT -u SOCKET [-s SEED]
 *
 * Valid requests are changed in up to eight places (bytes flipped, cut out,
 * doubled, put in, numbers and separators exchanged, parts of other requests)
 * and sent, up to sixteen behind each other, in pieces of any size, half of the
 * connections to PORT of 127.0.0.1 and half to the Unix socket. Some clients
 * reset the connection in the middle, some do not read. Every fiftieth
 * connection sends sixteen sound ones, which must have sixteen answers of
 * status 200. Whatever else comes back must begin as an answer does. Prints
 *
 *   sent N requests by C connections: A answered, R resets, S sound ones
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mono.h"

#define AT_ONCE   200
#define PIPELINED 16
#define TEXT_MAX  4096
#define SOUND     50 /* of so many connections one */
/* A body that is longer than what follows has no answer: after so long without
 * a byte the client goes. A sound one is to be answered, on however slow a
 * machine. */
#define QUIET_MS   500
#define PATIENCE_S 60

enum mood { READS, RESETS, STALLS, IS_SOUND };

struct client {
	int fd; /* -1: none */
	enum mood mood;
	char text[(PIPELINED + 1) * TEXT_MAX];
	size_t len, sent;
	bool shut; /* all is sent, and said so */
	char head[13];
	size_t got; /* bytes received */
	unsigned answers, wanted;
	size_t matched; /* of "HTTP/1.1 200 OK\r\n", in the stream */
	struct mono begun, heard;
};

static struct {
	unsigned long count, sent, connections, answered, resets, sound;
	unsigned long seed;
	uint64_t rand;
	uint16_t port;
	const char *path;
	struct client client[AT_ONCE];
} g;

/* The last two are for the Unix socket only. */
#define FOR_ALL (COUNT_OF(urls) - 2)

static const char *const urls[] = {
	"/",
	"/metrics",
	"/-/healthy",
	"/-/ready",
	"/api/v1/version",
	"/api/v1/status",
	"/api/v1/top?n=5&by=bytes",
	"/api/v1/top?per=pair&dir=in&when=smooth&n=20&as=1001",
	"/api/v1/as/1001?when=total&by=packets&n=3",
	"/api/v1/lookup?addr=20.0.1.1",
	"/api/v1/lookup?addr=2a00%3a0:1::%31",
	"/api/v1/interfaces",
	"/api/v1/peers",
	"/api/v1/flows?n=10",
	"/api/v1/flows?prefix=20.0.0.0/8&port=53&proto=17&since=0&role=any",
};
static const char *const headers[] = {
	"Accept-Encoding: gzip\r\n",
	"Accept-Encoding: br;q=0.1, *;q=0\r\n",
	"Connection: keep-alive\r\n",
	"Expect: 100-continue\r\n",
	"Range: bytes=0-10\r\n",
	"Cookie: a=b; c=\"d\"\r\n",
	"Authorization: Basic Zm9vOmJhcg==\r\n",
	"X-Long: "
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Content-Length: 3\r\n",
	"Upgrade: h2c\r\nConnection: Upgrade\r\n",
};
static const char *const pieces[] = {
	"\r\n",     "\n",       "\r",         " ",
	"\t",       "%",        "%00",        "%2f..",
	"../",      "?",        "&",          "=",
	"&&==",     ":",        "\r\n\r\n",   "-1",
	"0",        "65536",    "4294967296", "18446744073709551616",
	"1e9",      "0x10",     "ffff\r\n",   "HTTP/1.0",
	"HTTP/9.9", "\xff\xfe", "\xc3\x28",   ";q=",
	"/",
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static uint32_t rnd(size_t below)
{
	g.rand ^= g.rand << 13;
	g.rand ^= g.rand >> 7;
	g.rand ^= g.rand << 17;
	return (uint32_t)((g.rand >> 32) % below);
}

static void die(const char *what)
{
	fprintf(stderr, "http_fuzz: seed %lu, %lu sent: %s\n", g.seed, g.sent,
		what);
	exit(1);
}

/* ------------------------------------------------------------- requests */

/* The page with all metrics is long: not as often as the others. */
static const char *any_url(size_t among)
{
	const char *url = urls[rnd(among)];

	return rnd(8) || strcmp(url, "/metrics") != 0 ? url : urls[2];
}

static size_t valid(char *to)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE",
					      "OPTIONS"};
	size_t n =
		(size_t)snprintf(to, TEXT_MAX, "%s %s HTTP/1.1\r\nHost: x\r\n",
				 methods[rnd(3) ? 0 : rnd(5)],
				 any_url(COUNT_OF(urls)));

	for (unsigned i = rnd(4); i > 0; i--)
		n += (size_t)snprintf(to + n, TEXT_MAX - n, "%s",
				      headers[rnd(COUNT_OF(headers))]);
	return n + (size_t)snprintf(to + n, TEXT_MAX - n, "\r\n");
}

/* Makes a hole of `add` bytes at `at`, or as much of it as there is room for.
 */
static size_t widen(char *text, size_t *len, size_t at, size_t add)
{
	if (add > TEXT_MAX - *len)
		add = TEXT_MAX - *len;
	memmove(text + at + add, text + at, *len - at);
	*len += add;
	return add;
}

static void damage(char *text, size_t *len)
{
	size_t at = rnd(*len), n = 1 + rnd(rnd(8) ? 16 : 900), from;
	const char *piece = pieces[rnd(COUNT_OF(pieces))];

	if (n > *len - at)
		n = *len - at;
	switch (rnd(6)) {
	case 0:
		text[at] = (char)(text[at] ^ (1 << rnd(8)));
		break;
	case 1:
		text[at] = (char)rnd(256);
		break;
	case 2: /* cut out, but not all */
		if (n == *len)
			break;
		memmove(text + at, text + at + n, *len - at - n);
		*len -= n;
		break;
	case 3: /* doubled */
		from = at;
		n = widen(text, len, at, n);
		memmove(text + from, text + from + n, n);
		break;
	case 4:
		n = widen(text, len, at, strlen(piece));
		memcpy(text + at, piece, n);
		break;
	default:
		n = widen(text, len, at, n);
		for (size_t i = 0; i < n; i++)
			text[at + i] = (char)rnd(256);
	}
}

/* Ends a head that has lost its end, and then the connection. */
static const char last_word[] = "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n"
				"Connection: close\r\n\r\n";

static void compose(struct client *c)
{
	unsigned n = c->mood == IS_SOUND ? PIPELINED : 1 + rnd(PIPELINED);

	if (c->mood != IS_SOUND && n > g.count - g.sent)
		n = (unsigned)(g.count - g.sent);
	for (unsigned i = 0; i < n; i++) {
		char *text = c->text + c->len;
		size_t len;

		if (c->mood == IS_SOUND) {
			c->len += (size_t)snprintf(
				text, TEXT_MAX,
				"GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
				any_url(FOR_ALL));
			continue;
		}
		len = valid(text);
		for (unsigned k = rnd(9); k > 0; k--)
			damage(text, &len);
		c->len += len;
		g.sent++;
	}
	c->wanted = c->mood == IS_SOUND ? n : 0;
	if (c->mood == READS)
		c->len += (size_t)snprintf(c->text + c->len, TEXT_MAX, "%s%s",
					   last_word, last_word);
}

/* ---------------------------------------------------------- connections */

static int connect_any(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(g.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	bool local = rnd(2);
	int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
			0),
	    rc;

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", g.path);
	rc = local ? connect(fd, (struct sockaddr *)&un, sizeof(un))
		   : connect(fd, (struct sockaddr *)&to, sizeof(to));
	if (fd < 0 || rc)
		die(strerror(errno));
	return fd;
}

static void begin(struct client *c)
{
	static const enum mood moods[] = {READS, READS, READS,  READS,
					  READS, READS, RESETS, STALLS};

	c->len = c->sent = c->got = c->matched = 0;
	c->shut = false;
	c->answers = 0;
	c->mood =
		g.connections % SOUND ? moods[rnd(COUNT_OF(moods))] : IS_SOUND;
	g.connections++;
	compose(c);
	c->fd = connect_any();
	c->begun = c->heard = mono_now();
}

static void end(struct client *c)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (c->mood == RESETS || c->mood == STALLS) {
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now,
				 sizeof(now));
		g.resets++;
	}
	close(c->fd);
	c->fd = -1;
	if (c->mood == IS_SOUND) {
		if (c->answers != c->wanted)
			die("sound requests were not all answered");
		g.sound += c->answers;
	}
	g.answered += c->got > 0;
}

/* Counts the answers of status 200 in what may come in pieces. */
static void match(struct client *c, const char *p, size_t n)
{
	static const char line[] = "HTTP/1.1 200 OK\r\n";

	for (size_t i = 0; i < n; i++) {
		if (c->got + i < sizeof(c->head) - 1)
			c->head[c->got + i] = p[i];
		c->matched = p[i] == line[c->matched] ? c->matched + 1
						      : p[i] == line[0];
		if (c->matched == sizeof(line) - 1) {
			c->answers++;
			c->matched = 0;
		}
	}
	c->got += n;
	if (memcmp(c->head, "HTTP/1.", c->got < 7 ? c->got : (size_t)7) != 0)
		die("that is no answer");
}

/* False when the connection is at its end. */
static bool receive(struct client *c)
{
	static char buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0) {
		match(c, buf, (size_t)n);
		c->heard = mono_now();
	}
	if (c->mood == IS_SOUND && c->answers == c->wanted)
		return false;
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool transmit(struct client *c)
{
	size_t n = 1 + rnd(rnd(2) ? 40 : 8000);

	if (n > c->len - c->sent)
		n = c->len - c->sent;
	ssize_t did =
		send(c->fd, c->text + c->sent, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (did < 0 && errno != EAGAIN) {
		c->sent = c->len; /* closed; what it said first is read */
		c->shut = true;
		return c->mood == READS;
	}
	c->sent += did > 0 ? (size_t)did : 0;
	if (c->sent < c->len)
		return true;
	if (c->mood == RESETS || c->mood == STALLS)
		return false;
	/* who wants all answers does not close before it has them */
	if (c->mood == READS)
		(void)shutdown(c->fd, SHUT_WR);
	c->shut = true;
	return true;
}

/* One turn; false at its end. */
static bool turn(struct client *c, short events)
{
	if (mono_diff_ns(c->begun, mono_now()) > PATIENCE_S * NSEC_PER_SEC)
		die("a connection has no end");
	if (c->mood == RESETS && rnd(40) == 0)
		return false;
	if ((c->mood == STALLS || (c->mood == READS && c->shut)) &&
	    mono_diff_ns(c->heard, mono_now()) > QUIET_MS * NSEC_PER_MSEC)
		return false;
	if (events & POLLOUT && !c->shut && !transmit(c))
		return false;
	if (events & (POLLIN | POLLHUP | POLLERR) && c->mood != STALLS)
		return receive(c);
	return !(events & (POLLHUP | POLLERR));
}

static void run(void)
{
	struct pollfd p[AT_ONCE];
	unsigned busy = 0;

	for (unsigned i = 0; i < AT_ONCE; i++) {
		struct client *c = &g.client[i];

		if (c->fd < 0 && g.sent < g.count)
			begin(c);
		p[i] = (struct pollfd){
			.fd = c->fd,
			.events = (short)(c->shut ? POLLIN : POLLIN | POLLOUT)};
		busy += c->fd >= 0;
	}
	if (!busy)
		return;
	if (poll(p, AT_ONCE, QUIET_MS) < 0 && errno != EINTR)
		die(strerror(errno));
	for (unsigned i = 0; i < AT_ONCE; i++) {
		if (p[i].fd >= 0 && !turn(&g.client[i], p[i].revents))
			end(&g.client[i]);
	}
}

static bool left(void)
{
	for (unsigned i = 0; i < AT_ONCE; i++) {
		if (g.client[i].fd >= 0)
			return true;
	}
	return g.sent < g.count;
}

int main(int argc, char **argv)
{
	int c;

	g.seed = 1;
	while ((c = getopt(argc, argv, "n:p:u:s:")) != -1) {
		switch (c) {
		case 'n':
			g.count = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			g.port = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 'u':
			g.path = optarg;
			break;
		case 's':
			g.seed = strtoul(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (!g.count || !g.port || !g.path)
		return 2;
	g.rand = g.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (unsigned i = 0; i < AT_ONCE; i++)
		g.client[i].fd = -1;
	while (left())
		run();
	printf("sent %lu requests by %lu connections: %lu answered, %lu "
	       "resets, %lu sound ones\n",
	       g.sent, g.connections, g.answered, g.resets, g.sound);
	return 0;
}
