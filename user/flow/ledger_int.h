/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the ledger; for ledger*.c and series*.c only. */
#ifndef FLOW_LEDGER_INT_H
#define FLOW_LEDGER_INT_H

#include "base/map.h"
#include "flow/ledger.h"

#define SMOOTH_NS (30 * NSEC_PER_SEC)

#define SERIES_OTHER       UINT32_MAX /* in place of an AS index */
#define SERIES_NONE        UINT32_MAX /* in place of a series index */
#define SERIES_GENERATIONS 64u

/* What an AS can be in a pair. ANY is SRC + DST - SELF. */
enum { AS_SRC, AS_DST, AS_SELF, AS_KINDS };

struct rate3 {
	float packets, ip_bytes, wire_bytes;
};

struct flow {
	struct asm_measure total;
	struct asm_measure ip6;
	struct rate3 last; /* while feeding: the interval's sum, then a rate */
	struct rate3 smooth;
};

/* When something last counted; `last` and `smooth` are of that moment. */
struct touch {
	uint64_t drain;
	int64_t ns;
};

struct as_node {
	uint32_t asn;
	bool admitted;
	struct touch touch;
	int64_t admitted_ns;
	double score; /* bytes, each weighted by e^(its time / 24 h) */
	struct flow flow[ASM_DIRS][AS_KINDS];
};

struct pair_node {
	uint32_t src, dst; /* AS indexes */
	struct touch touch;
	uint64_t pend[ASM_DIRS]; /* IP bytes of this interval */
	uint32_t series[ASM_DIRS];
	uint32_t epoch; /* series[] holds as long as it is the ledger's */
	struct flow flow[ASM_DIRS];
};

/* A row of the kernel as it was at the last drain. */
struct row_node {
	struct asm_measure total;
	uint32_t pair;
	uint16_t iface; /* index into struct ledger.ifsum */
	uint8_t dir;
	bool ip6;
};

/* What the interval brought to a row. */
struct row_delta {
	struct asm_measure d;
	uint32_t pair;
	uint8_t dir;
	bool ip6;
};

struct if_sum {
	uint32_t ifindex;
	struct asm_measure rows[ASM_DIRS];
};

struct port_node {
	bool used;
	struct asm_if ifc;
	struct asm_books books[ASM_DIRS];
	struct asm_measure rows[ASM_DIRS];
	struct rate3 last[ASM_DIRS];
	struct rate3 smooth[ASM_DIRS];
};

struct series {
	uint32_t src, dst; /* AS index or SERIES_OTHER */
	uint32_t retired;
	uint64_t value;
	uint64_t base; /* only from ledger_load() to the first drain */
};

struct series_set {
	struct series *s; /* s[0] is (other, other) */
	uint32_t n, cap;
	uint32_t generations;
	struct map map;    /* (src, dst) -> index; retired ones are not in it */
	uint64_t map_full; /* IP bytes of map_full already in s[0] */
	bool full;         /* a pair went without for lack of room */
};

struct ledger {
	struct ledger_cfg cfg;
	bool failed; /* out of memory */
	bool loaded; /* a state waits for the first drain */
	uint64_t drain;
	struct mono now;
	int64_t dt_ns;

	struct row_node *row;
	uint32_t n_row, cap_row;
	struct as_node *as;
	uint32_t n_as, cap_as;
	struct map as_map;
	struct pair_node *pair;
	uint32_t n_pair, cap_pair;
	struct map pair_map;
	struct if_sum *ifsum;
	uint32_t n_ifsum, cap_ifsum;
	struct map if_map;
	struct port_node port[ASM_PORT_SLOTS];

	struct row_delta *delta; /* room for cap_row */
	uint32_t n_delta;
	uint32_t *touched_as; /* indexes; room for cap_as */
	uint32_t n_touched_as;
	uint32_t *touched_pair;
	uint32_t n_touched_pair;

	struct series_set set[ASM_DIRS];
	uint32_t epoch; /* of the mapping from pairs to series */
	uint32_t admitted;
	uint64_t changes;
	int64_t score_ns; /* time 0 of the scores' weight */
	int64_t rotate_ns;
	uint64_t difference;
};

/* The index of the AS, made if need be; MAP_NONE and l->failed: no memory. */
uint32_t ledger_as_index(struct ledger *l, uint32_t asn);

/* series.c */
int series_init(struct ledger *l);
void series_done(struct ledger *l);
/* Admits, evicts, and hands what the interval brought to the series. */
void series_settle(struct ledger *l);
void series_admit(struct ledger *l, uint32_t as);
/* The series of (src, dst), SERIES_NONE, or a new one. */
uint32_t series_find(const struct ledger *l, enum asm_dir dir, uint32_t src,
		     uint32_t dst);
uint32_t series_add(struct ledger *l, enum asm_dir dir, uint32_t src,
		    uint32_t dst);
/* Adds the next generation of retired series. */
bool series_retire(struct series_set *set, uint32_t gen, uint64_t value);
/* True when pairs may be credited to it. */
bool series_live(const struct ledger *l, const struct series *s);
void series_reset(struct ledger *l);

/* series_state.c */
bool series_restore(struct ledger *l);

#endif
