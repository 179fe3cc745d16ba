/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

struct frame {
	struct ytree *node;
	struct ytree **tail; /* where the next entry goes */
	struct ytree *key;   /* map: key read, value awaited */
};

struct build {
	struct arena *mem;
	struct config_report *rep;
	struct frame stack[YTREE_DEPTH_MAX];
	unsigned depth;
	unsigned nodes;
	struct ytree *root;
};

void config_fault(struct config_report *rep, struct config_pos pos,
		  const char *fmt, ...)
{
	struct config_error *e;
	va_list ap;

	if (!rep)
		return;
	if (rep->n == CONFIG_ERRORS_MAX) {
		rep->held++;
		return;
	}
	e = &rep->errors[rep->n++];
	e->pos = pos;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	for (char *s = e->text; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	}
}

const char *ytree_kind_name(enum ytree_kind k)
{
	return k == YTREE_MAP    ? "a map"
	       : k == YTREE_LIST ? "a list"
				 : "a value";
}

bool ytree_is_null(const struct ytree *n)
{
	return n->kind == YTREE_SCALAR && n->plain &&
	       (!*n->text || !strcmp(n->text, "~") || !strcmp(n->text, "null"));
}

static struct config_pos pos_of(yaml_mark_t m)
{
	return (struct config_pos){(uint32_t)m.line + 1,
				   (uint32_t)m.column + 1};
}

static int fault(struct build *b, yaml_mark_t m, const char *text)
{
	config_fault(b->rep, pos_of(m), "%s", text);
	return -EINVAL;
}

/* Hangs the node below the innermost open map or list. */
static int link_node(struct build *b, struct ytree *n, yaml_mark_t m)
{
	struct frame *f;

	if (!b->depth) {
		b->root = n;
		return 0;
	}
	f = &b->stack[b->depth - 1];
	if (f->node->kind == YTREE_MAP && !f->key) {
		if (n->kind != YTREE_SCALAR)
			return fault(b, m, "a key has to be a plain word");
		f->key = n;
		return 0;
	}
	n->key = f->key;
	f->key = NULL;
	*f->tail = n;
	f->tail = &n->next;
	return 0;
}

static int add_node(struct build *b, enum ytree_kind kind, yaml_mark_t m,
		    struct ytree **ret)
{
	struct ytree *n;

	if (++b->nodes > YTREE_NODES_MAX)
		return fault(b, m, "too many values in this file");
	n = arena_alloc(b->mem, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->kind = kind;
	n->pos = pos_of(m);
	n->text = "";
	*ret = n;
	return link_node(b, n, m);
}

static bool has_control(const unsigned char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] < 0x20 || s[i] == 0x7f)
			return true;
	}
	return false;
}

static int on_scalar(struct build *b, const yaml_event_t *ev)
{
	const unsigned char *s = ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct ytree *n;
	char *text;
	int err;

	if (ev->data.scalar.anchor)
		return fault(b, ev->start_mark, "anchors are not supported");
	if (ev->data.scalar.tag)
		return fault(b, ev->start_mark, "tags are not supported");
	if (has_control(s, len))
		return fault(
			b, ev->start_mark,
			"control characters (or several lines) in a value");
	text = arena_strndup(b->mem, (const char *)s, len);
	if (!text)
		return -ENOMEM;
	err = add_node(b, YTREE_SCALAR, ev->start_mark, &n);
	if (err)
		return err;
	n->text = text;
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int on_open(struct build *b, const yaml_event_t *ev,
		   enum ytree_kind kind, const void *anchor, const void *tag)
{
	struct ytree *n;
	int err;

	if (anchor)
		return fault(b, ev->start_mark, "anchors are not supported");
	if (tag)
		return fault(b, ev->start_mark, "tags are not supported");
	if (b->depth == YTREE_DEPTH_MAX)
		return fault(b, ev->start_mark, "nested too deeply");
	err = add_node(b, kind, ev->start_mark, &n);
	if (err)
		return err;
	b->stack[b->depth++] = (struct frame){.node = n, .tail = &n->child};
	return 0;
}

static int on_event(struct build *b, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(b, ev);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, ev, YTREE_MAP, ev->data.mapping_start.anchor,
			       ev->data.mapping_start.tag);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, ev, YTREE_LIST,
			       ev->data.sequence_start.anchor,
			       ev->data.sequence_start.tag);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return 0;
	case YAML_ALIAS_EVENT:
		return fault(b, ev->start_mark,
			     "aliases (*name) are not supported; write the "
			     "value out");
	case YAML_DOCUMENT_START_EVENT:
		if (b->root)
			return fault(b, ev->start_mark,
				     "a second document starts here; one file "
				     "holds one");
		return 0;
	default:
		return 0;
	}
}

static int syntax_fault(struct build *b, const yaml_parser_t *p)
{
	yaml_mark_t m = p->problem_mark;
	const char *what = p->problem ? p->problem : "not YAML";
	const char *hint = strstr(what, "cannot start any token")
				   ? " (a tab? indent with spaces)"
				   : "";

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR)
		m = p->mark;
	config_fault(b->rep, pos_of(m), "not YAML: %s%s%s%s", what,
		     p->context ? " " : "", p->context ? p->context : "", hint);
	return -EINVAL;
}

int ytree_parse(const char *text, size_t len, struct arena *mem,
		struct config_report *rep, struct ytree **ret)
{
	struct build b = {.mem = mem, .rep = rep};
	yaml_parser_t p;
	yaml_event_t ev;
	bool end = false;
	int err = 0;

	if (!yaml_parser_initialize(&p))
		return -ENOMEM;
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	while (!err && !end) {
		if (!yaml_parser_parse(&p, &ev)) {
			err = syntax_fault(&b, &p);
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		err = on_event(&b, &ev);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	if (!err)
		*ret = b.root;
	return err;
}
