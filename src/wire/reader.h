/*
 * Bounded reading of a message's body. Reading past the end gives zeros and
 * empty slices and sets `failed`, so that a parser checks once, at its end.
 */
#ifndef CROSSFADE_WIRE_READER_H
#define CROSSFADE_WIRE_READER_H

#include "base/slice.h"

#include <stdint.h>

struct reader {
	const char *at;
	const char *end;
	bool failed;
};

static inline struct reader reader_of(struct slice body)
{
	return (struct reader){ .at = body.data, .end = body.len ? body.data + body.len : body.data };
}

static inline size_t reader_left(const struct reader *reader)
{
	return reader->at ? (size_t)(reader->end - reader->at) : 0;
}

uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
struct slice reader_bytes(struct reader *reader, size_t len);
/* Without its NUL; a missing NUL is a failure. */
struct slice reader_text(struct reader *reader);
struct slice reader_rest(struct reader *reader);

#endif
