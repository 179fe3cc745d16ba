/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: one event, one line, on standard error, prefixed with the level
 * as "<N>" for journald when standard error is not a terminal (sd-daemon(3)).
 * Only the daemon (user/daemon), the BGP sessions and the Kafka thread log;
 * everything else returns.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

/* The levels of syslog(3), by their numbers. */
enum log_level {
	LOG_LVL_ERROR = 3,
	LOG_LVL_WARN = 4,
	LOG_LVL_NOTICE = 5,
	LOG_LVL_INFO = 6,
	LOG_LVL_DEBUG = 7,
};

/* Lines above `max` are dropped; `ident` (static storage, may be NULL) is put
 * before each line, e.g. the role of the process. */
void log_setup(enum log_level max, const char *ident);

/* Writes one line; control characters in the text are replaced by '?'. */
void log_line(enum log_level lvl, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)  log_line(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...)   log_line(LOG_LVL_WARN, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LVL_NOTICE, __VA_ARGS__)
#define log_info(...)   log_line(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...)  log_line(LOG_LVL_DEBUG, __VA_ARGS__)

/* A token bucket for lines that a peer can provoke: `burst` lines, then one
 * per `interval_ns`. What was held back is counted and said with the next
 * line that passes. */
struct log_rl {
	unsigned burst;
	int64_t interval_ns;
	struct mono last;
	unsigned tokens;
	uint64_t held;
	bool started;
};

#define LOG_RL_INIT(burst_, interval_ns_)                        \
	{                                                        \
		.burst = (burst_), .interval_ns = (interval_ns_) \
	}

/* True when the line may be written now; *ret_held gets the number of lines
 * held back since the last one that passed. */
bool log_rl_pass(struct log_rl *rl, struct mono now, uint64_t *ret_held);

#endif
