/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BGP-4 messages: pure decoders and encoders (RFC 4271 with 2918, 4724, 4760,
 * 5065, 5492, 6793, 7606, 7607, 7911, 7313, 8203/9003, 8654, 8950, 9072).
 * No I/O, no clock, no log, no allocation. What is wrong with a message comes
 * back as a verdict; the session acts on it.
 */
#ifndef ROUTE_BGP_MSG_H
#define ROUTE_BGP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rd.h"
#include "route/attr.h"
#include "route/prefix.h"

#define BGP_HDR_LEN     19u
#define BGP_MSG_MAX     4096u  /* RFC 4271 */
#define BGP_MSG_MAX_EXT 65535u /* RFC 8654, never for OPEN and KEEPALIVE */
#define BGP_AS_TRANS    23456u

enum bgp_type {
	BGP_OPEN = 1,
	BGP_UPDATE = 2,
	BGP_NOTIFICATION = 3,
	BGP_KEEPALIVE = 4,
	BGP_ROUTE_REFRESH = 5,
	BGP_TYPES /* index 0 of per-type counters: unknown */
};

/* From harmless to fatal; a message's verdict is the worst of its parts. */
enum bgp_verdict {
	BGP_OK,
	BGP_ATTR_DISCARD,      /* an attribute was ignored, the route is good */
	BGP_TREAT_AS_WITHDRAW, /* the announced prefixes must be withdrawn */
	BGP_SESSION_RESET,     /* send the NOTIFICATION and close */
};

/* Codes and subcodes that this module produces (RFC 4271 4.5, 4486, 7313,
 * 9384 and the IANA registry). */
enum bgp_notify_code {
	BGP_N_HEADER = 1,
	BGP_N_OPEN = 2,
	BGP_N_UPDATE = 3,
	BGP_N_HOLD = 4,
	BGP_N_FSM = 5,
	BGP_N_CEASE = 6,
	BGP_N_REFRESH = 7,
	BGP_N_SEND_HOLD = 8,
};

enum { /* BGP_N_HEADER */
       BGP_N_HDR_SYNC = 1,
       BGP_N_HDR_LENGTH = 2,
       BGP_N_HDR_TYPE = 3,
};
enum { /* BGP_N_OPEN */
       BGP_N_OPEN_MALFORMED = 0,
       BGP_N_OPEN_VERSION = 1,
       BGP_N_OPEN_PEER_AS = 2,
       BGP_N_OPEN_ID = 3,
       BGP_N_OPEN_PARAM = 4,
       BGP_N_OPEN_HOLD = 6,
       BGP_N_OPEN_CAP = 7,
};
enum { /* BGP_N_UPDATE */
       BGP_N_UPD_LIST = 1,
       BGP_N_UPD_UNKNOWN_WELL_KNOWN = 2,
       BGP_N_UPD_MISSING = 3,
       BGP_N_UPD_FLAGS = 4,
       BGP_N_UPD_LENGTH = 5,
       BGP_N_UPD_ORIGIN = 6,
       BGP_N_UPD_NEXT_HOP = 8,
       BGP_N_UPD_OPTIONAL = 9,
       BGP_N_UPD_NETWORK = 10,
       BGP_N_UPD_AS_PATH = 11,
};
enum { /* BGP_N_CEASE */
       BGP_N_CEASE_MAX_PREFIX = 1,
       BGP_N_CEASE_SHUTDOWN = 2,
       BGP_N_CEASE_DECONFIGURED = 3,
       BGP_N_CEASE_RESET = 4,
       BGP_N_CEASE_REJECTED = 5,
       BGP_N_CEASE_CONFIG = 6,
       BGP_N_CEASE_COLLISION = 7,
       BGP_N_CEASE_RESOURCES = 8,
       BGP_N_CEASE_HARD_RESET = 9,
};

/* What is wrong: filled in by the decoders for every verdict but BGP_OK; the
 * worst fault of the message, of equal ones the first. */
struct bgp_error {
	enum bgp_verdict verdict;
	uint8_t code; /* enum bgp_notify_code */
	uint8_t subcode;
	uint8_t attr;     /* attribute type concerned, 0: none */
	uint16_t offset;  /* of the fault, from the first byte of the message */
	const char *what; /* static text */
	/* For the NOTIFICATION: bytes inside the message, or inside `own`;
	 * never longer than what really arrived. */
	const uint8_t *data;
	uint16_t data_len;
	uint8_t own[2];
};

/* ---- header (RFC 4271 4.1, 6.1) */

struct bgp_header {
	uint16_t len; /* of the whole message, checked against its type */
	uint8_t type; /* enum bgp_type */
};

/* hdr: the first BGP_HDR_LEN bytes. max_len: BGP_MSG_MAX, or _EXT once both
 * sides have announced extended messages. */
enum bgp_verdict bgp_header_decode(const uint8_t *hdr, uint16_t max_len,
				   struct bgp_header *ret,
				   struct bgp_error *err);

/* ---- OPEN (RFC 4271 4.2, 5492, 9072) */

#define BGP_CAP_MP           (1u << 0) /* any multiprotocol capability */
#define BGP_CAP_AS4          (1u << 1)
#define BGP_CAP_REFRESH      (1u << 2)
#define BGP_CAP_REFRESH_ENH  (1u << 3) /* RFC 7313 */
#define BGP_CAP_EXT_MSG      (1u << 4)
#define BGP_CAP_EXT_NEXT_HOP (1u << 5) /* IPv4 unicast over IPv6 */
#define BGP_CAP_GR           (1u << 6)
#define BGP_CAP_GR_RESTARTED (1u << 7) /* R bit: it has just restarted */
#define BGP_CAP_GR_NOTIFY    (1u << 8) /* N bit, RFC 8538 */

#define BGP_ADD_PATH_RECEIVE 1u
#define BGP_ADD_PATH_SEND    2u

struct bgp_open {
	uint32_t asn; /* the four-byte one where given */
	uint32_t router_id;
	uint16_t hold_time_s;
	uint16_t caps;     /* BGP_CAP_* */
	bool mp[FAMILIES]; /* IPv4 also when no MP capability is there */
	uint8_t add_path[FAMILIES]; /* BGP_ADD_PATH_*, from the sender's view */
	uint16_t gr_time_s;
	bool gr[FAMILIES];     /* family takes part in graceful restart */
	bool gr_fwd[FAMILIES]; /* F bit: forwarding state preserved */
};

/* msg: a whole message whose header was decoded. Checks everything but what
 * depends on the configuration (peer AS, own identifier): see the session. */
enum bgp_verdict bgp_open_decode(const uint8_t *msg, size_t len,
				 struct bgp_open *ret, struct bgp_error *err);

/* ---- UPDATE (RFC 4271 4.3, 4760, 7606) */

/* How to read this peer's updates. */
struct bgp_update_ctx {
	uint32_t local_as;
	bool as4;          /* four-byte AS numbers negotiated */
	bool ebgp;         /* external peer */
	bool mp[FAMILIES]; /* families negotiated; the others are skipped */
	bool add_path[FAMILIES]; /* the peer sends path identifiers */
	bool ext_next_hop;
};

/* A list of prefixes, checked beforehand: reading it cannot fail. */
struct bgp_nlri {
	struct rd r;
	enum family family;
	bool add_path;
};

/* The next prefix, host bits masked; false at the end. path_id is 0 without
 * ADD-PATH. */
bool bgp_nlri_next(struct bgp_nlri *it, struct prefix *ret, uint32_t *ret_id);

/* Points into the message. */
struct bgp_update {
	/* To be applied whatever the verdict, unless it is a reset. */
	struct bgp_nlri withdrawn;    /* IPv4 */
	struct bgp_nlri mp_withdrawn; /* MP_UNREACH_NLRI */
	/* To be announced, or withdrawn on BGP_TREAT_AS_WITHDRAW. */
	struct bgp_nlri announced;    /* IPv4, with attr.next_hop */
	struct bgp_nlri mp_announced; /* MP_REACH_NLRI, with mp_next_hop */
	struct attr_spec attr; /* path and comm point to the arrays below */
	struct addr mp_next_hop;
	bool eor[FAMILIES];    /* this is an End-of-RIB marker (RFC 4724 2) */
	unsigned discarded;    /* attributes ignored as faulty or double */
	unsigned unnegotiated; /* MP attributes of families not negotiated */
	uint32_t path[ATTR_PATH_MAX];
	uint32_t comm[ATTR_COMM_MAX];
};

/* msg: a whole message whose header was decoded. */
enum bgp_verdict bgp_update_decode(const uint8_t *msg, size_t len,
				   const struct bgp_update_ctx *ctx,
				   struct bgp_update *ret,
				   struct bgp_error *err);

/* ---- NOTIFICATION and ROUTE-REFRESH */

#define BGP_TEXT_MAX 384

struct bgp_notification {
	uint8_t code;
	uint8_t subcode;
	/* For people: names of the codes and, for shutdown and reset, the
	 * operator's message (RFC 9003); valid UTF-8 without control
	 * characters. "" when there was none. */
	char text[BGP_TEXT_MAX];
};

/* Never fails: a malformed NOTIFICATION is still one. */
void bgp_notification_decode(const uint8_t *msg, size_t len,
			     struct bgp_notification *ret);
/* The same text for one that we send. */
void bgp_notification_describe(uint8_t code, uint8_t subcode,
			       const uint8_t *data, size_t data_len,
			       struct bgp_notification *ret);

enum bgp_refresh_kind {
	BGP_REFRESH_REQUEST = 0,
	BGP_REFRESH_BEGIN = 1, /* RFC 7313 BoRR */
	BGP_REFRESH_END = 2,   /* EoRR */
};

struct bgp_refresh {
	bool known; /* a family of ours */
	enum family family;
	uint8_t kind; /* enum bgp_refresh_kind, or unknown: to be ignored */
};

enum bgp_verdict bgp_refresh_decode(const uint8_t *msg, size_t len,
				    struct bgp_refresh *ret,
				    struct bgp_error *err);

/* ---- encoders: write a whole message to buf (size bytes), return its
 * length, or 0 when it does not fit. */

size_t bgp_open_encode(const struct bgp_open *open, uint8_t *buf, size_t size);
size_t bgp_keepalive_encode(uint8_t *buf, size_t size);
size_t bgp_eor_encode(enum family f, uint8_t *buf, size_t size);
size_t bgp_refresh_encode(enum family f, enum bgp_refresh_kind kind,
			  uint8_t *buf, size_t size);
size_t bgp_notification_encode(uint8_t code, uint8_t subcode,
			       const uint8_t *data, size_t data_len,
			       uint8_t *buf, size_t size);

#endif
