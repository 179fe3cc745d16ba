/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside of the API; for user/api/ only. */
#ifndef API_API_INT_H
#define API_API_INT_H

#include "api/api.h"
#include "export/json.h"

extern const char *const api_dir_name[ASM_DIRS]; /* "receive", "transmit" */

extern const char *const api_file_name[API_FILES];

/* A parsed request. */
enum api_arg {
	ARG_BY,
	ARG_WHEN,
	ARG_PER,
	ARG_DIR,
	ARG_ROLE,
	ARG_N,
	ARG_AS,
	ARG_ADDR,
	ARG_PREFIX,
	ARG_PORT,
	ARG_PROTO,
	ARG_IF,
	ARG_SINCE,
	ARG_RUN,
	ARGS
};

enum { PER_AS, PER_PAIR };
enum { WAY_IN, WAY_OUT, WAY_BOTH };

struct api_args {
	bool given[ARGS];
	uint32_t u[ARGS]; /* number, or the number of a word */
	struct addr addr;
	struct prefix prefix;
	uint64_t since, run;
	uint32_t asn; /* from the path */
};

uint64_t api_now(const struct api_ctx *ctx);
const char *api_as_name(const struct api_ctx *ctx, uint32_t asn);
bool api_ready(const struct api_ctx *ctx);

struct api_balance {
	const struct api_iface *ifc; /* NULL: none of that ifindex */
	bool known[ASM_DIRS];        /* the interface has counters to compare */
	uint64_t packets[ASM_DIRS];  /* seen there, and wire bytes */
	uint64_t bytes[ASM_DIRS];
	uint64_t if_packets[ASM_DIRS]; /* its own, since asmeter counts there */
	uint64_t if_bytes[ASM_DIRS];
	struct ifstat_balance b[ASM_DIRS];
};

void api_balance_of(const struct api_ctx *ctx, const struct ledger_port *p,
		    struct api_balance *ret);

/* All that was ever counted under a name. */
struct api_port {
	char name[ASM_IFNAME_LEN];
	const struct api_iface *ifc; /* as configured; NULL: it is not */
	struct ledger_port p;        /* sums; slot and ifc of the latest one */
	struct api_balance bal;      /* of the one that is there now */
};

/* Fills *ret (to be freed; NULL: no memory) and returns how many there are,
 * in the order of the ledger's ports. */
size_t api_ports(const struct api_ctx *ctx, struct api_port **ret);

struct api_peer_sums {
	uint32_t peers;
	uint32_t established;
};
void api_peers_count(const struct api_ctx *ctx, struct api_peer_sums *ret);

/* The bodies. */
void api_metrics(const struct api_ctx *ctx, struct buf *b);
void api_metrics_samples(const struct api_ctx *ctx, struct buf *b);
void api_json_samples(const struct api_ctx *ctx, struct jw *j);
void api_metrics_kafka(const struct api_ctx *ctx, struct buf *b);
void api_landing(const struct api_ctx *ctx, struct buf *b);
void api_json_version(struct api_ctx *ctx, const struct api_args *a,
		      struct jw *j);
void api_json_status(struct api_ctx *ctx, const struct api_args *a,
		     struct jw *j);
void api_json_top(struct api_ctx *ctx, const struct api_args *a, struct jw *j);
void api_json_as(struct api_ctx *ctx, const struct api_args *a, struct jw *j);
void api_json_lookup(struct api_ctx *ctx, const struct api_args *a,
		     struct jw *j);
void api_json_interfaces(struct api_ctx *ctx, const struct api_args *a,
			 struct jw *j);
void api_json_peers(struct api_ctx *ctx, const struct api_args *a,
		    struct jw *j);
void api_json_flows(struct api_ctx *ctx, const struct api_args *a,
		    struct jw *j);

#endif
