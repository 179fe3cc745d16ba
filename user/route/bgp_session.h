/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BGP sessions: a set of configured neighbours on one libuv loop, each with
 * its state machine (RFC 4271 section 8), writing what it learns into the RIB.
 *
 * Receive only: nothing is ever announced but End-of-RIB. Everything happens
 * in the loop's thread. Routes of a neighbour that went away stay in the RIB,
 * marked stale, until they are announced again and End-of-RIB has come, or
 * until a timer ends: the neighbour's restart time where graceful restart was
 * negotiated (RFC 4724, at most stale_time_s), stale_time_s otherwise. They go
 * at once when the neighbour is removed from the configuration, or exceeded
 * its prefix limit.
 */
#ifndef ROUTE_BGP_SESSION_H
#define ROUTE_BGP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/mono.h"
#include "route/bgp_msg.h"
#include "route/prefix.h"
#include "route/rib.h"

/* ---- configuration */

#define BGP_MD5_MAX  80 /* TCP_MD5SIG_MAXKEYLEN */
#define BGP_NAME_MAX 64

#define BGP_PORT            179
#define BGP_HOLD_TIME_S     90
#define BGP_CONNECT_RETRY_S 5
#define BGP_STALE_TIME_S    300
#define BGP_MAX_PREFIXES    2000000 /* both families, well beyond a full table */

struct bgp_local_cfg {
	uint32_t asn;
	uint32_t router_id; /* BGP identifier, not 0 */
};

/* Start from bgp_peer_cfg_default() and set at least addr. */
struct bgp_peer_cfg {
	char name[BGP_NAME_MAX]; /* for people; "" = its address */
	struct addr addr;        /* the neighbour; unique in the set */
	char interface[16];      /* for link-local addresses, else "" */
	uint16_t port;           /* the neighbour's, to connect to */
	uint16_t local_port;     /* of our end when connecting; 0: any */
	struct addr source;      /* our address when connecting */
	bool has_source;
	bool passive;  /* never connect, only accept */
	bool shutdown; /* keep the neighbour down, its routes out */
	bool families[FAMILIES];
	bool add_path;      /* offer to receive several paths (RFC 7911) */
	uint32_t remote_as; /* 0: the local AS (iBGP) */
	uint32_t local_as;  /* 0: bgp_local_cfg.asn */
	char md5[BGP_MD5_MAX + 1]; /* "" = none (RFC 2385) */
	uint8_t ttl_security; /* RFC 5082: hops away, 1 = next to us; 0: off */
	uint8_t multihop; /* TTL of ours; 0: 1 for eBGP, system's for iBGP */
	uint16_t hold_time_s; /* 0 (no timer) or >= 3 */
	uint16_t
		connect_retry_s; /* first wait; doubles to 16 times, jittered */
	uint32_t stale_time_s;   /* 0: routes go when the neighbour goes */
	uint32_t max_prefixes;   /* over both families; 0: no bound */
	uint8_t max_prefixes_warn; /* per cent of the bound; 0: no warning */
	uint32_t max_prefixes_restart_s; /* pause after it; 0: until reload */
};

void bgp_peer_cfg_default(struct bgp_peer_cfg *ret);

/* Why the configuration cannot work, as static text for people, or NULL. */
const char *bgp_peer_cfg_check(const struct bgp_local_cfg *local,
			       const struct bgp_peer_cfg *cfg);

/* ---- what is to be seen of a neighbour */

enum bgp_state {
	BGP_IDLE,
	BGP_CONNECT,
	BGP_ACTIVE,
	BGP_OPENSENT,
	BGP_OPENCONFIRM,
	BGP_ESTABLISHED,
	BGP_STATES
};

/* "idle", "connect", … */
const char *bgp_state_str(enum bgp_state s);

/* Counters of one neighbour; they only grow. */
enum bgp_counter {
	BGP_C_BYTES_IN,
	BGP_C_BYTES_OUT,
	BGP_C_ANNOUNCED,         /* prefixes announced */
	BGP_C_WITHDRAWN,         /* prefixes withdrawn by the neighbour */
	BGP_C_WITHDRAWN_UNKNOWN, /* … that we did not have */
	BGP_C_ATTR_DISCARD,      /* RFC 7606: attributes ignored */
	BGP_C_TREAT_AS_WITHDRAW, /* RFC 7606: updates */
	BGP_C_SESSION_RESET,     /* faults of the neighbour that closed it */
	BGP_C_UNNEGOTIATED,      /* MP attributes of families not negotiated */
	BGP_C_NO_MEMORY,         /* prefixes lost for want of memory */
	BGP_C_MAX_PREFIX,        /* prefixes refused by the limit */
	BGP_C_ESTABLISHED,       /* times the session came up */
	BGP_C_FLAPS,             /* times it went down from there */
	BGP_C_CONNECT,           /* connections tried */
	BGP_C_CONNECT_FAILED,
	BGP_C_ACCEPTED,   /* connections accepted */
	BGP_C_REJECTED,   /* accepted and closed: not wanted now */
	BGP_C_COLLISIONS, /* RFC 4271 6.8 */
	BGP_C_HOLD_EXPIRED,
	BGP_C_SEND_HOLD_EXPIRED, /* it did not read (RFC 9687) */
	BGP_C_OUT_FULL,          /* … closed before: too much to say */
	BGP_C_STALE_EXPIRED,     /* routes removed by the stale timer */
	BGP_C_SWEPT,             /* stale routes removed at End-of-RIB */
	BGP_COUNTERS
};

/* Name for metrics and JSON: "treat_as_withdraw"; static. */
const char *bgp_counter_str(enum bgp_counter c);

struct bgp_family_info {
	bool negotiated;
	bool add_path;
	bool eor;     /* End-of-RIB of this session has come (or stands in) */
	size_t paths; /* held in the RIB now, stale ones included */
	size_t stale; /* marked when the session went down, not yet renewed or
			 swept: an upper bound */
};

/* A snapshot; pointers are valid during the call that hands it out. */
struct bgp_peer_info {
	const struct bgp_peer_cfg *cfg;
	const char *name; /* cfg->name, or the address */
	int rib_source;
	enum bgp_state state;
	const char *idle_why; /* static text when idle for good, else NULL */
	int64_t state_age_ns; /* time in this state (uptime if established) */
	bool ebgp;
	bool up; /* state == BGP_ESTABLISHED */
	/* Of the session now up (or coming up); zero otherwise. */
	struct addr local_addr;
	uint16_t local_port;
	uint16_t remote_port;
	uint32_t remote_as;
	uint32_t remote_id;
	uint16_t hold_time_s; /* negotiated */
	uint32_t caps_remote; /* BGP_CAP_*, what it offered */
	uint32_t caps;        /* in use on both sides */
	uint16_t gr_time_s;   /* its restart time */
	size_t out_queue;     /* bytes not yet taken by the kernel */
	/* Kept over sessions. */
	struct bgp_family_info family[FAMILIES];
	int64_t stale_left_ns; /* until stale routes go; 0: timer not on */
	uint64_t msgs_in[BGP_TYPES]; /* by enum bgp_type; 0: unknown type */
	uint64_t msgs_out[BGP_TYPES];
	uint64_t counters[BGP_COUNTERS];
	struct bgp_notification last_in; /* text "" = never */
	struct bgp_notification last_out;
	int64_t last_in_age_ns;
	int64_t last_out_age_ns;
	char last_error[128]; /* why the last session or connection ended */
};

struct bgp_set_info {
	size_t peers;
	size_t established;
	size_t listeners;
	uint64_t refused_unknown; /* connections from unconfigured addresses */
	uint64_t accept_failed;
};

/* ---- the set */

struct bgp_peerset;

/* Both are called in the loop's thread and must not free the set. Any may be
 * NULL. */
struct bgp_callbacks {
	/* The neighbour's table of the family is complete: End-of-RIB came
	 * (from neighbours that do not send one: a quiet time after the first
	 * routes) and it holds at least one path. Once per session and
	 * family. */
	void (*table_complete)(void *ctx, const struct bgp_peer_info *peer,
			       enum family f);
	/* Any change of state, after it. */
	void (*state)(void *ctx, const struct bgp_peer_info *peer,
		      enum bgp_state from);
};

/* NULL: no memory. loop, rib and attrs must outlive the set. */
struct bgp_peerset *bgp_peerset_new(uv_loop_t *loop, struct rib *rib,
				    struct attr_table *attrs,
				    const struct bgp_local_cfg *local,
				    const struct bgp_callbacks *cb, void *ctx);

/* Lets a second of the protocol's timers last `ms` milliseconds, so that
 * tests need not wait. To be called before bgp_peerset_apply(). */
void bgp_peerset_time_scale(struct bgp_peerset *set, unsigned ms);

/* Makes the set equal to cfgs (n of them): starts new neighbours, ends those
 * not listed (Cease/De-configured, routes out), restarts those that differ
 * (their routes stay as stale meanwhile), leaves the others alone. A change
 * of `local` restarts all. A new name, stale time or prefix limit does not
 * restart. Invalid entries and entries without room in the RIB
 * are refused before anything is changed: -EINVAL, -ENOSPC, -ENOMEM. */
int bgp_peerset_apply(struct bgp_peerset *set,
		      const struct bgp_local_cfg *local,
		      const struct bgp_peer_cfg *cfgs, size_t n);

/* Takes a listening TCP socket, IPv4 or IPv6 (the set closes it). MD5 keys of
 * the neighbours are put on it. */
int bgp_peerset_listen(struct bgp_peerset *set, int fd);

void bgp_peerset_info(const struct bgp_peerset *set, struct bgp_set_info *ret);
void bgp_peerset_each(const struct bgp_peerset *set,
		      void (*fn)(void *ctx, const struct bgp_peer_info *peer),
		      void *ctx);

/* Asks the neighbour for all routes again (RFC 2918). -ENOENT: no such one,
 * -ENOTCONN: not established, -EOPNOTSUPP: not negotiated. */
int bgp_peerset_refresh(struct bgp_peerset *set, const struct addr *peer);

/* Ends the session and connects anew: Cease/Administrative Reset. */
int bgp_peerset_reset(struct bgp_peerset *set, const struct addr *peer);

enum bgp_stop {
	/* The daemon goes: Cease/Administrative Shutdown to everybody. */
	BGP_STOP_SHUTDOWN,
	/* The meter comes back at once: the connections are closed without a
	 * NOTIFICATION, which neighbours take for a lost link and answer by
	 * connecting again, without the pause they make after a Cease. */
	BGP_STOP_RESTART,
};

/* Ends all sessions and stops listening; the RIB is left as it is. What was
 * to be sent is given to the kernel as far as it takes it at once. */
void bgp_peerset_stop(struct bgp_peerset *set, enum bgp_stop how,
		      const char *text);

/* Frees what is left after bgp_peerset_stop(), or stops silently. The memory
 * goes when the loop has run its close callbacks: run it once more before
 * uv_loop_close(). */
void bgp_peerset_free(struct bgp_peerset *set);

#endif
