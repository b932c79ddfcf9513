/*
 * A growable run of bytes that the holder owns: text being built, a message
 * being gathered, output that the kernel did not take yet.
 */
#ifndef CROSSFADE_BASE_BUF_H
#define CROSSFADE_BASE_BUF_H

#include "base/slice.h"

#include <stdint.h>

struct buf {
	char *data;
	size_t len;
	size_t capacity;
};

static inline void buf_init(struct buf *buf)
{
	*buf = (struct buf){ 0 };
}
void buf_deinit(struct buf *buf); /* frees; the buf may be used again */
static inline void buf_clear(struct buf *buf) /* keeps the memory */
{
	buf->len = 0;
}
void buf_reserve(struct buf *buf, size_t more); /* room for more bytes after len */
void buf_consume(struct buf *buf, size_t len);  /* drops bytes at the front */

static inline void buf_append(struct buf *buf, const void *data, size_t len)
{
	if (!len)
		return;
	if (len > buf->capacity - buf->len)
		buf_reserve(buf, len);
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}
static inline void buf_append_slice(struct buf *buf, struct slice slice)
{
	buf_append(buf, slice.data, slice.len);
}
void buf_append_str(struct buf *buf, const char *text); /* without its NUL */
void buf_append_byte(struct buf *buf, uint8_t byte);
void buf_append_u16(struct buf *buf, uint16_t value); /* network order */
void buf_append_u32(struct buf *buf, uint32_t value); /* network order */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* NUL-terminated view (the NUL is not counted in len). */
const char *buf_cstr(struct buf *buf);

static inline struct slice buf_slice(const struct buf *buf)
{
	return slice_of(buf->data, buf->len);
}

#endif
