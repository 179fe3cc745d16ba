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
#include "export/kafka.h"
#include "flow/flow.h"
#include "flow/ledger.h"
#include "flow/recent.h"
#include "kernel/attach.h"
#include "kernel/ifstat.h"
#include "route/bgp_session.h"
#include "route/rib.h"

/* One metered interface; matched with the ledger's port by ifindex. What its
 * own counters are compared from is in the port's struct asm_if. */
struct api_iface {
	char name[ASM_IFNAME_LEN];
	uint32_t ifindex; /* 0: gone */
	enum attach_mode in, out;
	uint32_t reattached;
	uint64_t gap_ns; /* not metered in all, until now */
	char error[256]; /* why it is not metered, "": it is */
	bool have_stats;
	struct ifstat now; /* read as close to the drain's flip as can be */
};

/* The prefix table that the packet path reads. */
struct api_table {
	bool live;          /* a table is published: lookups answer */
	const char *source; /* "bgp", "libloc", "snapshot", "none" */
	uint64_t prefixes[FAMILIES];
	uint64_t words_used, words;
	uint64_t as_used, as_max;
	uint64_t epoch;        /* changes published so far */
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
	uint64_t freed_rows, freed_times;
	uint64_t past, past_room; /* pairs of which rows were freed */
	uint64_t pairs;
	uint64_t drain_ns;
};

/* One direction of a sampled interface; counters are uint64_t for the table
 * in samples.c. */
struct api_samples_port {
	char name[ASM_IFNAME_LEN];
	enum asm_dir dir;
	uint64_t rate;
	double rate_eff;
	uint64_t taken, lost;
	uint64_t est_packets, est_wire_bytes;
	uint64_t packets, wire_bytes;
};

struct api_ring {
	char name[ASM_IFNAME_LEN]; /* mirror port; "": the tap */
	bool zerocopy;
};

#define API_SAMPLES_LOST_MAX 16

struct api_samples {
	bool wanted, up;
	const char *error; /* why they have no way out; NULL or "": they do */
	uint64_t rings;
	uint64_t taken, received, garbage;
	struct {
		const char *reason;
		uint64_t n;
	} lost[API_SAMPLES_LOST_MAX];
	size_t n_lost;
	const struct api_ring *ring;
	size_t n_rings;
	const struct api_samples_port *ports;
	size_t n_ports;
};

/* Flow records, and what became of them. */
struct api_flows {
	const struct recent *recent; /* NULL: none are kept */
	uint64_t run; /* another one: their numbers have begun anew */
	uint64_t taken[FLOW_SOURCES];
	uint64_t no_ip, no_route, cut, malformed;
};

#define API_COLLECTORS_MAX 16
#define API_FAULTS_MAX     4

struct api_collector {
	char name[PREFIX_STRLEN + 8]; /* "192.0.2.1:6343" */
	uint64_t datagrams, samples, lost;
	struct {
		const char *reason; /* NULL: no more */
		uint64_t n;
	} fault[API_FAULTS_MAX];
};

struct api_sflow {
	uint64_t flows, counters, skipped;
	struct api_collector collector[API_COLLECTORS_MAX];
	size_t n;
};

/* The files of the state directory. */
enum api_file { API_FILE_TABLE, API_FILE_SERIES, API_FILES };

struct api_state {
	uint64_t writes[API_FILES];
	uint64_t errors[API_FILES];
	uint64_t snapshot_at; /* of the table, seconds since the epoch */
};

typedef void (*api_peer_fn)(void *ctx, const struct bgp_peer_info *peer);

struct api_ctx {
	/* set once */
	const char *router; /* the label `hostname`; never NULL */
	const char *version;
	uint32_t local_as;
	uint64_t started_at; /* seconds since the epoch */
	struct mono started;
	const struct ledger *ledger; /* never NULL */
	const struct rib *rib;       /* NULL until there is one */

	/* brought up to date by refresh(), which is called before a request
	 * is answered (may be NULL) */
	void (*refresh)(struct api_ctx *ctx);
	struct api_table table;
	struct api_loc loc;
	struct api_maps maps;
	struct api_samples samples;
	bool has_kafka;
	struct kafka_stats kafka;
	struct api_state state;
	uint64_t bgp_refused; /* connections of no neighbour */
	const struct api_iface *ifaces;
	size_t n_ifaces;
	struct api_flows flows;
	struct api_sflow sflow;
	uint64_t meter_starts; /* 1 + restarts by the keeper */
	uint64_t config_reloads, config_errors;
	uint64_t now; /* seconds since the epoch; 0: the clock is asked */

	/* NULL or a name in UTF-8 (anything else is replaced); valid until
	 * the next call */
	const char *(*as_name)(void *arg, uint32_t asn);
	/* The name of any interface, or NULL; may be NULL. */
	const char *(*if_name)(void *arg, uint32_t ifindex);
	/* What the packet path itself would say; may be NULL. */
	bool (*table_lookup)(void *arg, const struct addr *a, uint32_t *ret_as);
	/* Visits the BGP neighbours (bgp_peerset_each); NULL: there are none */
	void (*peers_each)(void *arg, api_peer_fn fn, void *ctx);
	void *arg;

	/* api.c's own */
	struct api_text *metrics; /* rendered once per drain */
	struct api_text *metrics_gz;
	uint64_t metrics_drain;
	struct mono metrics_at;
	uint64_t requests;
	uint64_t evicted; /* connections closed to make room for others */
	uint64_t refused; /* answered with 4xx or 5xx */
};

/* A body that may be sent to several clients at a time. */
struct api_text {
	unsigned refs;
	struct buf b;
};
void api_text_unref(struct api_text *t);

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
	bool local;        /* over the API's own socket, not the network */
};

struct api_response {
	unsigned status;
	const char *type;      /* static */
	const char *allow;     /* for 405, else NULL */
	bool gzip;             /* text is gzip */
	struct api_text *text; /* the body; the caller drops the reference */
};

/* Always answers: what cannot be answered is a status of 4xx or 5xx with a
 * JSON body {"error": "…"} (or plain text outside /api). -ENOMEM: not even
 * that; *ret is untouched. */
int api_handle(struct api_ctx *ctx, const struct api_request *req,
	       struct api_response *ret);

#endif
