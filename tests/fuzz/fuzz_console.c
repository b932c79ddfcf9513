/* The console: everything that a client can send, before and after its login. */
#include "admin/console_talk.h"
#include "fuzz.h"

#include <stdlib.h>

enum { OUT_MAX_BYTES = 64 << 20 };

struct place {
	struct console_talk *talk;
};

static enum console_role admit(void *context, const char *user, bool proved, struct error *error_out)
{
	if (user[0] == 's' && !proved)
		return CONSOLE_ASKED;
	if (user[0] == 'x') {
		error_set(error_out, "28000", "not you");
		return CONSOLE_NOBODY;
	}
	return user[0] == 'v' ? CONSOLE_VIEWER : CONSOLE_ADMIN;
}

static void verifier(void *context, const char *user, struct scram_verifier *verifier_out, bool *doomed_out)
{
	*verifier_out = (struct scram_verifier){ .iterations = 4096, .salt_len = 16 };
	*doomed_out = user[1] == 'd';
}

static void put(struct console_result *result, enum rows_type type, int row)
{
	switch (type) {
	case ROWS_TEXT: console_put_text(result, row ? "text" : NULL); break;
	case ROWS_INT8: console_put_number(result, -row); break;
	case ROWS_BOOL: console_put_bool(result, row); break;
	case ROWS_TIMESTAMPTZ: console_put_time(result, row * INT64_C(1700000000123)); break;
	}
}

static bool run(void *context, const struct console_request *request, struct console_result *result,
		struct error *error_out)
{
	struct place *place = context;
	struct error notice;
	if (request->table.name && strlen(request->table.name) > CONSOLE_MESSAGE_MAX_BYTES)
		abort();
	if (request->force && !request->reason)
		abort();
	error_set(&notice, "00000", "at work");
	console_talk_notice(place->talk, "INFO", &notice);
	for (int row = 0; row < 3; row++) {
		for (size_t i = 0; i < result->column_count; i++)
			put(result, result->columns[i].type, row);
	}
	error_set(error_out, "XX000", "did not work");
	return request->verb != CONSOLE_PAUSE;
}

static void flush(void *context)
{
	struct place *place = context;
	struct buf *out = console_talk_out(place->talk);
	if (out->len > OUT_MAX_BYTES)
		abort();
	buf_clear(out);
}

static void cancel(void *context, uint32_t pid, uint32_t key)
{
}

/* In pieces, as a network brings them; what is left is given again with more. */
static void feed(struct console_talk *talk, const char *data, size_t size, size_t piece)
{
	size_t at = 0, end = 0;
	while (end < size && !console_talk_ended(talk)) {
		end = end + piece < size ? end + piece : size;
		size_t taken = console_talk_feed(talk, data + at, end - at);
		if (taken > end - at)
			abort();
		at += taken;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct place place;
	struct console_talk_callbacks callbacks = { &place, admit, verifier, run, flush, cancel };
	if (!size)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		place.talk = console_talk_new(callbacks, 1, 2);
		feed(place.talk, (const char *)data + 1, size - 1, i ? (size_t)data[0] % 64 + 1 : size);
		console_talk_free(place.talk);
	}
	return 0;
}
