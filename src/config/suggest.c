/*
 * Edit distance with swapped neighbours counted as one slip. Words longer
 * than any key or name are not compared.
 */
#include "config/suggest.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

enum { SUGGEST_MAX_BYTES = 128 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;
	return ab < c ? ab : c;
}

static int lower_at(const char *text, size_t at)
{
	return tolower((unsigned char)text[at]);
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][SUGGEST_MAX_BYTES + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			int x = lower_at(a, i - 1), y = lower_at(b, j - 1);
			now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower_at(b, j - 2) && y == lower_at(a, i - 2))
				now[j] = least(now[j], before[j - 2] + 1, now[j]);
		}
		size_t *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *suggest_word(const char *word, const char *const *choices, size_t count)
{
	const char *best = NULL;
	size_t len = strlen(word), best_distance = len / 3 + 1;
	if (!len || len > SUGGEST_MAX_BYTES)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t choice_len = strlen(choices[i]);
		if (choice_len > SUGGEST_MAX_BYTES || choice_len > len + best_distance ||
		    len > choice_len + best_distance)
			continue;
		size_t d = distance(word, len, choices[i], choice_len);
		if (d < len && d < best_distance + (best == NULL)) {
			best = choices[i];
			best_distance = d;
		}
	}
	return best;
}
