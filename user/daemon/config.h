/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration: one YAML document, checked in full against one table
 * (keys.c), turned into one struct that nobody writes to afterwards.
 *
 * The keeper reads the file and hands the text itself to the meter (a memfd),
 * so both see the same document and neither trusts a half-parsed form of it.
 *
 * A fault has a place (line and column, from 1) and a text that says what
 * would be right. All faults are reported, up to CONFIG_ERRORS_MAX.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "asmeter/abi.h"
#include "base/arena.h"
#include "base/log.h"
#include "export/kafka_conf.h"
#include "route/prefix.h"

#define CONFIG_PATH       "/etc/asmeter/asmeter.yaml"
#define CONFIG_STATE_DIR  "/var/lib/asmeter" /* what outlives the process */
#define CONFIG_BYTES_MAX  (4u << 20)         /* a longer file is refused */
#define CONFIG_ERRORS_MAX 32

struct config_pos {
	uint32_t line; /* from 1; 0: not from the file */
	uint32_t col;
};

enum config_mode {
	CONFIG_MODE_AUTO = 0, /* native XDP, else TC ingress */
	CONFIG_MODE_NATIVE,
	CONFIG_MODE_TC,
	CONFIG_MODE_GENERIC, /* only when asked for by name */
	CONFIG_MODE_MIRROR,  /* a port that only listens */
};

struct config_iface {
	char *name; /* at most ASM_IFNAME_LEN - 1 bytes */
	enum config_mode mode;
	bool has_sample_rate;
	uint32_t sample_rate; /* config_sample_rate() */
	struct config_pos pos;
};

struct config_endpoint {
	struct addr addr;
	uint16_t port;
	struct config_pos pos;
};

#define CONFIG_FAMILY_IP4 (1u << FAMILY_IP4)
#define CONFIG_FAMILY_IP6 (1u << FAMILY_IP6)

struct config_neighbor {
	struct addr address;
	bool has_local_address;
	struct addr local_address; /* to connect from; any when not given */
	char *interface;           /* of a link-local address; NULL: none */
	uint32_t remote_as;
	uint32_t port;         /* to connect to, 1..65535 */
	bool passive;          /* only wait for the other side */
	bool add_path;         /* ask for all paths (RFC 7911) */
	char *password;        /* TCP MD5 (RFC 2385), NULL: none */
	char *description;     /* NULL: none */
	uint32_t multihop;     /* TTL of what we send; 0: by the session */
	uint32_t ttl_security; /* hops allowed (RFC 5082); 0: off */
	uint32_t hold_time_s;  /* proposed; 0 or 3 and more */
	uint32_t max_prefixes; /* paths kept of both families */
	uint32_t families;     /* CONFIG_FAMILY_*; never 0 */
	struct config_pos pos;
};

struct config_bgp {
	uint32_t router_id; /* 0: chosen by the daemon */
	struct config_endpoint *listen;
	size_t n_listen;
	uint32_t stale_time_ms; /* routes outlive their session by at most */
	struct config_neighbor *neighbors;
	size_t n_neighbors;
};

struct config_prefix {
	struct prefix prefix;
	struct config_pos pos;
};

enum config_loc_use {
	CONFIG_LOC_FALLBACK = 0, /* until a feed has reached End-of-RIB */
	CONFIG_LOC_NEVER,
};

struct config_libloc {
	char *database;
	enum config_loc_use use;
};

struct config_as_name {
	uint32_t asn;
	char *name;
};

struct config_names {
	char *file; /* NULL: none */
	struct config_as_name *overrides;
	size_t n_overrides;
};

struct config_prometheus {
	struct config_endpoint *listen;
	size_t n_listen;
	uint32_t max_as; /* ASes with series of their own; the rest: "other" */
	uint32_t max_series; /* of each direction */
};

struct config_sflow {
	struct config_endpoint *collectors;
	size_t n_collectors;
	bool has_agent;
	struct addr agent;     /* the address that the agent is known by */
	uint32_t counter_ms;   /* between two counter samples; 0: none */
	uint32_t header;       /* bytes of a packet that are passed on */
	uint32_t max_datagram; /* bytes of UDP payload */
};

struct config_api {
	char *socket;
	char *group;
};

struct config_stream {
	bool enabled;
	char *topic;
	enum kafka_key key;
	enum kafka_format format;
	uint32_t interval_ms; /* as-traffic only */
};

struct config_kafka {
	char **brokers; /* "host" or "host:port"; none: no Kafka at all */
	size_t n_brokers;
	struct kafka_option *options; /* librdkafka's, checked by it */
	size_t n_options;
	uint32_t spool_mb;
	struct config_stream as_traffic, flows;
	struct config_pos pos;
};

struct config_counters {
	uint32_t rows;        /* per bank and CPU, see asmeter/abi.h */
	uint32_t table_words; /* a power of two */
	uint32_t quiet_ms;    /* without a packet, before a row is freed */
};

struct config_sampling {
	uint32_t rate; /* one of so many packets; 0: none */
	uint32_t snap; /* bytes kept of each */
};

struct config {
	char *hostname;
	uint32_t local_as;
	struct config_iface *interfaces;
	size_t n_interfaces;
	struct config_bgp bgp;
	struct config_prefix *own_prefixes;
	size_t n_own_prefixes;
	char *overrides; /* file of "PREFIX AS" lines; NULL: none */
	struct config_libloc libloc;
	struct config_names as_names;
	struct config_prometheus prometheus;
	struct config_sflow sflow;
	struct config_api api;
	struct config_kafka kafka;
	struct config_counters counters;
	struct config_sampling sampling;
	uint32_t drain_interval_ms;
	uint32_t snapshot_interval_ms;
	enum log_level log_level;
	char *user; /* "root": privileges are kept (for tests) */
	char *group;
	struct arena mem; /* every pointer above lives in here */
};

struct config_error {
	struct config_pos pos;
	char text[248];
};

struct config_report {
	struct config_error errors[CONFIG_ERRORS_MAX]; /* in file order */
	size_t n;
	size_t held; /* further faults, not kept */
};

/* Parse and check a document. 0 and *ret (free with config_free()), or
 * -EINVAL with at least one error in *rep, or -ENOMEM. rep is always set. */
int config_parse(const char *text, size_t len, struct config **ret,
		 struct config_report *rep);

/* The same for a file; read to its end from its start. A file that cannot be
 * read is -errno, with the reason in *rep at line 0. */
int config_load(const char *path, struct config **ret,
		struct config_report *rep);
int config_load_fd(int fd, struct config **ret, struct config_report *rep);

/* The text of a file, NUL-terminated, to be freed by the caller. -EFBIG
 * beyond CONFIG_BYTES_MAX. */
int config_read_text(int fd, char **ret, size_t *ret_len);

void config_free(struct config *c);

/* One line a fault: "PATH:LINE:COL: text" (no position: "PATH: text"). */
void config_report_print(const struct config_report *rep, const char *path,
			 FILE *out);

/* Every key with its type, default and one line of help, as text: what the
 * manual page has to list. */
void config_print_reference(FILE *out);

/* The sampling rate of an interface: its own, else that of all. */
uint32_t config_sample_rate(const struct config *c,
			    const struct config_iface *f);

/* AS number as people write it: 64512, AS64512, 1.10 (RFC 5396 asdot).
 * -EINVAL, -ERANGE. */
int config_parse_asn(const char *s, uint32_t *ret);

#endif
