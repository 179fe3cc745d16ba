// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The generator's XDP program, run by BPF_PROG_TEST_RUN with live frames:
 * makes the next frame of the list and redirects it out of an interface.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define GEN_FRAMES 32768
#define GEN_HDR    160

struct gen_frame {
	__u32 len;
	__u32 hlen;
	__u8 hdr[GEN_HDR];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GEN_FRAMES);
	__type(key, __u32);
	__type(value, struct gen_frame);
} gen_frames SEC(".maps");

const volatile __u32 n_frames = 1;
const volatile __u32 out_ifindex;

__u64 next_frame; /* one thread runs this */
__u64 n_failed;

SEC("xdp")
int gen_send(struct xdp_md *ctx)
{
	__u32 at = (__u32)(next_frame % n_frames), n;
	struct gen_frame *f = bpf_map_lookup_elem(&gen_frames, &at);
	int delta;

	next_frame++;
	if (!f)
		goto fail;
	delta = (int)f->len - (int)(ctx->data_end - ctx->data);
	if (delta && bpf_xdp_adjust_tail(ctx, delta))
		goto fail;
	n = f->hlen;
	if (n < 1 || n > GEN_HDR)
		goto fail;
	if (bpf_xdp_store_bytes(ctx, 0, f->hdr, n))
		goto fail;
	return bpf_redirect(out_ifindex, 0);
fail:
	n_failed++;
	return XDP_DROP;
}

__u64 n_large; /* packets that are many frames yet to be made */

/* Somebody else's filter, which ends the chain. */
SEC("tc")
int gen_accept(struct __sk_buff *ctx)
{
	if (ctx->gso_segs > 1)
		__sync_fetch_and_add(&n_large, 1);
	return 0; /* TC_ACT_OK */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
