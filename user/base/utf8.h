/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text that somebody else wrote, made fit to be shown: valid UTF-8 (RFC 3629)
 * without control characters.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes (1..4) of the character at s, n bytes being there; 0 when
 * it is not well-formed, or is a control character (C0, DEL, C1). */
size_t utf8_char(const char *s, size_t n);

/* All n bytes are such characters. */
bool utf8_valid(const char *s, size_t n);

/* Removes in place what utf8_char() rejects; a tab becomes a space. Returns
 * the new length, at most max, cut between characters. Adds no NUL. */
size_t utf8_clean(char *s, size_t n, size_t max);

/* Overwrites in place what utf8_char() rejects with '?', NUL bytes excepted;
 * the length stays. */
void utf8_mask(char *s, size_t n);

#endif
