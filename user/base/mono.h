/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Monotonic time as a type of its own, so that it cannot be mixed up with
 * wall-clock time or with seconds. CLOCK_BOOTTIME: it also runs while the
 * machine is suspended, and no clock step moves it.
 */
#ifndef BASE_MONO_H
#define BASE_MONO_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)

struct mono {
	int64_t ns;
};

static inline struct mono mono_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct mono){(int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec};
}

/* Nanoseconds from a to b; negative when b is earlier. */
static inline int64_t mono_diff_ns(struct mono a, struct mono b)
{
	return b.ns - a.ns;
}

static inline struct mono mono_add_ns(struct mono t, int64_t ns)
{
	return (struct mono){t.ns + ns};
}

#endif
