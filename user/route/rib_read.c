/* SPDX-License-Identifier: BSD-2-Clause */
/* What the RIB says: numbers, answers, and its prefixes in order. */
#include "route/rib_priv.h"

size_t rib_source_paths(const struct rib *rib, int src, enum family f)
{
	const struct source *s = source_at(rib, src);

	return s ? s->paths[f] : 0;
}

size_t rib_prefixes(const struct rib *rib, enum family f)
{
	return rib->set[f].n;
}

size_t rib_bytes(const struct rib *rib)
{
	return sorted_bytes(&rib->set[FAMILY_IP4]) +
	       sorted_bytes(&rib->set[FAMILY_IP6]) + pool_bytes(&rib->paths);
}

bool rib_lookup(const struct rib *rib, const struct addr *a,
		struct rib_route *ret)
{
	const struct sorted *s = &rib->set[a->family];
	struct sorted_at at;
	struct path p;

	if (!sorted_match(s, a->hi, a->lo, family_bits(a->family), &at))
		return false;
	p = is_list(*value_of(&at)) ? *path_at(rib, number_of(*value_of(&at)))
				    : place_get(&at);
	*ret = (struct rib_route){
		.prefix = sorted_prefix(s, &at),
		.attr = attr_at(rib->attrs, p.attr),
		.source = p.source,
		.since_s = p.since_s,
		.stale = p.stale,
	};
	return true;
}

static void cursor_read(struct rib_cursor *c)
{
	if (!c->at.leaf) {
		c->len = RIB_END;
		return;
	}
	c->len = c->at.leaf->len[c->at.i];
	sorted_key(&c->rib->set[c->family], &c->at, &c->hi, &c->lo);
	c->label = attr_label(c->rib->attrs,
			      value_attr(c->rib, *value_of(&c->at)));
}

void rib_seek(struct rib_cursor *c, const struct rib *rib,
	      const struct prefix *p)
{
	c->rib = rib;
	c->family = (enum family)p->family;
	sorted_seek(&rib->set[c->family], p, &c->at);
	cursor_read(c);
}

void rib_next(struct rib_cursor *c)
{
	sorted_next(&c->rib->set[c->family], &c->at);
	cursor_read(c);
}

uint32_t rib_label_over(const struct rib *rib, const struct prefix *p)
{
	struct sorted_at at;

	if (p->len == 0 ||
	    !sorted_match(&rib->set[p->family], p->hi, p->lo, p->len - 1u, &at))
		return 0;
	return attr_label(rib->attrs, value_attr(rib, *value_of(&at)));
}
