/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Written once by log_setup() before any thread starts. */
static struct {
	enum log_level max;
	const char *ident;
	bool tty;
} g_log = {.max = LOG_LVL_INFO};

void log_setup(enum log_level max, const char *ident)
{
	g_log.max = max;
	g_log.ident = ident;
	g_log.tty = isatty(STDERR_FILENO) == 1;
}

static void scrub(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}

void log_line(enum log_level lvl, const char *fmt, ...)
{
	char text[1024], line[1200];
	va_list ap;
	int n;

	if (lvl > g_log.max)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	scrub(text);
	n = g_log.tty ? snprintf(line, sizeof(line), "%s%s%s\n",
				 g_log.ident ? g_log.ident : "",
				 g_log.ident ? ": " : "", text)
		      : snprintf(line, sizeof(line), "<%d>%s%s%s\n", (int)lvl,
				 g_log.ident ? g_log.ident : "",
				 g_log.ident ? ": " : "", text);
	if (n > 0) /* one write, so that lines of two processes never mix */
		(void)!write(STDERR_FILENO, line, (size_t)n);
}

bool log_rl_pass(struct log_rl *rl, struct mono now, uint64_t *ret_held)
{
	if (!rl->started) {
		rl->started = true;
		rl->tokens = rl->burst;
		rl->last = now;
	}
	int64_t gained = mono_diff_ns(rl->last, now) / rl->interval_ns;

	if (gained > 0) {
		rl->tokens = gained >= (int64_t)(rl->burst - rl->tokens)
				     ? rl->burst
				     : rl->tokens + (unsigned)gained;
		rl->last = mono_add_ns(rl->last, gained * rl->interval_ns);
	}
	if (rl->tokens == 0) {
		rl->held++;
		return false;
	}
	rl->tokens--;
	*ret_held = rl->held;
	rl->held = 0;
	return true;
}
