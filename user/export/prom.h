/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Prometheus text format 0.0.4: families, samples, labels. Label values
 * may be anything: what is not UTF-8, or a control character, becomes U+FFFD;
 * backslash, double quote and line feed are escaped. Names of metrics and
 * labels are the program's.
 */
#ifndef EXPORT_PROM_H
#define EXPORT_PROM_H

#include <stdint.h>

#include "base/buf.h"

#define PROM_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum prom_kind { PROM_COUNTER = 0, PROM_GAUGE };

struct prom_label {
	const char *name;
	const char *value;
};

/* The head of a family: HELP and TYPE. All its samples follow it. */
void prom_family(struct buf *b, const char *name, enum prom_kind kind,
		 const char *help);

/* One sample; labels end with a NULL name, or are NULL. */
void prom_u64(struct buf *b, const char *name, const struct prom_label *labels,
	      uint64_t value);
void prom_f64(struct buf *b, const char *name, const struct prom_label *labels,
	      double value);

/* A label value without its quotes, escaped. */
void prom_escape(struct buf *b, const char *value);

/* The process_* metrics of this process (/proc); those that cannot be read
 * are left out. */
void prom_process(struct buf *b);

#endif
