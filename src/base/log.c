#include "base/log.h"

#include "base/buf.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOG_VALUE_MAX_BYTES = 2048 };

static _Atomic int current_level = LOG_INFO;
static _Atomic int current_format = LOG_FORMAT_LOGFMT;

static const char *const level_names[] = { "debug", "info", "warning", "error", "fatal" };

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
	atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

static bool is_plain(struct slice text)
{
	if (!text.len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
			return false;
	}
	return true;
}

static void append_quoted(struct buf *line, struct slice text)
{
	buf_append_byte(line, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		if (c == '"' || c == '\\')
			buf_printf(line, "\\%c", c);
		else if (c == '\n')
			buf_append_str(line, "\\n");
		else if (c < ' ' || c == 0x7f)
			buf_printf(line, "\\u%04x", c);
		else
			buf_append_byte(line, c);
	}
	buf_append_byte(line, '"');
}

static void append_time(struct buf *line)
{
	struct timespec now;
	struct tm utc;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
		   utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(now.tv_nsec / 1000000));
}

static void append_value(struct buf *line, const struct log_field *field, bool json)
{
	struct slice text = field->text;
	if (field->kind == LOG_KIND_SIGNED) {
		buf_printf(line, "%" PRId64, field->number);
	} else if (field->kind == LOG_KIND_UNSIGNED) {
		buf_printf(line, "%" PRIu64, (uint64_t)field->number);
	} else {
		if (text.len > LOG_VALUE_MAX_BYTES)
			text.len = LOG_VALUE_MAX_BYTES;
		if (!json && is_plain(text))
			buf_append_slice(line, text);
		else
			append_quoted(line, text);
	}
}

static void append_field(struct buf *line, const struct log_field *field, bool json)
{
	if (field->kind == LOG_KIND_TEXT && !field->text.data)
		return;
	buf_printf(line, json ? ",\"%s\":" : " %s=", field->key);
	append_value(line, field, json);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	bool json = atomic_load_explicit(&current_format, memory_order_relaxed) == LOG_FORMAT_JSON;
	struct buf line;
	buf_init(&line);
	buf_append_str(&line, json ? "{\"time\":\"" : "time=");
	append_time(&line);
	buf_printf(&line, json ? "\",\"level\":\"%s\",\"event\":\"%s\"" : " level=%s event=%s",
		   level_names[level], event);
	for (size_t i = 0; i < count; i++)
		append_field(&line, &fields[i], json);
	buf_append_str(&line, json ? "}\n" : "\n");
	ssize_t written = write(STDERR_FILENO, line.data, line.len);
	(void)written; /* nowhere left to complain */
	buf_deinit(&line);
}
