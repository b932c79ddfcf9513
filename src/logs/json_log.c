#include "logs/json_log.h"

#include "base/buf.h"
#include "base/memory.h"
#include "logs/message.h"

#include <jansson.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 2 * LOG_STATEMENT_MAX_BYTES };

struct json_log {
	struct log_reader *reader;
	struct buf line;
	bool cut;
};

static const char *text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool statement_of(const json_t *object, struct log_record *record)
{
	const char *severity = text_at(object, "error_severity"), *message = text_at(object, "message");
	if (!severity || !message)
		return false;
	if (strcmp(severity, "LOG") == 0) {
		record->ends = log_message_is_end(slice_str(message));
		return record->ends || log_message_statement(slice_str(message), &record->sql);
	}
	record->sql = slice_str(text_at(object, "statement"));
	record->failed = true;
	bool is_error = strcmp(severity, "ERROR") == 0 || strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
	return is_error && record->sql.len;
}

static const char *address_of(const json_t *object)
{
	const char *host = text_at(object, "remote_host");
	return host && strcmp(host, "[local]") == 0 ? "local" : host;
}

static void give(struct json_log *log, const json_t *object, struct log_record *record)
{
	log->reader->record(log->reader->context, record);
	record->prepared = !record->failed && log_detail_prepare(slice_str(text_at(object, "detail")), &record->sql);
	if (record->prepared)
		log->reader->record(log->reader->context, record);
}

static void take_line(struct json_log *log)
{
	struct log_record record = { .sql = slice_of("", 0), .count = 1 };
	json_t *object = json_loadb(log->line.data, log->line.len, 0, NULL);
	const char *time = json_is_object(object) ? text_at(object, "timestamp") : NULL;
	if (!time) {
		log->reader->losses.unreadable++;
	} else if (statement_of(object, &record)) {
		record.time_ms = log_time_ms(time);
		record.user = text_at(object, "user");
		record.database = text_at(object, "dbname");
		record.application = text_at(object, "application_name");
		record.address = address_of(object);
		record.session = log_session_hash(text_at(object, "session_id"));
		if (record.sql.len > LOG_STATEMENT_MAX_BYTES)
			log->reader->losses.cut++;
		else
			give(log, object, &record);
	}
	json_decref(object);
}

static void end_line(struct json_log *log)
{
	if (log->cut)
		log->reader->losses.cut++;
	else if (log->line.len)
		take_line(log);
	buf_clear(&log->line);
	log->cut = false;
}

void json_log_feed(struct json_log *log, struct slice bytes)
{
	while (bytes.len) {
		const char *newline = memchr(bytes.data, '\n', bytes.len);
		size_t len = newline ? (size_t)(newline - bytes.data) : bytes.len;
		if (log->line.len + len > LINE_MAX_BYTES)
			log->cut = true;
		if (!log->cut)
			buf_append(&log->line, bytes.data, len);
		if (newline)
			end_line(log);
		len += newline != NULL;
		bytes = slice_of(bytes.data + len, bytes.len - len);
	}
}

void json_log_end(struct json_log *log)
{
	end_line(log);
}

struct json_log *json_log_new(struct log_reader *reader)
{
	struct json_log *log = memory_zalloc(sizeof(*log));
	log->reader = reader;
	buf_init(&log->line);
	return log;
}

void json_log_free(struct json_log *log)
{
	if (!log)
		return;
	buf_deinit(&log->line);
	free(log);
}
