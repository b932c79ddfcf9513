#include "logs/csv_log.h"

#include "base/buf.h"
#include "base/memory.h"
#include "logs/message.h"

#include <ctype.h>
#include <stdlib.h>

/* The columns of csvlog that tell something; later versions have more behind them. */
enum column {
	COLUMN_TIME = 0,
	COLUMN_USER = 1,
	COLUMN_DATABASE = 2,
	COLUMN_ADDRESS = 4,
	COLUMN_SESSION = 5,
	COLUMN_SEVERITY = 11,
	COLUMN_MESSAGE = 13,
	COLUMN_DETAIL = 14,
	COLUMN_QUERY = 19,
	COLUMN_APPLICATION = 22,
	COLUMN_KEPT = 23,
};

enum place { PLACE_START, PLACE_PLAIN, PLACE_QUOTED, PLACE_QUOTE_IN_QUOTED };

struct csv_log {
	struct log_reader *reader;
	enum place place;
	size_t column;
	struct buf fields[COLUMN_KEPT];
	bool cut;
	bool lost; /* what came before makes no sense: up to the next line that begins like one */
	size_t row_bytes;
};

static bool is_long(size_t column)
{
	return column == COLUMN_MESSAGE || column == COLUMN_DETAIL || column == COLUMN_QUERY;
}

static bool is_kept(size_t column)
{
	static const enum column kept[] = { COLUMN_TIME, COLUMN_USER, COLUMN_DATABASE, COLUMN_ADDRESS, COLUMN_SESSION,
					    COLUMN_SEVERITY, COLUMN_MESSAGE, COLUMN_DETAIL, COLUMN_QUERY,
					    COLUMN_APPLICATION };
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (kept[i] == column)
			return true;
	}
	return false;
}

static void add(struct csv_log *log, const char *data, size_t len)
{
	log->row_bytes += len;
	if (log->column >= COLUMN_KEPT || !is_kept(log->column))
		return;
	struct buf *field = &log->fields[log->column];
	size_t most = is_long(log->column) ? LOG_STATEMENT_MAX_BYTES : LOG_FIELD_MAX_BYTES - 1;
	if (field->len + len > most) {
		log->cut |= log->column == COLUMN_MESSAGE || log->column == COLUMN_QUERY;
		len = most - field->len;
	}
	buf_append(field, data, len);
}

static const char *text_at(struct csv_log *log, enum column column)
{
	return log->fields[column].len ? buf_cstr(&log->fields[column]) : NULL;
}

/* 10.0.0.1:54321, [::1]:5432 as ::1:5432, [local] */
static const char *address_of(struct csv_log *log)
{
	if (!log->fields[COLUMN_ADDRESS].len)
		return NULL;
	char *text = (char *)buf_cstr(&log->fields[COLUMN_ADDRESS]);
	if (strcmp(text, "[local]") == 0)
		return "local";
	char *port = strrchr(text, ':');
	if (port)
		*port = '\0';
	return text;
}

/* An entry with `query` quotes what the client sent; the others have it in their message. */
static bool statement_of(struct csv_log *log, struct log_record *record)
{
	const char *severity = text_at(log, COLUMN_SEVERITY);
	struct slice message = buf_slice(&log->fields[COLUMN_MESSAGE]);
	if (severity && strcmp(severity, "LOG") == 0) {
		record->ends = log_message_is_end(message);
		return record->ends || log_message_statement(message, &record->sql);
	}
	record->failed = true;
	record->sql = buf_slice(&log->fields[COLUMN_QUERY]);
	bool is_error = severity && (strcmp(severity, "ERROR") == 0 || strcmp(severity, "FATAL") == 0 ||
				     strcmp(severity, "PANIC") == 0);
	return is_error && record->sql.len;
}

static void give(struct csv_log *log)
{
	const char *time = text_at(log, COLUMN_TIME);
	struct log_record record = { .sql = slice_of("", 0), .time_ms = time ? log_time_ms(time) : 0, .count = 1 };
	if (log->column < COLUMN_QUERY || !record.time_ms) {
		log->reader->losses.unreadable += log->row_bytes > 0;
		return;
	}
	if (!statement_of(log, &record))
		return;
	if (log->cut) {
		log->reader->losses.cut++;
		return;
	}
	record.user = text_at(log, COLUMN_USER);
	record.database = text_at(log, COLUMN_DATABASE);
	record.application = text_at(log, COLUMN_APPLICATION);
	record.address = address_of(log);
	record.session = log_session_hash(text_at(log, COLUMN_SESSION));
	log->reader->record(log->reader->context, &record);
	struct slice detail = buf_slice(&log->fields[COLUMN_DETAIL]);
	record.prepared = !record.failed && log_detail_prepare(detail, &record.sql);
	if (record.prepared && detail.len < LOG_STATEMENT_MAX_BYTES)
		log->reader->record(log->reader->context, &record);
}

static void next_row(struct csv_log *log)
{
	for (size_t i = 0; i < COLUMN_KEPT; i++)
		buf_clear(&log->fields[i]);
	log->column = 0;
	log->cut = false;
	log->row_bytes = 0;
	log->place = PLACE_START;
}

static void end_row(struct csv_log *log)
{
	if (log->row_bytes || log->column)
		give(log);
	next_row(log);
}

static void take_byte(struct csv_log *log, char c)
{
	if (log->place == PLACE_QUOTE_IN_QUOTED) {
		log->place = c == '"' ? PLACE_QUOTED : PLACE_PLAIN;
		if (c == '"') {
			add(log, &c, 1);
			return;
		}
	}
	if (log->place == PLACE_QUOTED && c == '"') {
		log->place = PLACE_QUOTE_IN_QUOTED;
	} else if (log->place == PLACE_QUOTED) {
		add(log, &c, 1);
	} else if (c == '\n') {
		end_row(log);
	} else if (c == ',') {
		log->column++;
		log->place = PLACE_START;
	} else if (c == '"' && log->place == PLACE_START) {
		log->place = PLACE_QUOTED;
		log->row_bytes++;
	} else if (c != '\r') {
		log->place = PLACE_PLAIN;
		add(log, &c, 1);
	}
}

/* A run without anything special, which most bytes are. */
static size_t plain_run(const struct csv_log *log, struct slice bytes)
{
	size_t len = 0;
	if (log->place == PLACE_QUOTED) {
		const char *quote = memchr(bytes.data, '"', bytes.len);
		return quote ? (size_t)(quote - bytes.data) : bytes.len;
	}
	if (log->place == PLACE_PLAIN) {
		while (len < bytes.len && !strchr(",\n\r\"", bytes.data[len]) && bytes.data[len])
			len++;
	}
	return len;
}

/*
 * A log that begins in the middle of a row, or lost a quote, would be read
 * inside out: a quoted field that grows beyond every limit ends the row, and
 * the next line is looked at afresh.
 */
static bool is_runaway(const struct csv_log *log)
{
	return log->row_bytes > 4 * (size_t)LOG_STATEMENT_MAX_BYTES;
}

void csv_log_feed(struct csv_log *log, struct slice bytes)
{
	while (bytes.len) {
		if (log->lost) {
			const char *newline = memchr(bytes.data, '\n', bytes.len);
			size_t skipped = newline ? (size_t)(newline - bytes.data) + 1 : bytes.len;
			log->lost = !newline;
			bytes = slice_of(bytes.data + skipped, bytes.len - skipped);
			continue;
		}
		size_t run = plain_run(log, bytes);
		if (run)
			add(log, bytes.data, run);
		else
			take_byte(log, bytes.data[0]);
		run += !run;
		bytes = slice_of(bytes.data + run, bytes.len - run);
		if (is_runaway(log)) {
			log->reader->losses.cut++;
			next_row(log);
			log->lost = true;
		}
	}
}

void csv_log_end(struct csv_log *log)
{
	if (log->place == PLACE_QUOTED)
		log->reader->losses.cut++; /* the rest is missing */
	else
		end_row(log);
	next_row(log);
}

struct csv_log *csv_log_new(struct log_reader *reader)
{
	struct csv_log *log = memory_zalloc(sizeof(*log));
	log->reader = reader;
	for (size_t i = 0; i < COLUMN_KEPT; i++)
		buf_init(&log->fields[i]);
	return log;
}

void csv_log_free(struct csv_log *log)
{
	if (!log)
		return;
	for (size_t i = 0; i < COLUMN_KEPT; i++)
		buf_deinit(&log->fields[i]);
	free(log);
}
