/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The series over a restart of the process.
 *
 * The kernel's totals T survive in the pinned maps, so what must be kept is
 * only who got which part of them. As long as the mapping of pairs to series
 * does not change, a live series gets every byte of the pairs that map to it;
 * so its base
 *
 *     B = sum of T over the pairs that map to it now - its value
 *
 * is constant (it may be negative: pairs may have moved on), and written once
 * it gives the value at any later time, even when the file is older than the
 * last bytes. Frozen and retired series have a value that does not change.
 * (other, other) needs nothing: it is what is left of all IP bytes.
 *
 * So the file is exact until the mapping changes, and ledger_changes() says
 * when it did. Written at the end of each drain that changed it, before
 * anything of that drain is shown to anybody, it is exact whenever the
 * process dies: nobody has seen a series that the file does not know.
 *
 * The file is text, one fact per line, and ends with the number of its lines:
 *
 *     asmeter-ledger 1 MAPS_ID
 *     as ASN AGE_S SCORE              admitted since AGE_S; bytes of late
 *     live DIR SRC DST VALUE BASE     SRC or DST may be *
 *     value DIR SRC DST RETIRED VALUE
 *     end LINES
 *
 * A file that does not fit the maps (a base larger than the total, values
 * larger than all bytes) is dropped and the ledger starts afresh.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flow/ledger.h"
#include "flow/ledger_int.h"

#define STATE_MAGIC "asmeter-ledger 1"

/* The series that the pair would be credited to, none being made. */
static uint32_t mapped(const struct ledger *l, enum asm_dir dir,
		       const struct pair_node *p)
{
	bool s = l->as[p->src].admitted, d = l->as[p->dst].admitted;
	uint32_t src = s ? p->src : SERIES_OTHER;
	uint32_t dst = d ? p->dst : SERIES_OTHER;
	uint32_t i = series_find(l, dir, src, dst);

	if (i == SERIES_NONE && s && d)
		i = dir == ASM_DIR_IN ? series_find(l, dir, src, SERIES_OTHER)
				      : series_find(l, dir, SERIES_OTHER, dst);
	return i == SERIES_NONE ? 0 : i;
}

/* Per series the total of the pairs that map to it; NULL: no memory. */
static uint64_t *mapped_totals(const struct ledger *l, enum asm_dir dir)
{
	uint64_t *t = calloc(l->set[dir].n, sizeof(*t));

	for (uint32_t i = 0; t && i < l->n_pair; i++) {
		const struct pair_node *p = &l->pair[i];

		if (p->flow[dir].total.ip_bytes)
			t[mapped(l, dir, p)] += p->flow[dir].total.ip_bytes;
	}
	return t;
}

static void save_side(const struct ledger *l, uint32_t as, FILE *f)
{
	if (as == SERIES_OTHER)
		fputs(" *", f);
	else
		fprintf(f, " %" PRIu32, l->as[as].asn);
}

static void save_series(const struct ledger *l, unsigned dir,
			const struct series *s, uint64_t total, FILE *f)
{
	bool live = series_live(l, s);

	fprintf(f, "%s %u", live ? "live" : "value", dir);
	save_side(l, s->retired ? SERIES_OTHER : s->src, f);
	save_side(l, s->retired ? SERIES_OTHER : s->dst, f);
	if (live)
		fprintf(f, " %" PRIu64 " %" PRId64 "\n", s->value,
			(int64_t)(total - s->value));
	else
		fprintf(f, " %" PRIu32 " %" PRIu64 "\n", s->retired, s->value);
}

static int save_dir(const struct ledger *l, unsigned d, uint64_t *lines,
		    FILE *f)
{
	uint64_t *total = mapped_totals(l, (enum asm_dir)d);

	if (!total)
		return -ENOMEM;
	for (uint32_t i = 1; i < l->set[d].n; i++, (*lines)++)
		save_series(l, d, &l->set[d].s[i], total[i], f);
	free(total);
	return 0;
}

int ledger_save(const struct ledger *l, uint64_t maps_id, FILE *f)
{
	double since = (double)(l->now.ns - l->score_ns);
	double weight = exp(-since / (24 * 3600 * (double)NSEC_PER_SEC));
	uint64_t lines = 2;

	fprintf(f, STATE_MAGIC " %" PRIu64 "\n", maps_id);
	for (uint32_t i = 0; i < l->n_as; i++) {
		const struct as_node *n = &l->as[i];

		if (!n->admitted || n->asn == 0)
			continue;
		fprintf(f, "as %" PRIu32 " %" PRId64 " %.0f\n", n->asn,
			(l->now.ns - n->admitted_ns) / NSEC_PER_SEC,
			n->score * weight);
		lines++;
	}
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		int err = save_dir(l, d, &lines, f);

		if (err)
			return err;
	}
	fprintf(f, "end %" PRIu64 "\n", lines);
	return fflush(f) || ferror(f) ? -EIO : 0;
}

/* ---------------------------------------------------------------- load */

/* The next number of the line; false: there is none, or it is too large. */
static bool take_u64(char **at, uint64_t max, uint64_t *ret)
{
	char *end;

	while (**at == ' ')
		(*at)++;
	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	unsigned long long v = strtoull(*at, &end, 10);

	if (errno || v > max || (*end && *end != ' '))
		return false;
	*at = end;
	*ret = v;
	return true;
}

static bool take_side(struct ledger *l, char **at, uint32_t *ret)
{
	uint64_t asn;

	if (!strncmp(*at, " *", 2)) {
		*at += 2;
		*ret = SERIES_OTHER;
		return true;
	}
	if (!take_u64(at, UINT32_MAX, &asn))
		return false;
	*ret = ledger_as_index(l, (uint32_t)asn);
	return *ret != MAP_NONE;
}

static bool load_as(struct ledger *l, char *at)
{
	uint64_t asn, age, score;

	if (!take_u64(&at, UINT32_MAX, &asn) ||
	    !take_u64(&at, INT64_MAX / NSEC_PER_SEC, &age) ||
	    !take_u64(&at, UINT64_MAX, &score) || *at)
		return false;
	uint32_t i = ledger_as_index(l, (uint32_t)asn);

	if (i == MAP_NONE || l->as[i].admitted)
		return false;
	series_admit(l, i);
	/* relative to a first drain that has not come yet; see restore */
	l->as[i].admitted_ns = -(int64_t)age * NSEC_PER_SEC;
	l->as[i].score = (double)score;
	return true;
}

static bool take_i64(char **at, int64_t *ret)
{
	uint64_t v;
	bool minus = !strncmp(*at, " -", 2);

	if (minus)
		*at += 2;
	if (!take_u64(at, INT64_MAX, &v))
		return false;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static bool load_series(struct ledger *l, bool live, char *at)
{
	uint64_t dir, gen = 0, value;
	uint32_t src, dst, i;
	int64_t base = 0;

	if (!take_u64(&at, ASM_DIRS - 1, &dir) || !take_side(l, &at, &src) ||
	    !take_side(l, &at, &dst) ||
	    (!live && !take_u64(&at, SERIES_GENERATIONS, &gen)) ||
	    !take_u64(&at, UINT64_MAX, &value) ||
	    (live && !take_i64(&at, &base)) || *at)
		return false;
	if (gen)
		return series_retire(&l->set[dir], (uint32_t)gen, value);
	if (series_find(l, (enum asm_dir)dir, src, dst) != SERIES_NONE)
		return false; /* twice, or (*, *) */
	i = series_add(l, (enum asm_dir)dir, src, dst);
	if (i == SERIES_NONE)
		return false;
	l->set[dir].s[i].value = value;
	l->set[dir].s[i].base = (uint64_t)base;
	return live == series_live(l, &l->set[dir].s[i]);
}

static int load_lines(struct ledger *l, uint64_t maps_id, FILE *f)
{
	uint64_t lines = 0, id, n;
	char line[160];

	while (fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "\n");
		char *at = line;
		bool ok;

		if (line[len] != '\n')
			return -EBADMSG;
		line[len] = 0;
		if (++lines == 1) {
			at += strlen(STATE_MAGIC);
			if (strncmp(line, STATE_MAGIC " ",
				    strlen(STATE_MAGIC) + 1) ||
			    !take_u64(&at, UINT64_MAX, &id) || *at)
				return -EBADMSG;
			if (id != maps_id)
				return -ESTALE;
			continue;
		}
		if (!strncmp(line, "end ", 4)) {
			at += 4;
			return take_u64(&at, UINT64_MAX, &n) && !*at &&
					       n == lines
				       ? 0
				       : -EBADMSG;
		}
		if (!strncmp(line, "as ", 3))
			ok = load_as(l, line + 3);
		else if (!strncmp(line, "live ", 5))
			ok = load_series(l, true, line + 5);
		else
			ok = !strncmp(line, "value ", 6) &&
			     load_series(l, false, line + 6);
		if (!ok)
			return -EBADMSG;
	}
	return -EBADMSG;
}

int ledger_load(struct ledger *l, uint64_t maps_id, FILE *f)
{
	if (l->drain)
		return -EBUSY;
	int err = load_lines(l, maps_id, f);

	if (err)
		series_reset(l);
	else
		l->loaded = true;
	return err;
}

/* ------------------------------------------------------------- restore */

static bool restore_dir(struct ledger *l, unsigned d)
{
	struct series_set *set = &l->set[d];
	uint64_t *total = mapped_totals(l, (enum asm_dir)d);
	uint64_t all = 0, sum = 0;
	bool ok = total != NULL;

	for (uint32_t s = 0; s < ASM_PORT_SLOTS; s++) {
		all += l->port[s].rows[d].ip_bytes;
		all += l->port[s].books[d].map_full.ip_bytes;
	}
	for (uint32_t i = 1; ok && i < set->n; i++) {
		struct series *s = &set->s[i];
		uint64_t value = s->value;

		if (series_live(l, s))
			value = total[i] - s->base;
		ok = value >= s->value && value <= all - sum;
		sum += value;
		s->value = value;
	}
	set->s[0].value = all - sum;
	free(total);
	return ok;
}

/* At the first drain: turns bases into values; false: not of these maps. */
bool series_restore(struct ledger *l)
{
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		if (!restore_dir(l, d))
			return false;
	}
	for (uint32_t i = 0; i < l->n_as; i++)
		l->as[i].admitted_ns += l->now.ns;
	return true;
}
