/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the producer is told: librdkafka's own options, whatever they are,
 * over a few defaults of ours.
 */
#ifndef EXPORT_KAFKA_CONF_H
#define EXPORT_KAFKA_CONF_H

#include <stddef.h>

struct rd_kafka_conf_s;

/* What decides about a message's partition. */
enum kafka_key {
	KAFKA_KEY_NONE = 0, /* librdkafka spreads them */
	KAFKA_KEY_ROUTER,
	KAFKA_KEY_SRC_AS,
	KAFKA_KEY_DST_AS,
	KAFKA_KEY_AS_PAIR, /* "64500-64496" */
};

enum kafka_format {
	KAFKA_JSON = 0,
	KAFKA_PROTOBUF, /* FlowMessage, length-delimited (flowmsg.proto) */
};

struct kafka_option {
	const char *name;
	const char *value;
};

/* Would librdkafka take it, and may it be given? 0, or -ENOENT (no such
 * option) or -EINVAL (why says it). Loads, opens and starts nothing. */
int kafka_option_check(const char *name, const char *value, char *why,
		       size_t why_len);

/* The names of all options, ending with NULL; free() the array, which holds
 * the texts as well. NULL: no memory. */
const char **kafka_option_names(void);

/* The defaults, then the options in their order. NULL with a reason. The
 * caller hands it to rd_kafka_new() or destroys it. */
struct rd_kafka_conf_s *kafka_conf_new(const char *brokers,
				       const struct kafka_option *opts,
				       size_t n, char *why, size_t why_len);

/* The first option that names a file which this process cannot read, and why
 * (-errno); NULL: none. */
const struct kafka_option *
kafka_conf_unreadable(const struct kafka_option *opts, size_t n, int *ret_err);

#endif
