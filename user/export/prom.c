/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/prom.h"

#include <math.h>

#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void prom_escape(struct buf *b, const char *value)
{
	size_t n = strlen(value), from = 0, i = 0;

	while (i < n) {
		char c = value[i];
		size_t len = utf8_char(value + i, n - i);

		if (len && c != '\\' && c != '"') {
			i += len;
			continue;
		}
		buf_put(b, value + from, i - from);
		buf_puts(b, c == '\n'   ? "\\n"
			    : c == '"'  ? "\\\""
			    : c == '\\' ? "\\\\"
					: REPLACEMENT);
		from = ++i;
	}
	buf_put(b, value + from, n - from);
}

void prom_family(struct buf *b, const char *name, enum prom_kind kind,
		 const char *help)
{
	buf_puts(b, "# HELP ");
	buf_puts(b, name);
	buf_putc(b, ' ');
	buf_puts(b, help);
	buf_puts(b, "\n# TYPE ");
	buf_puts(b, name);
	buf_puts(b, kind == PROM_COUNTER ? " counter\n" : " gauge\n");
}

static void head(struct buf *b, const char *name,
		 const struct prom_label *labels)
{
	buf_puts(b, name);
	for (unsigned i = 0; labels && labels[i].name; i++) {
		buf_putc(b, i ? ',' : '{');
		buf_puts(b, labels[i].name);
		buf_puts(b, "=\"");
		prom_escape(b, labels[i].value);
		buf_putc(b, '"');
	}
	if (labels && labels[0].name)
		buf_putc(b, '}');
	buf_putc(b, ' ');
}

void prom_u64(struct buf *b, const char *name, const struct prom_label *labels,
	      uint64_t value)
{
	head(b, name, labels);
	buf_u64(b, value);
	buf_putc(b, '\n');
}

void prom_f64(struct buf *b, const char *name, const struct prom_label *labels,
	      double value)
{
	head(b, name, labels);
	if (isnan(value))
		buf_puts(b, "NaN\n");
	else if (isinf(value))
		buf_puts(b, value > 0 ? "+Inf\n" : "-Inf\n");
	else
		buf_printf(b, "%.17g\n", value);
}
