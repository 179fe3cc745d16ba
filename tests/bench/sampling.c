/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs to see that a packet is no sample (sampling_rival.bpf.c).
 */
#include "asmeter/abi.h"

#include "bench.h"
#include "sampling_rival.skel.h"

#define BATCH 32
#define RUNS  500000u

static double run(const struct bpf_program *prog)
{
	const uint8_t frame[64] = {0};

	return test_run(bpf_program__fd(prog), frame, sizeof(frame), RUNS) /
	       BATCH;
}

static void row(const struct sampling_rival_bpf *s, struct rounds *r,
		const struct bpf_program *ours, const char *note)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		double h = run(s->progs.base);
		double o = run(ours) - h;

		round_share(r, o, run(s->progs.rival) - h);
	}
	row_print(r, false, "%s", note);
}

int main(void)
{
	struct rounds r = {.name = "sampling decision",
			   .unit = "ns",
			   .goal = AT_MOST(0.1, 0.25)};
	struct sampling_rival_bpf *s = sampling_rival_bpf__open();
	uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();

	bench_start();
	if (!s)
		die("open");
	s->rodata->cfg.n_cpus = cpus;
	if (bpf_map__set_max_entries(s->maps.asm_sampler,
				     cpus * ASM_PORT_SLOTS * ASM_DIRS) ||
	    sampling_rival_bpf__load(s))
		die("load");
	row(s, &r, s->progs.ours, "a packet that is none, vs prandom % N");
	r.name = "sampling decision, one port, chained";
	r.goal = NO_GOAL;
	row(s, &r, s->progs.ours_chained, "each waits for the one before");
	sampling_rival_bpf__destroy(s);
	return 0;
}
