/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The books by interface name. An interface that was deleted and made anew
 * has another index, and books of its own in the maps; for whoever reads them
 * it is the same interface, and its totals go on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_int.h"

static void measure_add(struct asm_measure *to, const struct asm_measure *m)
{
	to->packets += m->packets;
	to->ip_bytes += m->ip_bytes;
	to->wire_bytes += m->wire_bytes;
}

static void rate_add(struct ledger_rate *to, const struct ledger_rate *r)
{
	to->packets += r->packets;
	to->ip_bytes += r->ip_bytes;
	to->wire_bytes += r->wire_bytes;
}

static void books_add(struct asm_books *to, const struct asm_books *b)
{
	measure_add(&to->seen, &b->seen);
	measure_add(&to->attributed, &b->attributed);
	measure_add(&to->unknown_as, &b->unknown_as);
	measure_add(&to->not_ip, &b->not_ip);
	measure_add(&to->truncated, &b->truncated);
	measure_add(&to->malformed, &b->malformed);
	measure_add(&to->map_full, &b->map_full);
}

/* The present one of a name is the one that can be compared. */
static void merge(struct api_port *to, const struct api_port *from)
{
	if (from->bal.ifc || (!to->bal.ifc && from->p.ifc.ifindex)) {
		to->bal = from->bal;
		to->p.ifc = from->p.ifc;
		to->p.slot = from->p.slot;
	}
	for (unsigned d = 0; d < ASM_DIRS; d++) {
		books_add(&to->p.books[d], &from->p.books[d]);
		measure_add(&to->p.rows[d], &from->p.rows[d]);
		rate_add(&to->p.last[d], &from->p.last[d]);
		rate_add(&to->p.smooth[d], &from->p.smooth[d]);
	}
}

static const struct api_iface *by_name(const struct api_ctx *ctx,
				       const char *name)
{
	for (size_t i = 0; i < ctx->n_ifaces; i++) {
		if (!strcmp(ctx->ifaces[i].name, name))
			return &ctx->ifaces[i];
	}
	return NULL;
}

size_t api_ports(const struct api_ctx *ctx, struct api_port **ret)
{
	size_t n = ledger_ports(ctx->ledger), kept = 0;
	struct api_port *v = calloc(n + 1, sizeof(*v));

	for (size_t i = 0; v && i < n; i++) {
		struct api_port *o = &v[kept];
		size_t k;

		*o = (struct api_port){0};
		ledger_port_get(ctx->ledger, i, &o->p);
		api_balance_of(ctx, &o->p, &o->bal);
		(void)snprintf(o->name, sizeof(o->name), "%s",
			       o->p.slot == ASM_IF_UNLISTED ? "unlisted"
			       : o->bal.ifc                 ? o->bal.ifc->name
							    : o->p.ifc.name);
		for (k = 0; k < kept && strcmp(v[k].name, o->name) != 0; k++)
			;
		if (k < kept)
			merge(&v[k], o);
		else
			kept++;
	}
	for (size_t i = 0; i < kept; i++)
		v[i].ifc = by_name(ctx, v[i].name);
	*ret = v;
	return kept;
}
