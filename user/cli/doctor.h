/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings of `asmeter doctor`. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/cli.h"

enum finding_level { FOUND_OK = 0, FOUND_NOTE, FOUND_WARN, FOUND_FAULT };

struct finding {
	enum finding_level level;
	char topic[24];
	char text[400];
	char cure[400]; /* "" when there is nothing to do */
};

struct findings {
	struct finding *v;
	size_t n, cap;
};

/* A finding without a cure, and what to do about the one added last. */
void found(struct findings *f, enum finding_level level, const char *topic,
	   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void found_cure(struct findings *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* doctor_host.c: the machine. doctor_iface.c: interfaces and pins. */
void doctor_host(struct findings *f);
void doctor_interface(struct findings *f, const char *name);
/* Every interface that is attached. */
void doctor_attached(struct findings *f);
void doctor_pins(struct findings *f);

/* The driver has native XDP, as far as is known. */
bool doctor_driver_has_xdp(const char *driver);

#endif
