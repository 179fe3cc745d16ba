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
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "asmeter.skel.h"
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
};

const char *kern_prog_name(enum kern_prog prog)
{
	return prog_names[prog];
}

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

void kern_cfg_fill(struct kern_cfg *cfg)
{
	cfg->pin_dir = pins_dir(cfg->pin_dir);
	if (!cfg->rows)
		cfg->rows = KERN_ROWS_DEFAULT;
	/* twice as many slots as rows: a line of 16 is full with 8 in the
	 * mean, and its neighbours take the rest */
	if (!cfg->index_lines)
		cfg->index_lines =
			round_up_pow2(cfg->rows * 2 / ASM_INDEX_WAYS);
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
	part = (uint64_t)c.rows * sizeof(struct asm_row) +
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

	if (c->rows < 2 || c->rows > KERN_ROWS_MAX)
		why = "rows must be 2 to 1048576";
	else if (c->index_lines & (c->index_lines - 1))
		why = "index lines must be a power of two";
	else if (c->table_words & (c->table_words - 1))
		why = "table words must be a power of two";
	else if ((uint64_t)c->rows * ASM_BANKS * c->n_cpus > UINT32_MAX)
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

static int read_state(int fd, struct asm_state *ret)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(fd, &zero, ret) ? -errno : 0;
}

/* Takes the sizes of the pinned maps for those that were left open, and
 * compares the others. */
static int state_match(const struct asm_state *st, struct kern_cfg *cfg,
		       char *msg, size_t msg_len)
{
	const struct {
		const char *name;
		uint32_t have;
		uint32_t *want;
	} sizes[] = {{"rows", st->rows, &cfg->rows},
		     {"index lines", st->index_lines, &cfg->index_lines},
		     {"table words", st->table_words, &cfg->table_words},
		     {"possible CPUs", st->n_cpus, &cfg->n_cpus}};
	uint32_t n_cpus = possible_cpus();

	if (st->abi_version != ASM_ABI_VERSION) {
		msg_set(msg, msg_len,
			"the maps in %s are of version %u, this asmeter needs "
			"%u: run `asmeter detach --all` (their counts end), "
			"then start again",
			cfg->pin_dir, st->abi_version, ASM_ABI_VERSION);
		return -EPROTO;
	}
	if (!cfg->n_cpus)
		cfg->n_cpus = n_cpus;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (!*sizes[i].want)
			*sizes[i].want = sizes[i].have;
		if (*sizes[i].want == sizes[i].have)
			continue;
		msg_set(msg, msg_len,
			"the maps in %s have %u %s, the configuration wants "
			"%u: change it back, or run `asmeter detach --all` "
			"(their counts end) and start again",
			cfg->pin_dir, sizes[i].have, sizes[i].name,
			*sizes[i].want);
		return -EPROTO;
	}
	return 0;
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
	return 0;
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

static int adopt(struct kern_cfg *cfg, struct kern *k, char *msg,
		 size_t msg_len)
{
	struct asm_state st;
	int rc = open_maps(cfg->pin_dir, k, msg, msg_len);

	if (rc)
		return rc;
	rc = read_state(k->map_fd[ASM_MAP_STATE], &st);
	if (rc) {
		msg_set(msg, msg_len, "%s/asm_state: %s", cfg->pin_dir,
			strerror(-rc));
		return rc;
	}
	rc = state_match(&st, cfg, msg, msg_len);
	if (rc)
		return rc;
	k->adopted = true;
	return 0;
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
	skel->rodata->cfg.rows = cfg->rows;
	skel->rodata->cfg.line_mask = cfg->index_lines - 1;
	skel->rodata->cfg.word_mask = cfg->table_words - 1;
	for (unsigned i = 0; i < ASM_MAP_COUNT && !rc; i++)
		if (k->had[i])
			rc = bpf_map__reuse_fd(skel_map(skel, i), k->map_fd[i]);
	if (!rc && !k->had[ASM_MAP_SAMPLER])
		rc = bpf_map__set_max_entries(skel->maps.asm_sampler,
					      cfg->n_cpus * ASM_PORT_SLOTS *
						      ASM_DIRS);
	if (!rc && !k->had[ASM_MAP_TAP])
		rc = bpf_map__set_max_entries(skel->maps.asm_tap,
					      cfg->n_cpus + 1);
	if (k->adopted || rc)
		return rc;
	rc = bpf_map__set_value_size(skel->maps.asm_table,
				     cfg->table_words * 4);
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
					      parts * cfg->rows);
	return rc;
}

static int write_state(const struct kern_cfg *cfg, int fd)
{
	struct asm_state st = {.abi_version = ASM_ABI_VERSION,
			       .n_cpus = cfg->n_cpus,
			       .rows = cfg->rows,
			       .index_lines = cfg->index_lines,
			       .table_words = cfg->table_words,
			       .n_as = 1,
			       .created_at = (uint64_t)time(NULL)};
	uint32_t zero = 0;

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
	if (!rc && !k->adopted)
		rc = write_state(cfg, k->map_fd[ASM_MAP_STATE]);
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
			(void)unlink(path);
}

static void unpin_progs(const char *dir)
{
	char path[PINS_PATH_LEN];

	for (unsigned i = 0; i < KERN_PROG_COUNT; i++)
		if (!pins_path(path, dir, "progs", prog_names[i]))
			(void)unlink(path);
}

static int pin_all(const char *dir, const struct kern *k, char *msg,
		   size_t msg_len)
{
	char path[PINS_PATH_LEN];
	int rc = 0;

	for (unsigned i = 0; i < KERN_PROG_COUNT && !rc; i++) {
		rc = pins_path(path, dir, "progs", prog_names[i]);
		if (!rc)
			rc = pins_put(k->prog_fd[i], path);
	}
	/* asm_state (0) last: with it the set is complete */
	for (unsigned i = ASM_MAP_COUNT; i-- > 0 && !rc;) {
		if (k->had[i])
			continue;
		rc = pins_path(path, dir, NULL, map_names[i]);
		if (!rc)
			rc = pins_put(k->map_fd[i], path);
	}
	if (rc)
		msg_set(msg, msg_len, "cannot pin %s: %s", path, strerror(-rc));
	if (rc && !k->adopted) {
		unpin_maps(dir);
		unpin_progs(dir);
	}
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
	rc = adopt(&c, &k, msg, msg_len);
	if (rc && rc != -ENOENT)
		goto out;
	kern_cfg_fill(&c);
	rc = cfg_check(&c, msg, msg_len);
	if (!rc)
		rc = load_object(&c, &k, msg, msg_len);
	if (!rc)
		rc = pin_all(c.pin_dir, &k, msg, msg_len);
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
