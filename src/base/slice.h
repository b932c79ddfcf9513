/* A borrowed run of bytes. Whoever hands one out says how long it lives. */
#ifndef CROSSFADE_BASE_SLICE_H
#define CROSSFADE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data;
	size_t len;
};

static inline struct slice slice_of(const char *data, size_t len)
{
	return (struct slice){ data, len };
}

static inline struct slice slice_str(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_eq(a, slice_str(text));
}

#endif
