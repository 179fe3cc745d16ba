/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* What the first byte says (RFC 3629, section 4): the length, and the bounds
 * of the second byte, which exclude overlong forms, surrogates and what is
 * beyond U+10FFFF. */
struct lead {
	uint8_t len, min2, max2;
};

static struct lead utf8_lead(uint8_t b)
{
	if (b >= 0xc2 && b <= 0xdf)
		return (struct lead){2, (uint8_t)(b == 0xc2 ? 0xa0 : 0x80),
				     0xbf};
	if (b >= 0xe0 && b <= 0xef)
		return (struct lead){3, (uint8_t)(b == 0xe0 ? 0xa0 : 0x80),
				     (uint8_t)(b == 0xed ? 0x9f : 0xbf)};
	if (b >= 0xf0 && b <= 0xf4)
		return (struct lead){4, (uint8_t)(b == 0xf0 ? 0x90 : 0x80),
				     (uint8_t)(b == 0xf4 ? 0x8f : 0xbf)};
	return (struct lead){0, 0, 0};
}

size_t utf8_char(const char *s, size_t n)
{
	struct lead l;
	uint8_t b;

	if (n == 0)
		return 0;
	b = (uint8_t)s[0];
	if (b < 0x80)
		return b >= 0x20 && b != 0x7f;
	l = utf8_lead(b);
	if (l.len == 0 || n < l.len)
		return 0;
	if ((uint8_t)s[1] < l.min2 || (uint8_t)s[1] > l.max2)
		return 0;
	for (size_t i = 2; i < l.len; i++)
		if (((uint8_t)s[i] & 0xc0) != 0x80)
			return 0;
	return l.len;
}

bool utf8_valid(const char *s, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		len = utf8_char(s + i, n - i);
		if (len == 0)
			return false;
	}
	return true;
}

size_t utf8_clean(char *s, size_t n, size_t max)
{
	size_t out = 0;

	for (size_t i = 0; i < n;) {
		size_t len;

		if (s[i] == '\t')
			s[i] = ' ';
		len = utf8_char(s + i, n - i);
		if (len == 0) {
			i++;
			continue;
		}
		if (out + len > max)
			break;
		memmove(s + out, s + i, len);
		out += len;
		i += len;
	}
	return out;
}

void utf8_mask(char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = utf8_char(s + i, n - i);

		if (len == 0) {
			if (s[i] != '\0')
				s[i] = '?';
			len = 1;
		}
		i += len;
	}
}
