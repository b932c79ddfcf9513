/*
 * The head that every message after the startup packet has: one type byte and
 * a length that counts itself but not the type.
 */
#ifndef CROSSFADE_WIRE_FRAME_H
#define CROSSFADE_WIRE_FRAME_H

#include "base/buf.h"

enum { FRAME_HEAD_BYTES = 5 };

struct frame {
	uint8_t type;
	size_t size; /* of the whole message, type included; < FRAME_HEAD_BYTES: invalid */
};

/* data holds at least FRAME_HEAD_BYTES. */
static inline struct frame frame_peek(const char *data)
{
	const uint8_t *p = (const uint8_t *)data;
	uint32_t length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	return (struct frame){ .type = p[0], .size = (size_t)length + 1 };
}

static inline bool frame_valid(struct frame frame)
{
	return frame.size >= FRAME_HEAD_BYTES && frame.size <= (size_t)INT32_MAX;
}

/* What follows the head; all of the message must be there. */
static inline struct slice frame_body(const char *data, struct frame frame)
{
	return slice_of(data + FRAME_HEAD_BYTES, frame.size - FRAME_HEAD_BYTES);
}

/* Building: frame_begin … append the body … frame_end with what begin gave. */
size_t frame_begin(struct buf *out, uint8_t type);
void frame_end(struct buf *out, size_t begin);
void frame_append(struct buf *out, uint8_t type, struct slice body);

#endif
