/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of the samples: metrics and JSON. */
#include <string.h>

#include "api/api_int.h"
#include "export/prom.h"

static void one(struct buf *b, const char *name, enum prom_kind kind,
		const char *help, uint64_t v)
{
	prom_family(b, name, kind, help);
	prom_u64(b, name, NULL, v);
}

static void by_port(struct buf *b, const struct api_samples *s,
		    const char *name, enum prom_kind kind, const char *help,
		    size_t at)
{
	prom_family(b, name, kind, help);
	for (size_t i = 0; i < s->n_ports; i++) {
		const struct api_samples_port *p = &s->ports[i];

		prom_u64(b, name,
			 (struct prom_label[]){{"interface", p->name},
					       {"direction",
						api_dir_name[p->dir]},
					       {0}},
			 *(const uint64_t *)(const void *)((const char *)p +
							   at));
	}
}

#define PORT(member) offsetof(struct api_samples_port, member)

static void port_metrics(struct buf *b, const struct api_samples *s)
{
	static const char eff[] = "asmeter_samples_effective_rate";

	by_port(b, s, "asmeter_samples_taken_total", PROM_COUNTER,
		"Samples taken of packets, those lost later included.",
		PORT(taken));
	by_port(b, s, "asmeter_samples_missed_total", PROM_COUNTER,
		"Samples of the port that did not come, by gaps in their "
		"numbers, since the meter started.",
		PORT(lost));
	by_port(b, s, "asmeter_samples_rate", PROM_GAUGE,
		"One packet of so many is sampled, as configured; 0: none.",
		PORT(rate));
	prom_family(b, eff, PROM_GAUGE,
		    "Packets that a sample received in the last interval "
		    "stood for; 0: none was received.");
	for (size_t i = 0; i < s->n_ports; i++)
		prom_f64(b, eff,
			 (struct prom_label[]){{"interface", s->ports[i].name},
					       {"direction",
						api_dir_name[s->ports[i].dir]},
					       {0}},
			 s->ports[i].rate_eff);
	by_port(b, s, "asmeter_samples_estimated_packets_total", PROM_COUNTER,
		"Packets as estimated from samples and their effective rate, "
		"since the meter started.",
		PORT(est_packets));
	by_port(b, s, "asmeter_samples_counted_packets_total", PROM_COUNTER,
		"Packets counted exactly in the same time.", PORT(packets));
	by_port(b, s, "asmeter_samples_estimated_wire_bytes_total",
		PROM_COUNTER,
		"Bytes of Ethernet frames without FCS as estimated from "
		"samples.",
		PORT(est_wire_bytes));
	by_port(b, s, "asmeter_samples_counted_wire_bytes_total", PROM_COUNTER,
		"Bytes of Ethernet frames without FCS counted exactly in the "
		"same time.",
		PORT(wire_bytes));
}

void api_metrics_samples(const struct api_ctx *ctx, struct buf *b)
{
	const struct api_samples *s = &ctx->samples;
	static const char lost[] = "asmeter_samples_lost_total";

	one(b, "asmeter_samples_up", PROM_GAUGE,
	    "1 when samples have a way to the meter.", s->up);
	one(b, "asmeter_samples_received_total", PROM_COUNTER,
	    "Samples received by the meter, over its restarts.", s->received);
	one(b, "asmeter_samples_garbage_total", PROM_COUNTER,
	    "Of them: without a header that makes sense, since the meter "
	    "started.",
	    s->garbage);
	prom_family(b, lost, PROM_COUNTER,
		    "Samples taken and not received, by reason.");
	for (size_t i = 0; i < s->n_lost; i++)
		prom_u64(b, lost,
			 (struct prom_label[]){{"reason", s->lost[i].reason},
					       {0}},
			 s->lost[i].n);
	port_metrics(b, s);
}

static void port_json(const struct api_samples_port *p, struct jw *j)
{
	jw_object(j, NULL);
	jw_str(j, "interface", p->name);
	jw_str(j, "direction", api_dir_name[p->dir]);
	jw_u64(j, "rate", p->rate);
	jw_f64(j, "effective_rate", p->rate_eff);
	jw_u64(j, "taken", p->taken);
	jw_u64(j, "missed", p->lost);
	jw_u64(j, "estimated_packets", p->est_packets);
	jw_u64(j, "counted_packets", p->packets);
	jw_u64(j, "estimated_wire_bytes", p->est_wire_bytes);
	jw_u64(j, "counted_wire_bytes", p->wire_bytes);
	jw_end(j);
}

void api_json_samples(const struct api_ctx *ctx, struct jw *j)
{
	const struct api_samples *s = &ctx->samples;

	jw_object(j, "samples");
	jw_bool(j, "wanted", s->wanted);
	jw_bool(j, "up", s->up);
	jw_str(j, "error", s->error && s->error[0] ? s->error : NULL);
	jw_u64(j, "rings", s->rings);
	jw_array(j, "mirror_queues");
	for (size_t i = 0; i < s->n_rings; i++) {
		if (!s->ring[i].name[0])
			continue;
		jw_object(j, NULL);
		jw_str(j, "interface", s->ring[i].name);
		jw_bool(j, "zero_copy", s->ring[i].zerocopy);
		jw_end(j);
	}
	jw_close(j);
	jw_u64(j, "taken", s->taken);
	jw_u64(j, "received", s->received);
	jw_u64(j, "garbage", s->garbage);
	jw_object(j, "lost");
	for (size_t i = 0; i < s->n_lost; i++)
		jw_u64(j, s->lost[i].reason, s->lost[i].n);
	jw_end(j);
	jw_array(j, "ports");
	for (size_t i = 0; i < s->n_ports; i++)
		port_json(&s->ports[i], j);
	jw_close(j);
	jw_end(j);
}
