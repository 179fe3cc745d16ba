/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user's own word on who a prefix belongs to: a file of lines
 *
 *   192.0.2.0/24    64500     # comment
 *   2001:db8::/32   AS64501
 *
 * Pure but for reading the file; no log.
 */
#ifndef ROUTE_OVERRIDES_H
#define ROUTE_OVERRIDES_H

#include <stddef.h>
#include <stdint.h>

#include "route/prefix.h"

struct override {
	struct prefix prefix;
	uint32_t asn;
};

struct overrides {
	struct override *v; /* sorted by prefix, no prefix twice */
	size_t n;
};

struct overrides_error {
	unsigned line;  /* 0: the file as a whole */
	char text[160]; /* what is wrong and what would be right */
};

#define OVERRIDES_MAX 1000000

/* All or nothing: -errno of open(2) or read(2), -EINVAL (a line is wrong:
 * *ret_err), -E2BIG, -ENOMEM. overrides_free() what was returned. ret_err may
 * be NULL. */
int overrides_load(const char *path, struct overrides *ret,
		   struct overrides_error *ret_err);
int overrides_parse(const char *text, size_t len, struct overrides *ret,
		    struct overrides_error *ret_err);
void overrides_free(struct overrides *o);

#endif
