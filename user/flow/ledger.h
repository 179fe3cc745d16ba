/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books in user space: fed with the kernel's totals at each drain, they
 * keep totals and rates per AS, per AS pair and per interface, check that the
 * three equations of asmeter/abi.h hold, and decide which AS pairs Prometheus
 * gets a series for. How the series stay monotonic while their number stays
 * bounded is written down at the top of series.c.
 *
 * Feeding: ledger_begin(), any number of ledger_pair() and ledger_port() (the
 * two have the types of struct counters_sink), ledger_end(). Between end and
 * begin the ledger is constant and everything below may be read.
 *
 * One thread owns it. No I/O but ledger_save()/ledger_load(), no clock, no log.
 */
#ifndef FLOW_LEDGER_H
#define FLOW_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "asmeter/abi.h"
#include "base/mono.h"

#define LEDGER_MAX_AS     1000u
#define LEDGER_MAX_SERIES 20000u

struct ledger_cfg {
	uint32_t max_as; /* ASes with series of their own; UINT32_MAX: all */
	uint32_t max_series; /* bound of the series of each direction */
	int64_t hold_ns;     /* an AS once admitted stays this long: 24 h */
};

#define LEDGER_CFG_DEFAULT                                    \
	((struct ledger_cfg){.max_as = LEDGER_MAX_AS,         \
			     .max_series = LEDGER_MAX_SERIES, \
			     .hold_ns = 24 * 3600 * NSEC_PER_SEC})

struct ledger;

/* -ENOMEM. */
int ledger_new(const struct ledger_cfg *cfg, struct ledger **ret);
void ledger_free(struct ledger *l);
/* A reload: new bounds, effective with the next drain; nothing that was
 * counted is touched. */
void ledger_configure(struct ledger *l, const struct ledger_cfg *cfg);

/* ------------------------------------------------------------- feeding */

void ledger_begin(struct ledger *l, struct mono now);
/* `ledger` is the struct ledger; id is dense and stable, as counters.h says. */
void ledger_pair(void *ledger, uint32_t id, const struct asm_row *row);
void ledger_port(void *ledger, uint32_t slot, const struct asm_if *ifc,
		 const struct asm_books *rx, const struct asm_books *tx);
/* -ENOMEM: this cut is incomplete (and so will be the following ones: the
 * caller should start over with a new ledger). */
int ledger_end(struct ledger *l);

/* ------------------------------------------------------------- reading */

/* In which role an AS took part; ANY counts traffic within one AS once. */
enum ledger_role { LEDGER_SRC = 0, LEDGER_DST, LEDGER_ANY, LEDGER_ROLES };

/* Per second; bits are eight times bytes. */
struct ledger_rate {
	double packets;
	double ip_bytes;
	double wire_bytes;
};

struct ledger_flow {
	struct asm_measure total;
	struct asm_measure ip6;    /* the part of total that is IPv6 */
	struct ledger_rate last;   /* over the last interval */
	struct ledger_rate smooth; /* exponential mean, 30 s */
};

struct ledger_as {
	uint32_t asn;  /* 0: no route */
	bool admitted; /* has Prometheus series of its own */
	struct ledger_flow flow[ASM_DIRS][LEDGER_ROLES];
};

struct ledger_aspair {
	uint32_t src_as;
	uint32_t dst_as;
	struct ledger_flow flow[ASM_DIRS];
};

struct ledger_port {
	uint32_t slot; /* ASM_IF_UNLISTED: traffic of interfaces not listed */
	struct asm_if ifc; /* zero for the unlisted slot */
	struct asm_books books[ASM_DIRS];
	struct asm_measure rows[ASM_DIRS]; /* sum of the port's rows */
	struct ledger_rate last[ASM_DIRS]; /* of seen */
	struct ledger_rate smooth[ASM_DIRS];
};

/* The three equations over all ports; every difference must be 0. */
struct ledger_sums {
	struct asm_books books[ASM_DIRS]; /* sums over all ports */
	struct asm_measure rows[ASM_DIRS];
	/* |seen - verdicts| + |rows - attributed - unknown_as|, summed over
	 * ports, directions and the three measures */
	uint64_t difference;
	uint64_t drains;
	int64_t interval_ns; /* between the last two drains; 0: only one yet */
	struct mono at;      /* of the last drain */
	uint32_t ases;       /* seen so far */
	uint32_t pairs;      /* AS pairs seen so far */
	uint32_t admitted;   /* ASes with series of their own now */
	uint32_t series[ASM_DIRS];
	uint32_t retired[ASM_DIRS]; /* of them: generations of retired ones */
};

void ledger_sums(const struct ledger *l, struct ledger_sums *ret);

size_t ledger_ports(const struct ledger *l);
/* i < ledger_ports(); ordered by slot. */
void ledger_port_get(const struct ledger *l, size_t i, struct ledger_port *ret);

/* False when the AS was never seen. */
bool ledger_as_get(const struct ledger *l, uint32_t asn, struct ledger_as *ret);

enum ledger_by {
	LEDGER_BY_IP_BYTES = 0,
	LEDGER_BY_PACKETS,
	LEDGER_BY_WIRE_BYTES,
};

enum ledger_when {
	LEDGER_LAST = 0, /* rate over the last interval */
	LEDGER_SMOOTH,   /* smoothed rate */
	LEDGER_TOTAL,    /* since the maps were made */
};

struct ledger_order {
	enum ledger_by by;
	enum ledger_when when;
	unsigned dirs; /* 1u << ASM_DIR_IN | 1u << ASM_DIR_OUT: their sum */
	enum ledger_role role; /* per AS only */
	bool as_filter; /* per pair only: pairs with this AS on either side */
	uint32_t asn;
};

/* The n largest, largest first; equal ones by AS number. Things with nothing
 * to show (0 in this order) are left out. Return the number filled in. */
size_t ledger_top_as(const struct ledger *l, const struct ledger_order *o,
		     size_t n, struct ledger_as *ret);
size_t ledger_top_pairs(const struct ledger *l, const struct ledger_order *o,
			size_t n, struct ledger_aspair *ret);

/* A row of the kernel: what it is about, and its totals. */
struct ledger_row {
	uint32_t src_as, dst_as;
	uint32_t ifindex;
	enum asm_dir dir;
	bool ip6;
	struct asm_measure total;
};

/* Visits every row; id as ledger_pair() got it. */
typedef void (*ledger_row_fn)(void *ctx, uint32_t id,
			      const struct ledger_row *row);
void ledger_rows_each(const struct ledger *l, ledger_row_fn fn, void *ctx);

/* ---------------------------------------------------- Prometheus series */

#define LEDGER_OTHER UINT64_MAX /* as an AS: none in particular */

struct ledger_series {
	uint64_t src_as; /* AS number or LEDGER_OTHER */
	uint64_t dst_as;
	uint32_t retired; /* 0, or a generation of retired series (>= 1) */
	uint64_t ip_bytes;
};

/* Visits every series of the direction, (other, other) first. Their sum is
 * all IP bytes of that direction. */
typedef void (*ledger_series_fn)(void *ctx, const struct ledger_series *s);
void ledger_series_each(const struct ledger *l, enum asm_dir dir,
			ledger_series_fn fn, void *ctx);

/*
 * The state that must outlive the process for the series to stay monotonic:
 * who is admitted, and what each series has. maps_id names the kernel's maps
 * (asm_state.created_at). ledger_changes() grows with each drain after which
 * the state has to be written, before the new series are shown.
 */
uint64_t ledger_changes(const struct ledger *l);
int ledger_save(const struct ledger *l, uint64_t maps_id, FILE *f);
/* Before the first drain only. -ESTALE: of other maps; -EBADMSG: not a whole
 * state. In both cases the ledger starts afresh. */
int ledger_load(struct ledger *l, uint64_t maps_id, FILE *f);

#endif
