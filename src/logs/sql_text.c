/* States of a scanner that only knows where a statement may not end. */
#include "logs/sql_text.h"

#include "base/buf.h"
#include "base/memory.h"
#include "logs/message.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum state { STATE_CODE, STATE_LINE_COMMENT, STATE_COMMENT, STATE_STRING, STATE_ESCAPES, STATE_QUOTED, STATE_DOLLAR,
	     STATE_BACKSLASH, STATE_COPY_DATA };

enum { TAG_MAX_BYTES = 66 };

struct sql_text {
	struct log_reader *reader;
	char *application;
	struct buf statement;
	bool cut;
	enum state state;
	char last; /* the byte before */
	bool escaped; /* the one before was a backslash that counts */
	enum state closed; /* what the quote before us closed; a doubled one opens it again */
	bool sends; /* \g and its like: psql sends what it has */
	bool at_command;
	bool at_line_start;
	unsigned comment_depth;
	int atomic; /* BEGIN ATOMIC … END: semicolons inside end nothing */
	char tag[TAG_MAX_BYTES]; /* of the dollar quote we are in, with both dollars */
	size_t tag_len;
	char word[TAG_MAX_BYTES]; /* the word being read */
	size_t word_len;
	char before[TAG_MAX_BYTES]; /* the word before it */
	bool has_words;
	struct buf line; /* COPY data: the beginning of a line */
};

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static void put(struct sql_text *t, char c)
{
	if (t->statement.len >= LOG_STATEMENT_MAX_BYTES)
		t->cut = true;
	else
		buf_append_byte(&t->statement, (uint8_t)c);
}

/* ---- a statement ---- */

static bool contains(struct slice text, const char *word)
{
	size_t len = strlen(word);
	for (size_t i = 0; i + len <= text.len; i++) {
		if (strncasecmp(text.data + i, word, len) == 0)
			return true;
	}
	return false;
}

static bool starts_copy(struct slice text)
{
	while (text.len && isspace((unsigned char)text.data[0]))
		text = slice_of(text.data + 1, text.len - 1);
	return text.len > 5 && strncasecmp(text.data, "copy ", 5) == 0;
}

/* The statements of a file run one after the other, in one session. */
static void give(struct sql_text *t, struct slice sql, bool ends)
{
	struct log_record record = { .sql = sql, .application = t->application, .count = 1, .ends = ends,
				     .session = log_session_hash(t->application) };
	t->reader->record(t->reader->context, &record);
}

static void end_statement(struct sql_text *t)
{
	struct slice sql = buf_slice(&t->statement);
	bool is_copy = starts_copy(sql) && contains(sql, "from stdin");
	if (t->cut)
		t->reader->losses.cut++;
	else if (t->has_words)
		give(t, sql, false);
	buf_clear(&t->statement);
	t->cut = t->has_words = false;
	t->atomic = 0;
	t->before[0] = '\0';
	t->state = is_copy ? STATE_COPY_DATA : STATE_CODE;
}

static void end_word(struct sql_text *t)
{
	if (!t->word_len)
		return;
	t->word[t->word_len] = '\0';
	if (strcasecmp(t->word, "atomic") == 0 && strcasecmp(t->before, "begin") == 0)
		t->atomic = 1;
	else if (t->atomic && strcasecmp(t->word, "case") == 0)
		t->atomic++;
	else if (t->atomic && strcasecmp(t->word, "end") == 0)
		t->atomic--;
	memcpy(t->before, t->word, t->word_len + 1);
	t->word_len = 0;
	t->has_words = true;
}

/* ---- bytes ---- */

/* The beginning of a dollar quote: $, a tag, $. Only called at the second dollar. */
static bool opens_dollar(struct sql_text *t)
{
	size_t len = t->statement.len, start = len;
	const char *data = t->statement.data;
	if (len < 2 || t->cut)
		return false;
	for (start = len - 1; start > 0 && data[start - 1] != '$';) {
		start--;
		if (!is_word_byte(data[start]))
			return false;
	}
	if (start == 0 || len - start + 1 >= TAG_MAX_BYTES)
		return false;
	start--;
	/* a$b$ is one identifier, $1$ no tag */
	if ((start > 0 && is_word_byte(data[start - 1])) || isdigit((unsigned char)data[start + 1]))
		return false;
	t->tag_len = len - start;
	memcpy(t->tag, data + start, t->tag_len);
	return true;
}

static void take_code(struct sql_text *t, char c)
{
	if (c == '\\' && (t->at_line_start || !is_word_byte(t->last))) {
		end_word(t);
		t->state = STATE_BACKSLASH;
		t->at_command = true;
		return;
	}
	if (is_word_byte(c)) {
		if (t->word_len < TAG_MAX_BYTES - 1)
			t->word[t->word_len++] = c;
	} else {
		bool prefix = t->word_len == 1 && (t->word[0] == 'e' || t->word[0] == 'E');
		bool again = t->last == '\'' && t->closed == STATE_ESCAPES;
		end_word(t);
		if (c == '\'')
			t->state = prefix || again ? STATE_ESCAPES : STATE_STRING;
	}
	put(t, c);
	if (c == '"') {
		t->state = STATE_QUOTED;
	} else if (c == '-' && t->last == '-') {
		t->state = STATE_LINE_COMMENT;
	} else if (c == '*' && t->last == '/') {
		t->state = STATE_COMMENT;
		t->comment_depth = 1;
		c = '\0';
	} else if (c == '$' && opens_dollar(t)) {
		t->state = STATE_DOLLAR;
		t->word_len = 0;
	} else if (c == ';' && !t->atomic) {
		end_statement(t);
	}
	t->last = c;
}

static void take_comment(struct sql_text *t, char c)
{
	put(t, c);
	bool opens = c == '*' && t->last == '/', closes = c == '/' && t->last == '*';
	t->comment_depth += opens;
	t->comment_depth -= closes;
	t->last = opens || closes ? '\0' : c;
	if (!t->comment_depth)
		t->state = STATE_CODE;
}

static void take_string(struct sql_text *t, char c)
{
	put(t, c);
	if (t->state == STATE_ESCAPES && t->escaped) {
		t->escaped = false;
	} else if (t->state == STATE_ESCAPES && c == '\\') {
		t->escaped = true;
	} else if (c == (t->state == STATE_QUOTED ? '"' : '\'')) {
		t->closed = t->state;
		t->state = STATE_CODE;
		t->has_words = true;
	}
	t->last = c;
}

static void take_dollar(struct sql_text *t, char c)
{
	put(t, c);
	size_t len = t->statement.len;
	if (c == '$' && !t->cut && len >= 2 * t->tag_len && memcmp(t->statement.data + len - t->tag_len, t->tag, t->tag_len) == 0)
		t->state = STATE_CODE;
	t->last = c;
}

/* \. alone in a line ends the data. */
static void take_data(struct sql_text *t, char c)
{
	if (c != '\n') {
		if (t->line.len < 4 && c != '\r')
			buf_append_byte(&t->line, (uint8_t)c);
		return;
	}
	if (slice_is(buf_slice(&t->line), "\\."))
		t->state = STATE_CODE;
	buf_clear(&t->line);
}

static void take_command(struct sql_text *t, char c)
{
	if (t->at_command)
		t->sends = c == 'g';
	t->at_command = false;
	if (c != '\n')
		return;
	t->state = STATE_CODE;
	t->last = c;
	if (t->sends)
		end_statement(t);
}

static void take(struct sql_text *t, char c)
{
	switch (t->state) {
	case STATE_CODE:
		take_code(t, c);
		break;
	case STATE_LINE_COMMENT:
		put(t, c);
		t->last = c;
		if (c == '\n')
			t->state = STATE_CODE;
		break;
	case STATE_COMMENT:
		take_comment(t, c);
		break;
	case STATE_STRING:
	case STATE_ESCAPES:
	case STATE_QUOTED:
		take_string(t, c);
		break;
	case STATE_DOLLAR:
		take_dollar(t, c);
		break;
	case STATE_BACKSLASH:
		take_command(t, c);
		break;
	case STATE_COPY_DATA:
		take_data(t, c);
		break;
	}
	t->at_line_start = c == '\n';
}

void sql_text_feed(struct sql_text *text, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		take(text, bytes.data[i]);
}

/* A last statement needs no semicolon, but an open quote means that something is missing. */
void sql_text_end(struct sql_text *text)
{
	bool is_open = text->state == STATE_STRING || text->state == STATE_ESCAPES || text->state == STATE_QUOTED ||
		       text->state == STATE_DOLLAR || text->state == STATE_COMMENT;
	end_word(text);
	if (is_open)
		text->reader->losses.cut++;
	else if (text->state != STATE_COPY_DATA)
		end_statement(text);
	give(text, slice_of("", 0), true);
}

struct sql_text *sql_text_new(const char *application, struct log_reader *reader)
{
	struct sql_text *text = memory_zalloc(sizeof(*text));
	text->reader = reader;
	text->application = memory_strdup(application);
	text->at_line_start = true;
	buf_init(&text->statement);
	buf_init(&text->line);
	return text;
}

void sql_text_free(struct sql_text *text)
{
	if (!text)
		return;
	buf_deinit(&text->statement);
	buf_deinit(&text->line);
	free(text->application);
	free(text);
}
