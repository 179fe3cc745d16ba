/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "asmeter.skel.h"
#include "asmeter/index.h"
#include "kernel/attach.h"
#include "kernel/grace.h"
#include "kernel/migrate.h"
#include "kernel/pins.h"
#include "kernel/tap.h"

#define KERNEL_MIN_MAJOR 5
#define KERNEL_MIN_MINOR 18 /* programs with XDP frags */

#define BTF_VMLINUX  "/sys/kernel/btf/vmlinux"
#define CPU_POSSIBLE "/sys/devices/system/cpu/possible"

static const char *const map_names[ASM_MAP_COUNT] = {
#define X(id, name) [ASM_MAP_##id] = #name,
	ASM_MAPS(X)
#undef X
};

static const char *const prog_names[KERN_PROG_COUNT] = {
	[KERN_PROG_XDP] = "xdp_meter",      [KERN_PROG_EGRESS] = "tc_egress",
	[KERN_PROG_INGRESS] = "tc_ingress", [KERN_PROG_SAMPLE] = "tc_sample",
	[KERN_PROG_TAP_OUT] = "tc_tap",     [KERN_PROG_TAP_XDP] = "xdp_tap",
	[KERN_PROG_MIRROR] = "xdp_mirror",
};

/* ------------------------------------------------------- configuration */

/* The number of the highest possible CPU + 1: programs index by number, and
 * the numbers may have holes. */
static uint32_t possible_cpus(void)
{
	FILE *f = fopen(CPU_POSSIBLE, "re");
	uint32_t n = 0;
	char buf[256], *p;

	if (f) {
		if (fgets(buf, sizeof(buf), f)) {
			for (p = buf; *p; p++)
				if (*p == '-' || *p == ',')
					*p = ' ';
			p = strrchr(buf, ' ');
			n = (uint32_t)strtoul(p ? p : buf, NULL, 10) + 1;
		}
		fclose(f);
	}
	if (!n) {
		int cpus = libbpf_num_possible_cpus();

		n = cpus > 0 ? (uint32_t)cpus : 1;
	}
	return n;
}

static uint32_t round_up_pow2(uint32_t v)
{
	uint32_t p = 1;

	while (p < v && p < 1u << 31)
		p <<= 1;
	return p;
}

/* Rows of the maps: row 0 is not used. */
static uint32_t map_rows(const struct kern_cfg *cfg)
{
	return cfg->rows + 1;
}

/* With row 0 they are never as many as are given (asmeter/abi.h, "OTHER
 * RELEASES"), and no more than 2^20: row numbers have 20 bits. */
static uint32_t rows_made(uint32_t given)
{
	bool most = given == KERN_ROWS_MAX || given == KERN_ROWS_MAX - 1;

	return most ? given - 2 : given;
}

static struct kern_cfg cfg_of(const struct asm_state *st)
{
	return (struct kern_cfg){.rows = st->rows - 1,
				 .index_lines = st->index_lines,
				 .table_words = st->table_words,
				 .n_cpus = st->n_cpus};
}

void kern_cfg_fill(struct kern_cfg *cfg)
{
	cfg->pin_dir = pins_dir(cfg->pin_dir);
	if (!cfg->rows)
		cfg->rows = KERN_ROWS_DEFAULT;
	/* as many slots as rows: when all are in use 0.24 of them are in the
	 * index, which is four in a line of 16 in the mean */
	if (!cfg->index_lines)
		cfg->index_lines = round_up_pow2(cfg->rows / ASM_INDEX_WAYS);
	if (!cfg->table_words)
		cfg->table_words = KERN_TABLE_WORDS_DEFAULT;
	if (!cfg->n_cpus)
		cfg->n_cpus = possible_cpus();
}

uint64_t kern_cfg_bytes(const struct kern_cfg *cfg)
{
	struct kern_cfg c = *cfg;
	uint64_t part;

	kern_cfg_fill(&c);
	part = (uint64_t)map_rows(&c) *
		       (sizeof(struct asm_row) + sizeof(struct asm_past)) +
	       (uint64_t)c.index_lines * sizeof(struct asm_index_line) +
	       ASM_PORT_SLOTS * sizeof(struct asm_port) +
	       sizeof(struct asm_cpu);
	return part * ASM_BANKS * c.n_cpus + (uint64_t)c.table_words * 4 +
	       ASM_AS_SLOTS * sizeof(struct asm_as) +
	       (uint64_t)c.n_cpus * ASM_PORT_SLOTS * ASM_DIRS *
		       sizeof(struct asm_sampler);
}

static int cfg_check(const struct kern_cfg *c, char *msg, size_t msg_len)
{
	const char *why = NULL;

	if (c->rows >= KERN_ROWS_MAX)
		why = "rows must be 1 to 1048576";
	else if (c->index_lines & (c->index_lines - 1))
		why = "index lines must be a power of two";
	else if (c->table_words & (c->table_words - 1))
		why = "table words must be a power of two";
	else if ((uint64_t)map_rows(c) * ASM_BANKS * c->n_cpus > UINT32_MAX)
		why = "too many rows for this number of CPUs: lower rows";
	if (!why)
		return 0;
	msg_set(msg, msg_len, "%s", why);
	return -EINVAL;
}

/* --------------------------------------------------- libbpf's own words */

/* libbpf reports through one callback without a context; load() is called by
 * one thread at a time and reads this right after a failure. */
static __thread struct {
	char prog[32];  /* the program it could not load */
	char line[256]; /* what the verifier said about it */
} said;

/* The last line of a verifier log that says something: not the statistics
 * and not a state dump. */
static void keep_verdict(const char *log)
{
	const char *p = log;

	while (*p) {
		size_t n = strcspn(p, "\n");

		if (n > 1 && strncmp(p, "processed ", 10) &&
		    strncmp(p, "--", 2) && strncmp(p, "verification time", 17))
			(void)snprintf(said.line, sizeof(said.line), "%.*s",
				       (int)n, p);
		p += n + (p[n] == '\n');
	}
}

__attribute__((format(printf, 2, 0))) static int
hear(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	static __thread char buf[64 << 10];
	char *p, *q;

	if (level != LIBBPF_WARN)
		return 0;
	(void)vsnprintf(buf, sizeof(buf), fmt, ap);
	p = strstr(buf, "prog '");
	q = p ? strchr(p + 6, '\'') : NULL;
	if (q && (strstr(q, "BPF program load failed") ||
		  strstr(q, "BEGIN PROG LOAD LOG"))) {
		*q = '\0';
		(void)snprintf(said.prog, sizeof(said.prog), "%s", p + 6);
		p = strstr(q + 1, "BEGIN PROG LOAD LOG");
		if (p)
			keep_verdict(p + strcspn(p, "\n"));
	}
	return 0;
}

/* -------------------------------------------------------------- errors */

static bool kernel_too_old(struct utsname *u)
{
	int major = 0, minor = 0;

	return uname(u) == 0 &&
	       sscanf(u->release, "%d.%d", &major, &minor) == 2 &&
	       (major < KERNEL_MIN_MAJOR ||
		(major == KERNEL_MIN_MAJOR && minor < KERNEL_MIN_MINOR));
}

static int explain_load(int err, const struct kern_cfg *cfg, char *msg,
			size_t msg_len)
{
	unsigned long long mb = (kern_cfg_bytes(cfg) >> 20) + 1;
	struct utsname u = {0};
	char missing[64];

	(void)uname(&u);
	/* without CAP_PERFMON the verifier refuses what it else accepts */
	if (pins_caps_missing(missing, sizeof(missing)))
		err = -EPERM;
	/* without it the verifier does not know what a program is handed */
	if (err != -EPERM && err != -ENOMEM && access(BTF_VMLINUX, R_OK)) {
		msg_set(msg, msg_len,
			"kernel %s has no BTF (%s): install a kernel built "
			"with CONFIG_DEBUG_INFO_BTF=y, as Debian's are",
			u.release, BTF_VMLINUX);
		return -ENOSYS;
	}
	if (said.prog[0] && said.line[0] && err != -EPERM) {
		msg_set(msg, msg_len,
			"the verifier of kernel %s refused %s: %s (please "
			"report this line)",
			u.release, said.prog, said.line);
		return -EACCES;
	}
	switch (err) {
	case -EPERM:
		pins_explain_eperm(msg, msg_len, "loading the BPF programs");
		return -EPERM;
	case -ENOMEM:
	case -E2BIG:
		msg_set(msg, msg_len,
			"not enough memory for the BPF maps (%llu MB): lower "
			"`rows` in the configuration, or raise MemoryMax= and "
			"LimitMEMLOCK= of the service",
			mb);
		return -ENOMEM;
	default:
		break;
	}
	msg_set(msg, msg_len, "loading the BPF object%s%s: %s",
		said.prog[0] ? ": program " : "", said.prog, strerror(-err));
	return err;
}

/* ------------------------------------------------------------- adopting */

/* -EPROTO when the map is another, whose value might be larger than *ret. */
static int read_state(int fd, struct asm_state *ret)
{
	struct bpf_map_info info = {0};
	uint32_t zero = 0, len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.key_size != sizeof(zero) || info.value_size != sizeof(*ret))
		return -EPROTO;
	return bpf_map_lookup_elem(fd, &zero, ret) ? -errno : 0;
}

/* Takes the sizes of the pinned maps for those that were left open, and
 * compares the others: -ESTALE when one differs. */
static int state_match(const struct asm_state *st, struct kern_cfg *cfg,
		       char *msg, size_t msg_len)
{
	uint32_t *const sizes[] = {&cfg->rows, &cfg->index_lines,
				   &cfg->table_words, &cfg->n_cpus};
	const struct kern_cfg c = cfg_of(st);
	const uint32_t have[] = {c.rows, c.index_lines, c.table_words,
				 c.n_cpus};
	bool other = false;

	if (st->abi_version != ASM_ABI_VERSION) {
		msg_set(msg, msg_len,
			"the maps in %s are of version %u, this asmeter needs "
			"%u: run `asmeter detach --all` (their counts end), "
			"then start again",
			cfg->pin_dir, st->abi_version, ASM_ABI_VERSION);
		return -EPROTO;
	}
	if (!cfg->n_cpus)
		cfg->n_cpus = possible_cpus();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (!*sizes[i])
			*sizes[i] = have[i];
		other |= *sizes[i] != have[i];
	}
	return other ? -ESTALE : 0;
}

static void kern_zero(struct kern *k)
{
	for (unsigned i = 0; i < ASM_MAP_COUNT; i++) {
		k->map_fd[i] = -1;
		k->had[i] = false;
	}
	for (unsigned i = 0; i < KERN_PROG_COUNT; i++)
		k->prog_fd[i] = -1;
	k->adopted = false;
}

/* Is it of the type and size that everybody will take it for? All of them are
 * smaller than 2^32, or else it is not. */
static int check_shape(unsigned map, int fd, const struct asm_state *st)
{
	const uint64_t parts = (uint64_t)ASM_BANKS * st->n_cpus;
	const struct {
		uint64_t value, entries;
	} want[ASM_MAP_COUNT] = {
		[ASM_MAP_STATE] = {sizeof(struct asm_state), 1},
		[ASM_MAP_TABLE] = {st->table_words * 4ull, 1},
		[ASM_MAP_AS] = {sizeof(struct asm_as), ASM_AS_SLOTS},
		[ASM_MAP_IFS] = {sizeof(struct asm_if), ASM_IF_SLOTS},
		[ASM_MAP_PORTS] = {sizeof(struct asm_port),
				   parts * ASM_PORT_SLOTS},
		[ASM_MAP_CPU] = {sizeof(struct asm_cpu), parts},
		[ASM_MAP_INDEX] = {sizeof(struct asm_index_line),
				   parts * st->index_lines},
		[ASM_MAP_ROWS] = {sizeof(struct asm_row), parts * st->rows},
		[ASM_MAP_GRACE] = {4, 1},
		[ASM_MAP_PAST] = {sizeof(struct asm_past), parts * st->rows},
	};
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	if (!want[map].value)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.type != (map == ASM_MAP_GRACE ? BPF_MAP_TYPE_ARRAY_OF_MAPS
					       : BPF_MAP_TYPE_ARRAY) ||
	    info.key_size != 4 || info.value_size != want[map].value ||
	    info.max_entries != want[map].entries)
		return -EPROTO;
	return 0;
}

static bool is_past(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) &&
	       info.type == BPF_MAP_TYPE_ARRAY &&
	       info.value_size == sizeof(struct asm_past);
}

/* One that does not fit has been left behind by a release that does not know
 * it, which was gone back to and has moved what was in the rows: it is not of
 * this set. It stays open, as it counts (migrate.h). */
static void past_left(struct kern *k)
{
	int fd = k->map_fd[ASM_MAP_PAST];
	struct asm_state st;

	if (k->had[ASM_MAP_PAST] &&
	    !read_state(k->map_fd[ASM_MAP_STATE], &st) && !st.homes &&
	    !st.n_past && check_shape(ASM_MAP_PAST, fd, &st) == -EPROTO)
		k->had[ASM_MAP_PAST] = !is_past(fd);
}

/* Opens the pinned maps into *k. asm_state is pinned last, so it stands for
 * the whole set: -ENOENT without it. */
static int open_maps(const char *dir, struct kern *k, char *msg, size_t msg_len)
{
	char path[PINS_PATH_LEN];
	int rc;

	for (unsigned i = 0; i < ASM_MAP_COUNT; i++) {
		rc = pins_path(path, dir, NULL, map_names[i]);
		if (rc)
			return rc;
		rc = pins_get(path);
		if (rc == -ENOENT && i >= ASM_MAPS_FIRST_ADDED)
			continue; /* pinned by a release that had it not */
		if (rc == -ENOENT && i != ASM_MAP_STATE) {
			msg_set(msg, msg_len,
				"%s is missing beside its other maps: run "
				"`asmeter detach --all` and start again",
				path);
			return -EPROTO;
		}
		if (rc == -EPERM)
			pins_explain_eperm(msg, msg_len, path);
		else if (rc < 0 && rc != -ENOENT)
			msg_set(msg, msg_len, "%s: %s", path, strerror(-rc));
		if (rc < 0)
			return rc;
		k->map_fd[i] = rc;
		k->had[i] = true;
	}
	past_left(k);
	return 0;
}

static int not_the_map(const struct kern_cfg *cfg, unsigned map, char *msg,
		       size_t msg_len)
{
	msg_set(msg, msg_len,
		"%s/%s is not the map that asm_state speaks of: run `asmeter "
		"detach --all` (its counts end) and start again",
		cfg->pin_dir, map_names[map]);
	return -EPROTO;
}

static int adopt(struct kern_cfg *cfg, struct kern *k, char *msg,
		 size_t msg_len)
{
	struct asm_state st;
	int rc = open_maps(cfg->pin_dir, k, msg, msg_len);

	if (rc)
		return rc;
	rc = read_state(k->map_fd[ASM_MAP_STATE], &st);
	if (rc == -EPROTO)
		return not_the_map(cfg, ASM_MAP_STATE, msg, msg_len);
	if (rc) {
		msg_set(msg, msg_len, "%s/asm_state: %s", cfg->pin_dir,
			strerror(-rc));
		return rc;
	}
	if (st.n_past && !k->had[ASM_MAP_PAST]) {
		msg_set(msg, msg_len,
			"%s/asm_past is missing, which has a part of the "
			"totals: run `asmeter detach --all` and start again",
			cfg->pin_dir);
		return -EPROTO;
	}
	rc = state_match(&st, cfg, msg, msg_len);
	for (unsigned i = 0; i < ASM_MAP_COUNT && (!rc || rc == -ESTALE); i++) {
		int bad = k->had[i] ? check_shape(i, k->map_fd[i], &st) : 0;

		if (bad == -EPROTO)
			return not_the_map(cfg, i, msg, msg_len);
		if (bad)
			return bad;
	}
	k->adopted = !rc;
	return rc;
}

/* Maps that fit: -ESTALE when their rows are not as this release has them. */
static int adopt_rows(const struct kern_cfg *cfg, struct kern *k, char *msg,
		      size_t msg_len)
{
	bool due;
	int rc = migrate_is_due(k->map_fd, &due);

	if (rc) {
		msg_set(msg, msg_len, "the maps in %s: %s", cfg->pin_dir,
			strerror(-rc));
		return rc;
	}
	k->adopted = !due;
	return due ? -ESTALE : 0;
}

/* -------------------------------------------------------------- loading */

static struct bpf_map *skel_map(struct asmeter_bpf *skel, unsigned i)
{
	return bpf_object__find_map_by_name(skel->obj, map_names[i]);
}

/* Sizes of the maps and the programs' constants; reuse of adopted maps. */
static int configure(struct asmeter_bpf *skel, const struct kern_cfg *cfg,
		     const struct kern *k)
{
	uint32_t parts = ASM_BANKS * cfg->n_cpus;
	int rc = 0;

	skel->rodata->cfg.n_cpus = cfg->n_cpus;
	skel->rodata->cfg.rows = map_rows(cfg);
	skel->rodata->cfg.line_mask = cfg->index_lines - 1;
	skel->rodata->cfg.word_mask = cfg->table_words - 1;
	for (unsigned i = 0; i < ASM_MAP_COUNT && !rc; i++)
		if (k->had[i])
			rc = bpf_map__reuse_fd(skel_map(skel, i), k->map_fd[i]);
	if (!rc && !k->had[ASM_MAP_SAMPLER])
		rc = bpf_map__set_max_entries(skel->maps.asm_sampler,
					      cfg->n_cpus * ASM_PORT_SLOTS *
						      ASM_DIRS);
	if (!rc && !k->had[ASM_MAP_PAST])
		rc = bpf_map__set_max_entries(skel->maps.asm_past,
					      parts * map_rows(cfg));
	if (!rc && !k->had[ASM_MAP_TABLE])
		rc = bpf_map__set_value_size(skel->maps.asm_table,
					     cfg->table_words * 4);
	if (k->adopted || rc)
		return rc;
	if (!rc)
		rc = bpf_map__set_max_entries(skel->maps.asm_ports,
					      parts * ASM_PORT_SLOTS);
	if (!rc)
		rc = bpf_map__set_max_entries(skel->maps.asm_cpu, parts);
	if (!rc)
		rc = bpf_map__set_max_entries(skel->maps.asm_index,
					      parts * cfg->index_lines);
	if (!rc)
		rc = bpf_map__set_max_entries(skel->maps.asm_rows,
					      parts * map_rows(cfg));
	return rc;
}

static int write_state(const struct kern_cfg *cfg, int fd, int cpu_fd)
{
	struct asm_state st = {.abi_version = ASM_ABI_VERSION,
			       .n_cpus = cfg->n_cpus,
			       .rows = map_rows(cfg),
			       .homes = cfg->rows,
			       .index_lines = cfg->index_lines,
			       .table_words = cfg->table_words,
			       .n_as = 1,
			       .created_at = (uint64_t)time(NULL)};
	const struct asm_cpu cpu = {.n_rows = cfg->rows};
	uint32_t zero = 0;

	for (uint32_t p = 0; p < ASM_BANKS * cfg->n_cpus; p++) {
		if (bpf_map_update_elem(cpu_fd, &p, &cpu, BPF_ANY))
			return -errno;
	}
	return bpf_map_update_elem(fd, &zero, &st, BPF_ANY) ? -errno : 0;
}

/* Copies the descriptors of what was loaded to *k. */
static int take_fds(struct asmeter_bpf *skel, struct kern *k)
{
	for (unsigned i = 0; i < ASM_MAP_COUNT; i++) {
		if (k->had[i])
			continue;
		k->map_fd[i] = fcntl(bpf_map__fd(skel_map(skel, i)),
				     F_DUPFD_CLOEXEC, 3);
		if (k->map_fd[i] < 0)
			return -errno;
	}
	for (unsigned i = 0; i < KERN_PROG_COUNT; i++) {
		struct bpf_program *p =
			bpf_object__find_program_by_name(skel->obj,
							 prog_names[i]);

		k->prog_fd[i] = fcntl(bpf_program__fd(p), F_DUPFD_CLOEXEC, 3);
		if (k->prog_fd[i] < 0)
			return -errno;
	}
	return 0;
}

/* Creates or reuses the maps and loads the programs. */
static int load_object(const struct kern_cfg *cfg, struct kern *k, char *msg,
		       size_t msg_len)
{
	libbpf_print_fn_t old = libbpf_set_print(hear);
	struct asmeter_bpf *skel;
	int rc;

	memset(&said, 0, sizeof(said));
	skel = asmeter_bpf__open();
	rc = skel ? configure(skel, cfg, k) : -errno;
	if (!rc)
		rc = asmeter_bpf__load(skel);
	if (rc) {
		rc = explain_load(rc, cfg, msg, msg_len);
		goto out;
	}
	rc = take_fds(skel, k);
	if (!rc && !k->had[ASM_MAP_STATE])
		rc = write_state(cfg, k->map_fd[ASM_MAP_STATE],
				 k->map_fd[ASM_MAP_CPU]);
	if (rc)
		msg_set(msg, msg_len, "loading the BPF object: %s",
			strerror(-rc));
out:
	asmeter_bpf__destroy(skel);
	libbpf_set_print(old);
	return rc;
}

/* -------------------------------------------------------------- pinning */

static void unpin_maps(const char *dir)
{
	char path[PINS_PATH_LEN];

	for (unsigned i = 0; i < ASM_MAP_COUNT; i++)
		if (!pins_path(path, dir, NULL, map_names[i]))
			pins_remove(path);
}

static void unpin_progs(const char *dir)
{
	char path[PINS_PATH_LEN];

	for (unsigned i = 0; i < KERN_PROG_COUNT; i++)
		if (!pins_path(path, dir, "progs", prog_names[i]))
			pins_remove(path);
}

/* The maps that are new, below dir or its directory sub. asm_state (0) last:
 * with it the set is complete. */
static int pin_maps(const char *dir, const char *sub, const struct kern *k,
		    char path[PINS_PATH_LEN])
{
	int rc = 0;

	for (unsigned i = ASM_MAP_COUNT; i-- > 0 && !rc;) {
		if (k->had[i])
			continue;
		rc = pins_path(path, dir, sub, map_names[i]);
		if (!rc)
			rc = pins_put(k->map_fd[i], path);
	}
	return rc;
}

static int pin_progs(const char *dir, const struct kern *k,
		     char path[PINS_PATH_LEN])
{
	int rc = 0;

	for (unsigned i = 0; i < KERN_PROG_COUNT && !rc; i++) {
		rc = pins_path(path, dir, "progs", prog_names[i]);
		if (!rc)
			rc = pins_put(k->prog_fd[i], path);
	}
	return rc;
}

static int pin_all(const char *dir, const struct kern *k, char *msg,
		   size_t msg_len)
{
	char path[PINS_PATH_LEN];
	int rc = pin_progs(dir, k, path);

	if (!rc)
		rc = pin_maps(dir, NULL, k, path);
	if (rc)
		msg_set(msg, msg_len, "cannot pin %s: %s", path, strerror(-rc));
	return rc;
}

/* ------------------------------------------------------------- resizing */

#define ASIDE "next" /* where the new maps are pinned until they take over */

/* Whether the map stays the same one; the others are made anew. */
static bool is_kept(unsigned map, bool same_table)
{
	switch (map) {
	case ASM_MAP_STATE:
	case ASM_MAP_PORTS:
	case ASM_MAP_CPU:
	case ASM_MAP_INDEX:
	case ASM_MAP_ROWS:
	case ASM_MAP_GRACE:
	case ASM_MAP_PAST:
		return false;
	case ASM_MAP_TABLE:
		return same_table;
	default:
		return true;
	}
}

/* Those that stay, in *ret as well. */
static int keep_maps(const struct kern *old, bool same_table, struct kern *ret)
{
	for (unsigned i = 0; i < ASM_MAP_COUNT; i++) {
		if (!is_kept(i, same_table) || !old->had[i])
			continue;
		ret->map_fd[i] = fcntl(old->map_fd[i], F_DUPFD_CLOEXEC, 3);
		if (ret->map_fd[i] < 0)
			return -errno;
		ret->had[i] = true;
	}
	return 0;
}

static void remove_aside(const char *dir)
{
	char path[PINS_PATH_LEN];

	/* asm_state first: without it the rest is not looked at */
	for (unsigned i = 0; i < ASM_MAP_COUNT; i++)
		if (!pins_path(path, dir, ASIDE, map_names[i]))
			pins_remove(path);
	if (!pins_path(path, dir, NULL, ASIDE))
		(void)rmdir(path);
}

static int pin_aside(const char *dir, const struct kern *k)
{
	char path[PINS_PATH_LEN];
	int rc = pins_path(path, dir, NULL, ASIDE);

	remove_aside(dir);
	if (!rc && mkdir(path, 0700))
		rc = -errno;
	return rc ? rc : pin_maps(dir, ASIDE, k, path);
}

static int too_few_rows(const struct kern_cfg *c, uint32_t need, char *msg,
			size_t msg_len)
{
	msg_set(msg, msg_len,
		"counters.rows: the AS pairs counted so far need %u, not %u: "
		"raise it, or run `asmeter detach --all` (their counts end)",
		need, c->rows);
	return -EINVAL;
}

/* Steps 2 to 4 of migrate.h. */
static int take_over(const struct kern_cfg *c, const struct kern *old,
		     struct kern *k, char *msg, size_t msg_len)
{
	uint32_t need = 0;
	int rc = attach_refresh_all(k, c->pin_dir, msg, msg_len);

	if (rc)
		return rc;
	rc = grace_wait(old->map_fd[ASM_MAP_GRACE], old->map_fd[ASM_MAP_STATE]);
	if (!rc)
		rc = migrate_totals(old->map_fd, k->map_fd, &need);
	if (rc == -ENOSPC)
		return too_few_rows(c, need, msg, msg_len);
	if (rc) {
		msg_set(msg, msg_len, "moving the counts: %s", strerror(-rc));
		return rc;
	}
	rc = pin_all(c->pin_dir, k, msg, msg_len);
	if (!rc)
		remove_aside(c->pin_dir);
	return rc;
}

static int prepare(const struct kern_cfg *c, const struct kern *old,
		   struct kern *k, char *msg, size_t msg_len)
{
	uint32_t need = 0;
	int rc = load_object(c, k, msg, msg_len);

	if (rc)
		return rc;
	rc = migrate_prepare(old->map_fd, k->map_fd, &need);
	if (rc == -ENOSPC)
		return too_few_rows(c, need, msg, msg_len);
	if (!rc)
		rc = pin_aside(c->pin_dir, k);
	if (rc)
		msg_set(msg, msg_len, "preparing maps of other sizes: %s",
			strerror(-rc));
	return rc;
}

/* *k: the maps found in, those of the sizes wanted out. */
static int resize(struct kern_cfg *c, struct kern *k, char *msg, size_t msg_len)
{
	struct kern old = *k;
	struct asm_state st;
	int rc = read_state(old.map_fd[ASM_MAP_STATE], &st);

	kern_zero(k);
	kern_cfg_fill(c);
	if (!rc)
		rc = cfg_check(c, msg, msg_len);
	if (!rc)
		rc = keep_maps(&old, st.table_words == c->table_words, k);
	if (!rc)
		rc = prepare(c, &old, k, msg, msg_len);
	if (!rc)
		rc = take_over(c, &old, k, msg, msg_len);
	else
		remove_aside(c->pin_dir);
	if (!rc)
		k->adopted = true;
	kern_done(&old);
	return rc;
}

/* The maps of the directory aside. -ENOENT: there is no complete set; -EPROTO:
 * they are not ours, and what they hold only programs of their own could add
 * to. */
static int open_aside(const char *dir, const struct kern *old, struct kern *ret,
		      struct asm_state *ret_st)
{
	char path[PINS_PATH_LEN];
	struct asm_state was;
	int rc;

	for (unsigned i = 0; i < ASM_MAP_COUNT; i++) {
		rc = pins_path(path, dir, ASIDE, map_names[i]);
		if (!rc)
			rc = pins_get(path);
		if (rc == -ENOENT && i != ASM_MAP_STATE)
			continue; /* kept */
		if (rc < 0)
			return rc;
		ret->map_fd[i] = rc;
		ret->had[i] = true;
	}
	rc = read_state(ret->map_fd[ASM_MAP_STATE], ret_st);
	if (!rc &&
	    (ret_st->abi_version != ASM_ABI_VERSION || !rows_are_homes(ret_st)))
		rc = -EPROTO;
	if (!rc)
		rc = read_state(old->map_fd[ASM_MAP_STATE], &was);
	if (!rc)
		rc = keep_maps(old, ret_st->table_words == was.table_words,
			       ret);
	return rc;
}

static void explain_aside(int err, const char *dir, char *msg, size_t msg_len)
{
	if (err == -EPROTO)
		msg_set(msg, msg_len,
			"the maps in %s/" ASIDE
			" are of another release, which was killed while it "
			"moved the counts: start that one again, or run "
			"`asmeter detach --all` (their counts end)",
			dir);
	else if (err != -ENOENT)
		msg_set(msg, msg_len, "%s/" ASIDE ": %s", dir, strerror(-err));
}

static int go_on(const char *dir, const struct asm_state *st,
		 const struct kern *old, struct kern *k, char *msg,
		 size_t msg_len)
{
	struct kern_cfg c = cfg_of(st);
	int rc;

	c.pin_dir = dir;
	k->adopted = true;
	rc = load_object(&c, k, msg, msg_len);
	if (rc)
		return rc;
	/* whatever of it is pinned already: all of it is pinned again */
	memset(k->had, 0, sizeof(k->had));
	return take_over(&c, old, k, msg, msg_len);
}

/*
 * A process that was to move the counts has ended over it: goes on where it
 * was. The counts may be in both sets, and programs may write to either; so a
 * set aside that is complete stays until this is done.
 */
static int resume(const char *dir, char *msg, size_t msg_len)
{
	struct asm_state st;
	struct kern old, k;
	int rc;

	kern_zero(&old);
	kern_zero(&k);
	rc = open_maps(dir, &old, msg, msg_len);
	if (!rc) {
		rc = open_aside(dir, &old, &k, &st);
		if (rc)
			explain_aside(rc, dir, msg, msg_len);
	}
	if (rc == -ENOENT) {
		remove_aside(dir);
		rc = 0;
	} else if (!rc) {
		rc = go_on(dir, &st, &old, &k, msg, msg_len);
	}
	kern_done(&old);
	kern_done(&k);
	return rc;
}

/* --------------------------------------------------------------- public */

/* Only what is empty goes. */
static void remove_dirs(const char *dir)
{
	char path[PINS_PATH_LEN];

	if (!pins_path(path, dir, NULL, "progs"))
		(void)rmdir(path);
	if (!pins_path(path, dir, NULL, "links"))
		(void)rmdir(path);
	(void)rmdir(dir);
}

static int load_and_pin(struct kern_cfg *c, struct kern *k, char *msg,
			size_t msg_len)
{
	int rc;

	kern_cfg_fill(c);
	rc = cfg_check(c, msg, msg_len);
	if (!rc)
		rc = load_object(c, k, msg, msg_len);
	if (rc)
		return rc;
	rc = pin_all(c->pin_dir, k, msg, msg_len);
	if (rc && !k->adopted) {
		unpin_maps(c->pin_dir);
		unpin_progs(c->pin_dir);
	}
	return rc;
}

int kern_load(const struct kern_cfg *cfg, struct kern *ret, char *msg,
	      size_t msg_len)
{
	struct kern_cfg c = *cfg;
	struct utsname u;
	struct kern k;
	int lock, rc;

	kern_zero(&k);
	kern_zero(ret);
	msg_set(msg, msg_len, "%s", "");
	c.pin_dir = pins_dir(c.pin_dir);
	if (kernel_too_old(&u)) {
		msg_set(msg, msg_len,
			"kernel %s is too old: asmeter needs %d.%d, and is "
			"tested from 6.1 on",
			u.release, KERNEL_MIN_MAJOR, KERNEL_MIN_MINOR);
		return -ENOSYS;
	}
	rc = pins_prepare(c.pin_dir, msg, msg_len);
	if (rc)
		return rc;
	lock = pins_lock(c.pin_dir);
	if (lock < 0) {
		msg_set(msg, msg_len, "cannot lock %s: %s", c.pin_dir,
			strerror(-lock));
		return lock;
	}
	rc = resume(c.pin_dir, msg, msg_len);
	if (rc)
		goto out;
	c.rows = rows_made(c.rows);
	rc = adopt(&c, &k, msg, msg_len);
	if (!rc)
		rc = adopt_rows(&c, &k, msg, msg_len);
	if (rc == -ESTALE) {
		c.index_lines = cfg->index_lines; /* or follows from rows */
		rc = resize(&c, &k, msg, msg_len);
	} else if (!rc || rc == -ENOENT) {
		rc = load_and_pin(&c, &k, msg, msg_len);
	}
	if (!rc) {
		*ret = k;
		kern_zero(&k);
	}
out:
	kern_done(&k);
	if (rc)
		remove_dirs(c.pin_dir);
	close(lock);
	return rc;
}

int kern_open(const char *pin_dir, struct kern *ret, char *msg, size_t msg_len)
{
	struct kern_cfg c = {.pin_dir = pins_dir(pin_dir)};
	char path[PINS_PATH_LEN];
	struct kern k;
	int rc;

	kern_zero(&k);
	kern_zero(ret);
	msg_set(msg, msg_len, "%s", "");
	rc = adopt(&c, &k, msg, msg_len);
	for (unsigned i = 0; i < ASM_MAP_COUNT && !rc; i++)
		rc = k.had[i] ? 0 : -ENOENT;
	for (unsigned i = 0; i < KERN_PROG_COUNT && !rc; i++) {
		rc = pins_path(path, c.pin_dir, "progs", prog_names[i]);
		if (rc)
			break;
		k.prog_fd[i] = pins_get(path);
		if (k.prog_fd[i] < 0)
			rc = k.prog_fd[i];
	}
	if (rc == -ENOENT)
		msg_set(msg, msg_len,
			"nothing is loaded in %s: start asmeterd, or run "
			"`asmeter attach` as root",
			c.pin_dir);
	if (!rc) {
		*ret = k;
		kern_zero(&k);
	}
	kern_done(&k);
	return rc;
}

int kern_load_variant(const struct kern *k, enum kern_prog prog,
		      uint32_t attach_type)
{
	libbpf_print_fn_t old = libbpf_set_print(hear);
	struct asmeter_bpf *skel = asmeter_bpf__open();
	struct kern all = *k;
	struct bpf_program *p;
	struct kern_cfg c;
	struct asm_state st;
	int rc = skel ? read_state(k->map_fd[ASM_MAP_STATE], &st) : -errno;

	if (!rc && !rows_are_homes(&st))
		rc = -EPROTO; /* they have programs of their own */
	if (rc)
		goto out;
	c = cfg_of(&st);
	all.adopted = true;
	for (unsigned i = 0; i < ASM_MAP_COUNT; i++)
		all.had[i] = true;
	rc = configure(skel, &c, &all);
	bpf_object__for_each_program(p, skel->obj)(void)
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p),
						     prog_names[prog]));
	p = bpf_object__find_program_by_name(skel->obj, prog_names[prog]);
	if (!rc)
		rc = bpf_program__set_expected_attach_type(
			p, (enum bpf_attach_type)attach_type);
	if (!rc)
		rc = asmeter_bpf__load(skel);
	if (!rc)
		rc = fcntl(bpf_program__fd(p), F_DUPFD_CLOEXEC, 3);
out:
	asmeter_bpf__destroy(skel);
	libbpf_set_print(old);
	return rc == -1 ? -errno : rc;
}

int kern_pin_again(const struct kern *k, const char *pin_dir)
{
	const char *dir = pins_dir(pin_dir);
	char path[PINS_PATH_LEN], msg[KERN_MSG_LEN];
	struct kern all = *k;
	int lock = pins_lock(dir), rc = 0;

	if (lock < 0)
		return lock;
	memset(all.had, 0, sizeof(all.had));
	for (size_t i = 0; i < 2 && !rc; i++) {
		rc = pins_path(path, dir, NULL, i ? "links" : "progs");
		if (!rc && mkdir(path, 0700) && errno != EEXIST)
			rc = -errno;
	}
	if (!rc)
		rc = pin_all(dir, &all, msg, sizeof(msg));
	close(lock);
	return rc;
}

void kern_done(struct kern *k)
{
	for (unsigned i = 0; i < ASM_MAP_COUNT; i++)
		if (k->map_fd[i] > 0)
			close(k->map_fd[i]);
	for (unsigned i = 0; i < KERN_PROG_COUNT; i++)
		if (k->prog_fd[i] > 0)
			close(k->prog_fd[i]);
	kern_zero(k);
}

int kern_unpin(const char *pin_dir, char *msg, size_t msg_len)
{
	const char *dir = pins_dir(pin_dir);
	char path[PINS_PATH_LEN];
	int lock = pins_lock(dir);

	msg_set(msg, msg_len, "%s", "");
	if (lock == -ENOENT)
		return 0;
	if (lock < 0)
		return lock;
	if (!pins_path(path, dir, NULL, "links") && rmdir(path) &&
	    errno == ENOTEMPTY) {
		msg_set(msg, msg_len,
			"interfaces are still attached (%s): detach them "
			"first",
			path);
		close(lock);
		return -EBUSY;
	}
	tap_remove(dir);
	unpin_progs(dir);
	remove_aside(dir);
	unpin_maps(dir);
	remove_dirs(dir);
	close(lock);
	if (access(dir, F_OK) == 0) {
		msg_set(msg, msg_len, "%s is not empty: somebody else's pins",
			dir);
		return -ENOTEMPTY;
	}
	return 0;
}
