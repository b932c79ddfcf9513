/*
 * A line that matches the prefix and goes on with "LEVEL:  " begins an entry;
 * other lines belong to the entry before. PostgreSQL writes a tab in front of
 * those, but not every log shipper keeps it.
 */
#include "logs/text_log.h"

#include "base/buf.h"
#include "base/memory.h"
#include "logs/message.h"

#include <ctype.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 64 * 1024, ITEMS_MAX = 64 };

/* One piece of the prefix: an escape, or a literal character. */
struct prefix_item {
	char escape; /* 0: literal */
	char literal;
};

enum field { FIELD_USER, FIELD_DATABASE, FIELD_APPLICATION, FIELD_ADDRESS, FIELD_SESSION, FIELD_PID, FIELD_TIME, FIELD_COUNT };

struct fields {
	char texts[FIELD_COUNT][LOG_FIELD_MAX_BYTES];
};

enum entry_kind { ENTRY_NONE, ENTRY_MESSAGE, ENTRY_STATEMENT, ENTRY_DETAIL };

struct text_log {
	struct log_reader *reader;
	struct prefix_item items[ITEMS_MAX];
	size_t item_count;
	struct buf line;
	bool line_cut;
	struct buf entry; /* the message so far */
	enum entry_kind kind;
	struct fields fields; /* of the entry */
	bool cut;
	bool begun; /* an entry was seen at all */
};

static const struct {
	char escape;
	enum field field;
} known_fields[] = {
	{ 'u', FIELD_USER }, { 'd', FIELD_DATABASE }, { 'a', FIELD_APPLICATION }, { 'r', FIELD_ADDRESS },
	{ 'h', FIELD_ADDRESS }, { 'c', FIELD_SESSION }, { 'p', FIELD_PID }, { 'm', FIELD_TIME }, { 't', FIELD_TIME },
	{ 'n', FIELD_TIME },
};

/* ---- the prefix ---- */

static bool parse_prefix(struct text_log *log, const char *prefix, struct error *error_out)
{
	for (const char *at = prefix; *at; at++) {
		if (log->item_count == ITEMS_MAX) {
			error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "the log line prefix is too long");
			return false;
		}
		struct prefix_item *item = &log->items[log->item_count++];
		*item = (struct prefix_item){ 0, *at };
		if (*at != '%')
			continue;
		at++;
		while (*at == '-' || (*at >= '0' && *at <= '9')) /* padding */
			at++;
		if (!*at || !strchr("audrhbpPtmnQiecslvxq%L", *at)) {
			error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "log line prefix \"%s\": %%%c is no escape", prefix,
				  *at ? *at : ' ');
			error_hint(error_out, "Give what `SHOW log_line_prefix` says.");
			return false;
		}
		*item = (struct prefix_item){ *at == '%' ? 0 : *at, '%' };
	}
	return true;
}

static void store(struct fields *fields, char escape, const char *text, size_t len)
{
	while (len && text[len - 1] == ' ')
		len--;
	while (len && *text == ' ') {
		text++;
		len--;
	}
	for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++) {
		if (known_fields[i].escape != escape)
			continue;
		char *out = fields->texts[known_fields[i].field];
		size_t kept = len < LOG_FIELD_MAX_BYTES - 1 ? len : LOG_FIELD_MAX_BYTES - 1;
		memcpy(out, text, kept);
		out[kept] = '\0';
	}
}

/* "LOG:  " and its like; 0: none. */
static size_t level_length(struct slice text, enum entry_kind *kind_out)
{
	static const char *const levels[] = { "DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL", "PANIC",
					      "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5", "DETAIL", "HINT", "QUERY",
					      "CONTEXT", "LOCATION", "BACKTRACE", "STATEMENT" };
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		size_t len = strlen(levels[i]);
		if (text.len < len + 3 || memcmp(text.data, levels[i], len) != 0 || memcmp(text.data + len, ":  ", 3) != 0)
			continue;
		*kind_out = strcmp(levels[i], "STATEMENT") == 0 ? ENTRY_STATEMENT
			    : strcmp(levels[i], "DETAIL") == 0	 ? ENTRY_DETAIL
			    : strcmp(levels[i], "LOG") == 0	 ? ENTRY_MESSAGE
								 : ENTRY_NONE;
		return len + 3;
	}
	return 0;
}

static size_t length_of_time(const char *text, size_t len)
{
	size_t at = 0;
	int words = 0; /* date, time, zone */
	while (at < len && words < 3) {
		while (at < len && text[at] != ' ' && (isalnum((unsigned char)text[at]) || strchr("-+:./_", text[at])))
			at++;
		if (++words < 3 && at < len && text[at] == ' ')
			at++;
		else
			break;
	}
	return at;
}

/* How much of the text an escape may take at most; those of fixed form are measured. */
static size_t most_of(char escape, const char *text, size_t len)
{
	size_t at = 0;
	switch (escape) {
	case 'm':
	case 't':
	case 's':
		return length_of_time(text, len);
	case 'n':
		while (at < len && (isdigit((unsigned char)text[at]) || text[at] == '.'))
			at++;
		return at;
	case 'p': case 'P': case 'l': case 'x': case 'Q':
		while (at < len && (isdigit((unsigned char)text[at]) || text[at] == '-' || text[at] == ' '))
			at++;
		return at;
	case 'h':
	case 'r':
		while (at < len && (isalnum((unsigned char)text[at]) || (text[at] && strchr("[]().:-_%", text[at]))))
			at++;
		return at;
	case 'c':
		while (at < len && (isxdigit((unsigned char)text[at]) || text[at] == '.'))
			at++;
		return at;
	default:
		return len;
	}
}

/*
 * Matches items from `item` on against text; the rest must begin with a
 * level. Names may hold any character, so the shortest that lets the rest
 * match is taken; `steps` bounds the work.
 */
static bool match(const struct text_log *log, size_t item, struct slice text, struct fields *fields, unsigned *steps,
		  size_t *rest_out, enum entry_kind *kind_out, size_t consumed)
{
	if (!*steps)
		return false;
	--*steps;
	while (item < log->item_count && !log->items[item].escape) {
		if (!text.len || text.data[0] != log->items[item].literal)
			return false;
		text = slice_of(text.data + 1, text.len - 1);
		consumed++;
		item++;
	}
	if (item == log->item_count) {
		size_t level = level_length(text, kind_out);
		*rest_out = consumed + level;
		return level > 0;
	}
	char escape = log->items[item].escape;
	if (escape == 'q') { /* what follows is missing in lines of background processes */
		size_t level = level_length(text, kind_out);
		*rest_out = consumed + level;
		return level > 0 || match(log, item + 1, text, fields, steps, rest_out, kind_out, consumed);
	}
	size_t most = most_of(escape, text.data, text.len);
	bool is_fixed = strchr("mtsnpPlxQc", escape) != NULL;
	if (most > LOG_FIELD_MAX_BYTES)
		most = LOG_FIELD_MAX_BYTES;
	for (size_t taken = is_fixed ? most : 0; taken <= most; taken++) {
		struct slice rest = taken ? slice_of(text.data + taken, text.len - taken) : text;
		bool could = item + 1 == log->item_count || log->items[item + 1].escape ||
			     (rest.len && rest.data[0] == log->items[item + 1].literal);
		if (could && match(log, item + 1, rest, fields, steps, rest_out, kind_out, consumed + taken)) {
			store(fields, escape, text.data, taken);
			return true;
		}
	}
	/* A fixed form may have taken a space too many. */
	for (size_t taken = most; is_fixed && taken > 0; taken--) {
		struct slice rest = slice_of(text.data + taken - 1, text.len - taken + 1);
		if (match(log, item + 1, rest, fields, steps, rest_out, kind_out, consumed + taken - 1)) {
			store(fields, escape, text.data, taken - 1);
			return true;
		}
	}
	return false;
}

/* ---- entries ---- */

static const char *text_or_null(const char *text)
{
	return *text && strcmp(text, "[unknown]") != 0 ? text : NULL;
}

/* 10.0.0.1(54321), 10.0.0.1, [local] */
static const char *address_of(char *text)
{
	char *port = strchr(text, '(');
	if (port)
		*port = '\0';
	return strcmp(text, "[local]") == 0 ? "local" : text_or_null(text);
}

static void give(struct text_log *log)
{
	struct fields *fields = &log->fields;
	struct slice message = buf_slice(&log->entry), sql = message;
	bool is_end = log->kind == ENTRY_MESSAGE && log_message_is_end(message);
	if (log->kind == ENTRY_MESSAGE && !is_end && !log_message_statement(message, &sql))
		return;
	if (log->kind == ENTRY_DETAIL && !log_detail_prepare(message, &sql))
		return;
	if (log->cut) {
		log->reader->losses.cut++;
		return;
	}
	const char *session = *fields->texts[FIELD_SESSION] ? fields->texts[FIELD_SESSION] : fields->texts[FIELD_PID];
	struct log_record record = {
		.sql = is_end ? slice_of("", 0) : sql,
		.user = text_or_null(fields->texts[FIELD_USER]),
		.database = text_or_null(fields->texts[FIELD_DATABASE]),
		.application = text_or_null(fields->texts[FIELD_APPLICATION]),
		.address = address_of(fields->texts[FIELD_ADDRESS]),
		.session = log_session_hash(session),
		.time_ms = log_time_ms(fields->texts[FIELD_TIME]),
		.count = 1,
		.failed = log->kind == ENTRY_STATEMENT,
		.ends = is_end,
		.prepared = log->kind == ENTRY_DETAIL,
	};
	log->reader->record(log->reader->context, &record);
}

static void end_entry(struct text_log *log)
{
	if (log->kind != ENTRY_NONE)
		give(log);
	log->kind = ENTRY_NONE;
	log->cut = false;
	buf_clear(&log->entry);
}

static void append(struct text_log *log, struct slice text)
{
	if (log->kind == ENTRY_NONE)
		return;
	if (log->entry.len + text.len > LOG_STATEMENT_MAX_BYTES)
		log->cut = true;
	else
		buf_append_slice(&log->entry, text);
}

static void take_line(struct text_log *log, struct slice line)
{
	struct fields fields = { 0 };
	enum entry_kind kind;
	size_t rest = 0;
	unsigned steps = 4096;
	bool is_continuation = line.len && line.data[0] == '\t';
	if (!is_continuation && match(log, 0, line, &fields, &steps, &rest, &kind, 0)) {
		end_entry(log);
		log->begun = true;
		log->kind = kind;
		log->fields = fields;
		append(log, slice_of(line.data + rest, line.len - rest));
		return;
	}
	if (!log->begun) {
		log->reader->losses.unreadable++;
		return;
	}
	append(log, slice_str("\n"));
	append(log, is_continuation ? slice_of(line.data + 1, line.len - 1) : line);
}

/* A long line goes on as if it were continued; only its beginning can be an entry's. */
static void flush_line(struct text_log *log, bool complete)
{
	struct slice line = buf_slice(&log->line);
	if (complete && line.len && line.data[line.len - 1] == '\r')
		line.len--;
	if (log->line_cut)
		append(log, line);
	else
		take_line(log, line);
	log->line_cut = !complete;
	buf_clear(&log->line);
}

void text_log_feed(struct text_log *log, struct slice bytes)
{
	while (bytes.len) {
		const char *newline = memchr(bytes.data, '\n', bytes.len);
		size_t len = newline ? (size_t)(newline - bytes.data) : bytes.len;
		size_t room = LINE_MAX_BYTES - log->line.len;
		size_t taken = len < room ? len : room;
		buf_append(&log->line, bytes.data, taken);
		bool ended = newline && taken == len;
		if (ended || log->line.len == LINE_MAX_BYTES)
			flush_line(log, ended);
		taken += ended;
		bytes = slice_of(bytes.data + taken, bytes.len - taken);
	}
}

void text_log_end(struct text_log *log)
{
	if (log->line.len || log->line_cut)
		flush_line(log, true);
	end_entry(log);
}

bool text_log_new(const char *prefix, struct log_reader *reader, struct text_log **log_out, struct error *error_out)
{
	struct text_log *log = memory_zalloc(sizeof(*log));
	log->reader = reader;
	buf_init(&log->line);
	buf_init(&log->entry);
	if (!parse_prefix(log, prefix, error_out)) {
		text_log_free(log);
		return false;
	}
	*log_out = log;
	return true;
}

void text_log_free(struct text_log *log)
{
	if (!log)
		return;
	buf_deinit(&log->line);
	buf_deinit(&log->entry);
	free(log);
}
