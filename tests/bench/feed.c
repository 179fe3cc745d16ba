/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks at the pinned prefix table from outside while asmeterd is fed
 * (feed.sh): nothing here knows what the daemon thinks.
 *
 *   feed live     waits for changes to come and to end, and for every network
 *                 of libloc's database to be answered with its AS. Prints
 *                 the monotonic clock of the last change, in seconds.
 *   feed toggle PREFIX PID N
 *                 N times: SIGUSR1 to bgpfeed (-t PREFIX), then looks the
 *                 first address up until the answer is another one. Prints
 *                 the milliseconds of each.
 */
#include <signal.h>
#include <unistd.h>

#include "asmeter/abi.h"
#include "asmeter/lookup.h"

#include "base/mono.h"
#include "bench.h"
#include "full_table.h"

#define QUIET_NS (2 * NSEC_PER_SEC)
#define GIVE_UP  (60 * NSEC_PER_SEC)

struct view {
	const struct asm_state *state;
	const uint32_t *words;
	const struct asm_as *as;
	uint32_t mask;
};

static const void *pinned(const char *name, size_t len)
{
	char path[128];
	int fd;
	void *m;

	(void)snprintf(path, sizeof(path), ASM_PIN_DIR "/%s", name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path);
	m = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (m == MAP_FAILED)
		die("mmap");
	(void)close(fd);
	return m;
}

static uint32_t as_of(const struct view *v, const struct addr *a)
{
	uint32_t ix = a->family == FAMILY_IP4
			      ? asm_lookup4(v->words, v->mask,
					    (uint32_t)(a->hi >> 32))
			      : asm_lookup6(v->words, v->mask, a->hi, a->lo);

	return v->as[ix % ASM_AS_SLOTS].asn;
}

/* Both ends of every network, against the plain reference. */
static size_t wrong(const struct view *v)
{
	struct full_table full;
	struct ref ref;
	size_t n = 0;

	if (full_table_load(&full, 1))
		die("full table");
	ref_init(&ref, full.n);
	for (size_t i = 0; i < full.n; i++)
		ref_set(&ref, &full.e[i].prefix, full.e[i].asn);
	for (size_t i = 0; i < full.n; i++) {
		struct addr a = prefix_first(&full.e[i].prefix);
		struct addr b = prefix_last(&full.e[i].prefix);

		n += as_of(v, &a) != ref_lookup(&ref, &a);
		n += as_of(v, &b) != ref_lookup(&ref, &b);
	}
	ref_done(&ref);
	free(full.e);
	return n;
}

static int live(const struct view *v)
{
	uint32_t first = v->state->table_epoch, last = first, now;
	struct mono start = mono_now(), changed = start;
	size_t n;

	for (;;) {
		now = __atomic_load_n(&v->state->table_epoch, __ATOMIC_ACQUIRE);
		if (now != last)
			changed = mono_now();
		last = now;
		if (last != first &&
		    mono_diff_ns(changed, mono_now()) > QUIET_NS)
			break;
		if (mono_diff_ns(start, mono_now()) > GIVE_UP) {
			fprintf(stderr, "feed: no table came\n");
			return 1;
		}
		(void)usleep(500);
	}
	n = wrong(v);
	if (n) {
		fprintf(stderr, "feed: %zu wrong answers\n", n);
		return 1;
	}
	printf("%.6f\n", (double)changed.ns / 1e9);
	return 0;
}

static int toggle(const struct view *v, const char *prefix, pid_t pid, int n)
{
	struct prefix p;
	struct addr a;

	if (prefix_parse(prefix, &p) != 0)
		return 2;
	a = prefix_first(&p);
	for (int i = 0; i < n; i++) {
		uint32_t old = as_of(v, &a);
		struct mono start = mono_now();
		int64_t ns;

		if (kill(pid, SIGUSR1))
			die("bgpfeed");
		do
			ns = mono_diff_ns(start, mono_now());
		while (as_of(v, &a) == old && ns < 5 * NSEC_PER_SEC);
		if (as_of(v, &a) == old) {
			fprintf(stderr, "feed: the change does not come\n");
			return 1;
		}
		printf("%.3f\n", (double)ns / 1e6);
		(void)usleep(50000 + (unsigned)(i * 7919 % 100) * 1000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct view v = {.state = pinned("asm_state", 4096)};

	v.mask = v.state->table_words - 1;
	v.words = pinned("asm_table", v.state->table_words * 4ul);
	v.as = pinned("asm_as", ASM_AS_SLOTS * sizeof(*v.as));
	if (argc == 2 && !strcmp(argv[1], "live"))
		return live(&v);
	if (argc == 5 && !strcmp(argv[1], "toggle"))
		return toggle(&v, argv[2], atoi(argv[3]), atoi(argv[4]));
	return 2;
}
