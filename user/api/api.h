/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the daemon answers: the metrics page, the landing page, health, and
 * the JSON API. A request in, a response out; no sockets (http.h has those),
 * so the unit test asks the same questions as curl.
 *
 * Everything is read from struct api_ctx, which the daemon fills in. Nothing
 * here changes anything.
 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asmeter/abi.h"
#include "base/buf.h"
#include "flow/ledger.h"
#include "route/rib.h"

/* An interface's own counters (struct rtnl_link_stats64). */
struct api_ifstats {
	uint64_t rx_packets, rx_bytes;
	uint64_t tx_packets, tx_bytes;
};

/* One metered interface; matched with the ledger's port by ifindex. */
struct api_iface {
	uint32_t ifindex;
	char name[ASM_IFNAME_LEN];
	const char *mode_in;  /* "xdp-native", "tc-ingress", … ; NULL: none */
	const char *mode_out; /* "tcx", "clsact", … ; NULL: none */
	char driver[32];      /* "" if unknown */
	bool up;
	uint32_t mtu;
	uint64_t speed_mbps; /* 0: unknown */
	bool have_stats;
	struct api_ifstats own; /* now, read as close to the drain as can be */
	/* what `own` is compared from: when asmeter began to count here */
	struct api_ifstats base;
	const char *error; /* why it is not metered, NULL: it is */
};

#define API_PEER_ERRORS 8

/* One BGP neighbour. Strings live as long as the context says so. */
struct api_peer {
	char name[64];    /* the address, or what the config calls it */
	char address[64];
	uint32_t remote_as; /* 0: not known yet */
	const char *state;  /* "Idle" … "Established" (RFC 4271 section 8) */
	bool established;
	bool stale;         /* kept by graceful restart */
	uint64_t since;     /* of the state; seconds since the epoch */
	uint64_t prefixes[FAMILIES];
	uint64_t stale_paths;
	bool end_of_rib[FAMILIES];
	uint64_t messages_in, messages_out;
	uint64_t updates_in;
	uint64_t bytes_in;
	uint64_t flaps;     /* times the session was lost */
	uint64_t treat_as_withdraw, attr_discard; /* RFC 7606 outcomes */
	uint64_t notifications_in, notifications_out;
	char last_error[128]; /* "" if none */
};

/* The prefix table that the packet path reads. */
struct api_table {
	bool live;           /* a table is published: lookups answer */
	const char *source;  /* "bgp", "libloc", "snapshot", "none" */
	uint64_t prefixes[FAMILIES];
	uint64_t words_used, words;
	uint64_t as_used, as_max;
	uint64_t epoch;      /* changes published so far */
	uint64_t published_at; /* seconds since the epoch, 0: never */
};

struct api_loc {
	bool loaded;
	uint64_t created_at; /* of the database, seconds since the epoch */
	uint64_t prefixes[FAMILIES];
	uint64_t names;
	char error[128]; /* "" if none */
};

/* Fill of the kernel's maps (struct counters_stats). */
struct api_maps {
	uint64_t rows_used, rows;
	uint64_t pairs;
	uint64_t drain_ns;
};

struct api_ctx {
	/* set once */
	const char *router;   /* the label `hostname`; never NULL */
	const char *version;
	uint32_t local_as;
	uint64_t started_at;  /* seconds since the epoch */
	struct mono started;
	const struct ledger *ledger; /* never NULL */
	const struct rib *rib;       /* NULL until there is one */

	/* brought up to date by refresh(), which is called before a request
	 * is answered (may be NULL) */
	void (*refresh)(struct api_ctx *ctx);
	struct api_table table;
	struct api_loc loc;
	struct api_maps maps;
	const struct api_iface *ifaces;
	size_t n_ifaces;
	const struct api_peer *peers;
	size_t n_peers;
	uint64_t meter_starts; /* 1 + restarts by the keeper */
	uint64_t config_reloads, config_errors;

	/* NULL or a name in UTF-8 (anything else is replaced); valid until
	 * the next call */
	const char *(*as_name)(void *arg, uint32_t asn);
	/* What the packet path itself would say; may be NULL. */
	bool (*table_lookup)(void *arg, const struct addr *a, uint32_t *ret_as);
	void *arg;

	/* api.c's own: texts rendered once per drain */
	struct api_cache {
		uint64_t drain;
		bool valid;
		struct buf text;
		struct buf gzip;
	} cache;
};

/* Frees what api_handle() keeps in the context. */
void api_ctx_done(struct api_ctx *ctx);

struct api_param {
	const char *key;
	const char *value; /* NULL: no '=' */
};

#define API_PARAMS_MAX 16

struct api_request {
	const char *method; /* "GET", … */
	const char *path;   /* decoded, without the query */
	struct api_param params[API_PARAMS_MAX];
	unsigned n_params; /* more than fit: API_PARAMS_MAX + 1 */
	bool gzip;         /* the client takes gzip */
	bool local;        /* came over the Unix socket */
};

struct api_response {
	unsigned status;
	const char *type;  /* static */
	const char *allow; /* for 405, else NULL */
	bool gzip;         /* body is gzip */
	struct buf body;   /* the caller frees it … */
	const struct buf *shared; /* … or, not NULL: sent instead of body;
				   * constant until the next api_handle() */
};

/* Always answers: what cannot be answered is a status of 4xx or 5xx with a
 * JSON body {"error": "…"} (or plain text outside /api). */
void api_handle(struct api_ctx *ctx, const struct api_request *req,
		struct api_response *ret);

#endif
