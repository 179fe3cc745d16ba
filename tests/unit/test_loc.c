/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libloc's database: our reader against the library on the real file, and on
 * small files made here of which every byte is damaged in turn.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <libloc/as.h>
#include <libloc/database.h>
#include <libloc/libloc.h>
#include <libloc/network.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "route/loc.h"

/* ------------------------------------------------- against the library */

struct oracle {
	struct loc_database_enumerator *e;
	size_t n[FAMILIES];
	size_t batches;
	size_t wrong;
};

/* The library's next network with an AS; false at the end. */
static bool oracle_next(struct oracle *o, struct loc_entry *ret)
{
	struct loc_network *n = NULL;

	while (loc_database_enumerator_next_network(o->e, &n) == 0 && n) {
		const struct in6_addr *a = loc_network_get_first_address(n);
		uint64_t w[2] = {0, 0};

		for (size_t i = 0; i < 16; i++)
			w[i / 8] = w[i / 8] << 8 | a->s6_addr[i];
		ret->asn = loc_network_get_asn(n);
		ret->prefix.len = (uint8_t)loc_network_prefix(n);
		if (loc_network_address_family(n) == AF_INET) {
			ret->prefix.family = FAMILY_IP4;
			ret->prefix.hi = w[1] << 32;
			ret->prefix.lo = 0;
		} else {
			ret->prefix.family = FAMILY_IP6;
			ret->prefix.hi = w[0];
			ret->prefix.lo = w[1];
		}
		loc_network_unref(n);
		n = NULL;
		if (ret->asn != 0)
			return true;
	}
	return false;
}

static int oracle_compare(void *ctx, const struct loc_entry *e, size_t n)
{
	struct oracle *o = ctx;

	o->batches++;
	if (n == 0 || n > LOC_BATCH)
		o->wrong++;
	for (size_t i = 0; i < n; i++) {
		struct loc_entry want;

		if (!oracle_next(o, &want) || want.asn != e[i].asn ||
		    want.prefix.family != e[i].prefix.family ||
		    want.prefix.hi != e[i].prefix.hi ||
		    want.prefix.lo != e[i].prefix.lo ||
		    want.prefix.len != e[i].prefix.len)
			o->wrong++;
		o->n[e[i].prefix.family & 1]++;
	}
	return 0;
}

Test(loc, whole_database_as_the_library_reads_it)
{
	struct loc_ctx *ctx;
	struct loc_database *lib;
	struct loc_database_enumerator *e;
	struct loc_db *db;
	struct loc_entry rest;
	struct oracle o = {0};
	size_t names = 0;
	struct loc_as *as = NULL;
	FILE *f = fopen(LOC_DB_PATH, "re");

	cr_assert_not_null(f, "install libloc-database");
	cr_assert_eq(loc_new(&ctx), 0);
	cr_assert_eq(loc_database_new(ctx, &lib, f), 0);
	cr_assert_eq(loc_db_open(LOC_DB_PATH, &db), 0);
	cr_assert_eq(loc_db_created_at(db), loc_database_created_at(lib));
	cr_assert_eq(loc_db_ases(db), loc_database_count_as(lib));

	cr_assert_eq(loc_database_enumerator_new(&o.e, lib,
						 LOC_DB_ENUMERATE_NETWORKS, 0),
		     0);
	cr_assert_eq(loc_db_walk(db, oracle_compare, &o), 0);
	cr_assert_eq(o.wrong, 0, "%zu entries differ", o.wrong);
	cr_assert_not(oracle_next(&o, &rest), "the library knows more");
	cr_assert_gt(o.n[FAMILY_IP4], 900000);
	cr_assert_gt(o.n[FAMILY_IP6], 150000);
	loc_database_enumerator_unref(o.e);

	cr_assert_eq(loc_database_enumerator_new(&e, lib, LOC_DB_ENUMERATE_ASES,
						 0),
		     0);
	while (loc_database_enumerator_next_as(e, &as) == 0 && as) {
		const char *want = loc_as_get_name(as);
		const char *got = loc_db_name(db, loc_as_get_number(as));

		if (want && *want && utf8_valid(want, strlen(want))) {
			cr_assert_not_null(got);
			cr_assert_str_eq(got, want);
			names++;
		}
		if (got)
			cr_assert(utf8_valid(got, strlen(got)));
		loc_as_unref(as);
		as = NULL;
	}
	cr_assert_gt(names, 80000);
	loc_database_enumerator_unref(e);
	cr_assert_null(loc_db_name(db, 0));
	cr_assert_null(loc_db_name(db, 4294967295u));
	loc_db_close(db);
	loc_database_unref(lib);
	loc_unref(ctx);
	fclose(f);
}

/* ----------------------------------------------------- small files */

/* A database of nodes that spell out a few prefixes. */
struct image {
	uint8_t b[16384];
	size_t len;
};

static void put32(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#define IMG_HEAD 4296
#define IMG_NET  12

struct spec {
	uint8_t addr[16];
	unsigned len;
	uint32_t asn;
};

static const struct spec specs[] = {
	{{0x20, 0x01, 0x0d, 0xb8}, 32, 64501},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 0}, 120, 64500},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}, 128, 64502},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 2}, 128, 0},
};
#define SPECS (sizeof(specs) / sizeof(specs[0]))

static void image_build(struct image *m)
{
	static const char pool[] = "\0FIRST\0\xff"
				   "bad\x01\0last";
	uint8_t nodes[512][12];
	size_t n_nodes = 1, off = IMG_HEAD;
	uint8_t *h = m->b;

	memset(m, 0, sizeof(*m));
	memset(nodes, 0, sizeof(nodes));
	put32(nodes[0] + 8, UINT32_MAX);
	for (size_t i = 0; i < SPECS; i++) {
		size_t at = 0;

		for (unsigned b = 0; b < specs[i].len; b++) {
			unsigned bit = specs[i].addr[b / 8] >> (7 - b % 8) & 1;
			uint8_t *child = nodes[at] + bit * 4;
			size_t next = (size_t)child[2] << 8 | child[3];

			if (next == 0) {
				next = n_nodes++;
				put32(child, next);
				put32(nodes[next] + 8, UINT32_MAX);
			}
			at = next;
		}
		put32(nodes[at] + 8, i);
	}
	memcpy(h, "LOCDBXX\1", 8);
	put32(h + 12, 1667023194);
	/* ASes */
	put32(h + 28, off);
	put32(h + 32, 3 * 8);
	put32(m->b + off, 64500);
	put32(m->b + off + 4, 1);
	put32(m->b + off + 8, 64501);
	put32(m->b + off + 12, 7);
	put32(m->b + off + 16, 64502);
	put32(m->b + off + 20, 0);
	off += 3 * 8;
	/* networks */
	put32(h + 36, off);
	put32(h + 40, SPECS * IMG_NET);
	for (size_t i = 0; i < SPECS; i++)
		put32(m->b + off + i * IMG_NET + 4, specs[i].asn);
	off += SPECS * IMG_NET;
	/* tree */
	put32(h + 44, off);
	put32(h + 48, n_nodes * 12);
	memcpy(m->b + off, nodes, n_nodes * 12);
	off += n_nodes * 12;
	/* countries: none; pool */
	put32(h + 52, off);
	put32(h + 60, off);
	put32(h + 64, sizeof(pool) - 1);
	memcpy(m->b + off, pool, sizeof(pool) - 1);
	m->len = off + sizeof(pool) - 1;
}

static const char *image_write(const struct image *m, size_t len)
{
	static char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/test_loc.XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, m->b, len), (ssize_t)len);
	close(fd);
	return path;
}

struct seen {
	struct loc_entry e[16];
	size_t n;
	int stop;
};

static int seen_add(void *ctx, const struct loc_entry *e, size_t n)
{
	struct seen *s = ctx;

	for (size_t i = 0; i < n; i++) {
		cr_assert_leq(e[i].prefix.len,
			      family_bits((enum family)e[i].prefix.family));
		cr_assert_neq(e[i].asn, 0);
		if (s->n < 16)
			s->e[s->n] = e[i];
		s->n++;
	}
	return s->stop;
}

/* Opens and walks; the first error, or 0. */
static int image_try(const struct image *m, size_t len, struct seen *s)
{
	const char *path = image_write(m, len);
	struct loc_db *db;
	int err = loc_db_open(path, &db);

	unlink(path);
	*s = (struct seen){0};
	if (err)
		return err;
	for (uint32_t a = 64499; a < 64504; a++) {
		const char *name = loc_db_name(db, a);

		if (name)
			cr_assert(utf8_valid(name, strlen(name)));
	}
	err = loc_db_walk(db, seen_add, s);
	loc_db_close(db);
	return err;
}

Test(loc, small_file)
{
	struct image m;
	struct seen s;
	char buf[PREFIX_STRLEN];

	image_build(&m);
	cr_assert_eq(image_try(&m, m.len, &s), 0);
	cr_assert_eq(s.n, 3);
	cr_assert_str_eq(prefix_str(&s.e[0].prefix, buf), "192.0.2.0/24");
	cr_assert_eq(s.e[0].asn, 64500);
	cr_assert_str_eq(prefix_str(&s.e[1].prefix, buf), "192.0.2.1/32");
	cr_assert_eq(s.e[1].asn, 64502);
	cr_assert_str_eq(prefix_str(&s.e[2].prefix, buf), "2001:db8::/32");
	cr_assert_eq(s.e[2].asn, 64501);
}

Test(loc, names_are_made_valid)
{
	struct image m;
	struct loc_db *db;
	const char *path;

	image_build(&m);
	path = image_write(&m, m.len);
	cr_assert_eq(loc_db_open(path, &db), 0);
	unlink(path);
	cr_assert_str_eq(loc_db_name(db, 64500), "FIRST");
	cr_assert_str_eq(loc_db_name(db, 64501), "?bad?");
	cr_assert_null(loc_db_name(db, 64502)); /* the empty name */
	cr_assert_null(loc_db_name(db, 64499));
	loc_db_close(db);
}

Test(loc, callback_ends_the_walk)
{
	struct image m;
	struct loc_db *db;
	struct seen s = {.stop = -ECANCELED};
	const char *path;

	image_build(&m);
	path = image_write(&m, m.len);
	cr_assert_eq(loc_db_open(path, &db), 0);
	unlink(path);
	cr_assert_eq(loc_db_walk(db, seen_add, &s), -ECANCELED);
	loc_db_close(db);
}

Test(loc, every_truncation_is_an_error)
{
	struct image m;
	struct seen s;

	image_build(&m);
	for (size_t len = 0; len < m.len; len += len < 80 ? 1 : 7)
		cr_assert_eq(image_try(&m, len, &s), -EBADMSG, "length %zu",
			     len);
	cr_assert_eq(image_try(&m, m.len - 1, &s), -EBADMSG);
}

Test(loc, every_damaged_byte_is_survived)
{
	static const uint8_t flip[] = {0x01, 0x80, 0xff};
	struct image m;
	struct seen s;
	size_t refused = 0;

	image_build(&m);
	for (size_t i = 0; i < m.len; i++) {
		if (i >= 68 && i < IMG_HEAD)
			continue; /* signatures and padding: not read */
		for (size_t f = 0; f < sizeof(flip); f++) {
			uint8_t keep = m.b[i];

			m.b[i] ^= flip[f];
			if (image_try(&m, m.len, &s) != 0)
				refused++;
			m.b[i] = keep;
		}
	}
	cr_assert_gt(refused, m.len - IMG_HEAD);
}

Test(loc, loop_in_the_tree_ends)
{
	struct image m;
	struct seen s;
	size_t tree;

	image_build(&m);
	tree = (size_t)m.b[46] << 8 | m.b[47];
	put32(m.b + tree + 12, 1); /* node 1, bit 0: itself */
	put32(m.b + tree + 16, 1);
	cr_assert_eq(image_try(&m, m.len, &s), -EBADMSG);
}

Test(loc, file_that_shrinks_after_opening)
{
	struct image m;
	struct loc_db *db;
	struct seen s = {0};
	const char *path;

	image_build(&m);
	path = image_write(&m, m.len);
	cr_assert_eq(loc_db_open(path, &db), 0);
	cr_assert_eq(truncate(path, IMG_HEAD + 60), 0);
	cr_assert_eq(loc_db_walk(db, seen_add, &s), -EBADMSG);
	cr_assert_eq(s.n, 0);
	unlink(path);
	loc_db_close(db);
}

Test(loc, what_is_no_database)
{
	struct loc_db *db;

	cr_assert_eq(loc_db_open("/nonexistent/location.db", &db), -ENOENT);
	cr_assert_eq(loc_db_open("/tmp", &db), -EBADMSG);
	cr_assert_eq(loc_db_open("/dev/zero", &db), -EBADMSG);
	cr_assert_eq(loc_db_open("/etc/passwd", &db), -EBADMSG);
}
