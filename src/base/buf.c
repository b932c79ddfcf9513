#include "base/buf.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_deinit(struct buf *buf)
{
	free(buf->data);
	buf_init(buf);
}

void buf_reserve(struct buf *buf, size_t more)
{
	if (more > SIZE_MAX / 2 - buf->len)
		memory_exhausted(more);
	size_t need = buf->len + more;
	if (need <= buf->capacity)
		return;
	size_t capacity = buf->capacity ? buf->capacity : 64;
	while (capacity < need)
		capacity *= 2;
	buf->data = memory_realloc(buf->data, capacity);
	buf->capacity = capacity;
}

void buf_consume(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
}

void buf_append_str(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_append_byte(struct buf *buf, uint8_t byte)
{
	buf_append(buf, &byte, 1);
}

void buf_append_u16(struct buf *buf, uint16_t value)
{
	uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };
	buf_append(buf, bytes, sizeof(bytes));
}

void buf_append_u32(struct buf *buf, uint32_t value)
{
	uint8_t bytes[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
			     (uint8_t)value };
	buf_append(buf, bytes, sizeof(bytes));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len > 0) {
		buf_reserve(buf, (size_t)len + 1);
		vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

const char *buf_cstr(struct buf *buf)
{
	buf_reserve(buf, 1);
	buf->data[buf->len] = '\0';
	return buf->data;
}
