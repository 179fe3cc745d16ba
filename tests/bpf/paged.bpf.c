// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The programs as they are when no byte lies in the linear part of a packet:
 * every header is copied out. */
#define PKT_LINEAR(p, at, n) 0
#include "../../bpf/asmeter.bpf.c"
