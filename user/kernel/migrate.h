/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From pinned maps of other sizes or of another release (asmeter/abi.h) to new
 * ones, with nothing lost: what kern_load() does when it finds others than it
 * needs.
 *
 * Interfaces, AS indexes and, when its size stays, the prefix table are the
 * same maps before and after. The new programs write to bank 0 of the new maps
 * from their first packet on. Nobody flips the bank before a meter runs, so
 * bank 1 and asm_past are the keeper's: it writes there, as absolute numbers,
 * what the old maps held when the last old program had ended. That includes an
 * asm_past which is not theirs: a release that does not know it, and was gone
 * back to, has moved the rows and left it where it was. Every step can be done
 * again after a crash:
 *
 *   1. the new maps get the table, and are pinned aside
 *   2. new programs behind every link, one grace period
 *   3. the totals into asm_past and bank 1, then asm_state.moved = 1
 *   4. the pins exchanged, the ones aside removed
 */
#ifndef KERNEL_MIGRATE_H
#define KERNEL_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asmeter/abi.h"

/* Whether the rows of pinned maps are not as programs and readers of this
 * release need them: they are of another one, or damaged. Looks at each row. 0
 * or -errno. */
int migrate_is_due(const int fds[ASM_MAP_COUNT], bool *ret);

/* Step 1, into maps that nobody uses yet: what asm_state knows, and the prefix
 * table, when it is another map and what is in use fits (else it is left
 * empty). Checks that the pairs have room: -ENOSPC, and *ret_rows is how many
 * rows they need. 0 or -errno. */
int migrate_prepare(const int from[ASM_MAP_COUNT], const int to[ASM_MAP_COUNT],
		    uint32_t *ret_rows);

/* Step 3. Nobody writes to `from` any more. */
int migrate_totals(const int from[ASM_MAP_COUNT], const int to[ASM_MAP_COUNT],
		   uint32_t *ret_rows);

#endif
