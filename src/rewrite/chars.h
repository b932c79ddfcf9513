/*
 * Runs of characters, sixteen at a time where the processor can (every x86-64
 * does): most of what the lexer looks at are the insides of words.
 */
#ifndef CROSSFADE_REWRITE_CHARS_H
#define CROSSFADE_REWRITE_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>

enum { CHARS_AT_ONCE = 16 };

static inline __m128i chars_between(__m128i chars, char first, int count)
{
	__m128i from_first = _mm_sub_epi8(chars, _mm_set1_epi8(first));
	return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8((char)(count - 1))), from_first);
}

static inline __m128i chars_load(const char *at)
{
	return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* How many of CHARS_AT_ONCE characters continue an identifier. */
static inline unsigned chars_of_word(const char *at)
{
	__m128i chars = chars_load(at), lower = _mm_or_si128(chars, _mm_set1_epi8(0x20));
	__m128i found = _mm_or_si128(chars_between(lower, 'a', 26), chars_between(chars, '0', 10));
	found = _mm_or_si128(found, _mm_cmpeq_epi8(chars, _mm_set1_epi8('_')));
	found = _mm_or_si128(found, _mm_cmpeq_epi8(chars, _mm_set1_epi8('$')));
	unsigned others = ~(unsigned)_mm_movemask_epi8(_mm_or_si128(found, chars)); /* the high bit of others says so itself */
	return (unsigned)__builtin_ctz(others | 1u << CHARS_AT_ONCE);
}

/* Copies CHARS_AT_ONCE characters, A to Z as a to z. */
static inline void chars_fold(char *to, const char *from)
{
	__m128i chars = chars_load(from);
	__m128i bit = _mm_and_si128(chars_between(chars, 'A', 26), _mm_set1_epi8(0x20));
	_mm_storeu_si128((__m128i *)(void *)to, _mm_or_si128(chars, bit));
}

static inline bool chars_have_high(const char *at)
{
	return _mm_movemask_epi8(chars_load(at)) != 0;
}
#else
enum { CHARS_AT_ONCE = 8 };

#define CHARS_ONES 0x0101010101010101u
#define CHARS_HIGH 0x8080808080808080u

static inline uint64_t chars_load(const char *at)
{
	uint64_t chars;
	__builtin_memcpy(&chars, at, sizeof(chars));
	return chars;
}

static inline unsigned chars_of_word(const char *at)
{
	unsigned count = 0;
	for (; count < CHARS_AT_ONCE; count++) {
		uint8_t c = (uint8_t)at[count], lower = c | 0x20;
		if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80))
			break;
	}
	return count;
}

static inline void chars_fold(char *to, const char *from)
{
	uint64_t chars = chars_load(from), low = chars & ~CHARS_HIGH;
	uint64_t from_a = low + (0x80 - 'A') * CHARS_ONES, beyond_z = low + (0x7F - 'Z') * CHARS_ONES;
	chars |= (from_a & ~beyond_z & ~chars & CHARS_HIGH) >> 2;
	__builtin_memcpy(to, &chars, sizeof(chars));
}

static inline bool chars_have_high(const char *at)
{
	return (chars_load(at) & CHARS_HIGH) != 0;
}
#endif

/* All of them are ASCII. */
static inline bool chars_are_plain(const char *data, size_t len)
{
	size_t i = 0;
	for (; i + CHARS_AT_ONCE <= len; i += CHARS_AT_ONCE) {
		if (chars_have_high(data + i))
			return false;
	}
	if (i < len && len > CHARS_AT_ONCE)
		return !chars_have_high(data + len - CHARS_AT_ONCE);
	for (; i < len; i++) {
		if ((uint8_t)data[i] >= 0x80)
			return false;
	}
	return true;
}

#endif
