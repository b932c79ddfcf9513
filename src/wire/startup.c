#include "wire/startup.h"

#include "wire/reader.h"

#include <strings.h>

enum {
	CODE_CANCEL = 80877102,
	CODE_SSL = 80877103,
	CODE_GSSENC = 80877104,
	CANCEL_KEY_MIN_BYTES = 4,
	NAME_BYTES = 63, /* the server cuts names of users and databases there */
};

static enum startup_kind invalid(struct error *error_out, const char *message)
{
	error_set(error_out, SQLSTATE_PROTOCOL_VIOLATION, "%s", message);
	return STARTUP_INVALID;
}

static enum startup_kind parse_cancel(struct reader *body, struct startup_packet *packet, struct error *error_out)
{
	packet->cancel_pid = reader_u32(body);
	packet->cancel_key = reader_rest(body);
	if (body->failed || packet->cancel_key.len < CANCEL_KEY_MIN_BYTES ||
	    packet->cancel_key.len > CANCEL_KEY_MAX_BYTES)
		return invalid(error_out, "invalid length of cancel request packet");
	return STARTUP_CANCEL;
}

bool startup_next(struct slice *rest, struct slice *name_out, struct slice *value_out)
{
	if (!rest->len)
		return false;
	struct reader reader = reader_of(*rest);
	struct slice name = reader_text(&reader);
	struct slice value = reader_text(&reader);
	if (reader.failed || !name.len)
		return false;
	*name_out = name;
	*value_out = value;
	*rest = reader_rest(&reader);
	return true;
}

/* As the server reads a boolean: on, off, true, false, yes, no, 1, 0 and their beginnings. */
static bool parse_bool(struct slice text, bool *value_out)
{
	static const struct {
		const char *word;
		size_t least;
		bool value;
	} words[] = { { "true", 1, true }, { "false", 1, false }, { "yes", 1, true }, { "no", 1, false },
		      { "on", 2, true }, { "off", 2, false }, { "1", 1, true }, { "0", 1, false } };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (text.len < words[i].least || text.len > strlen(words[i].word))
			continue;
		if (strncasecmp(words[i].word, text.data, text.len) == 0) {
			*value_out = words[i].value;
			return true;
		}
	}
	return false;
}

static void note_parameter(struct startup_packet *packet, struct slice name, struct slice value)
{
	if (slice_is(name, "user"))
		packet->user = value;
	else if (slice_is(name, "database"))
		packet->database = value;
	else if (slice_is(name, "options"))
		packet->options = value;
	else if (slice_is(name, "replication") &&
		 (slice_is(value, "database") || !parse_bool(value, &packet->replication)))
		packet->replication = true; /* what is no boolean the server refuses */
}

static void finish_names(struct startup_packet *packet)
{
	if (!packet->database.len)
		packet->database = packet->user;
	if (packet->database.len > NAME_BYTES)
		packet->database.len = NAME_BYTES;
	if (packet->user.len > NAME_BYTES)
		packet->user.len = NAME_BYTES;
}

static enum startup_kind parse_session(struct reader *body, uint32_t version, struct startup_packet *packet,
				       struct error *error_out)
{
	packet->major = (uint16_t)(version >> 16);
	packet->minor = (uint16_t)version;
	if (packet->major != 3)
		return STARTUP_FOREIGN;
	struct slice rest = reader_rest(body);
	if (!rest.len || rest.data[rest.len - 1] != '\0')
		return invalid(error_out, "invalid startup packet layout: expected terminator as last byte");
	rest.len--;
	packet->parameters = rest;
	struct slice name, value;
	while (startup_next(&rest, &name, &value))
		note_parameter(packet, name, value);
	if (rest.len)
		return invalid(error_out, "invalid startup packet layout: expected terminator as last byte");
	finish_names(packet);
	return STARTUP_SESSION;
}

enum startup_kind startup_parse(struct slice data, struct startup_packet *packet_out, struct error *error_out)
{
	struct reader reader = reader_of(data);
	uint32_t length = reader_u32(&reader);
	if (reader.failed)
		return STARTUP_INCOMPLETE;
	if (length < 8 || length > STARTUP_MAX_BYTES)
		return invalid(error_out, "invalid length of startup packet");
	if (data.len < length)
		return STARTUP_INCOMPLETE;
	struct startup_packet packet = { .size = length };
	struct reader body = reader_of(slice_of(data.data + 4, length - 4));
	uint32_t code = reader_u32(&body);
	enum startup_kind kind;
	if (code == CODE_CANCEL)
		kind = parse_cancel(&body, &packet, error_out);
	else if ((code == CODE_SSL || code == CODE_GSSENC) && length == 8)
		kind = code == CODE_SSL ? STARTUP_SSL : STARTUP_GSSENC;
	else
		kind = parse_session(&body, code, &packet, error_out);
	if (kind != STARTUP_INVALID)
		*packet_out = packet;
	return kind;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of `options`: white space separates, a backslash takes the next character as it is. */
static bool next_word(struct slice *options, struct buf *word)
{
	const char *at = options->data, *end = at + options->len;
	buf_clear(word);
	while (at < end && is_space(*at))
		at++;
	bool found = at < end;
	while (at < end && !is_space(*at)) {
		if (*at == '\\' && ++at == end)
			break;
		buf_append_byte(word, (uint8_t)*at++);
	}
	*options = slice_of(at, (size_t)(end - at));
	return found;
}

/* Settings are named without regard to case, and '-' stands for '_' in options. */
static bool names_setting(struct slice written, const char *name)
{
	if (written.len != strlen(name))
		return false;
	for (size_t i = 0; i < written.len; i++) {
		char c = written.data[i] == '-' ? '_' : written.data[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (c != name[i])
			return false;
	}
	return true;
}

static void take_assignment(struct slice text, const char *name, bool *found, struct buf *value_out)
{
	const char *equals = text.len ? memchr(text.data, '=', text.len) : NULL;
	if (!equals || !names_setting(slice_of(text.data, (size_t)(equals - text.data)), name))
		return;
	*found = true;
	buf_clear(value_out);
	buf_append(value_out, equals + 1, (size_t)(text.data + text.len - equals - 1));
}

static bool setting_in_options(struct slice options, const char *name, struct buf *value_out)
{
	struct buf word;
	buf_init(&word);
	bool found = false, assignment_follows = false;
	while (options.len && next_word(&options, &word)) {
		struct slice text = buf_slice(&word);
		size_t skip = assignment_follows ? 0 : 2;
		bool is_long = text.len > 2 && memcmp(text.data, "--", 2) == 0;
		bool is_c = text.len >= 2 && memcmp(text.data, "-c", 2) == 0;
		if (assignment_follows || is_long || (is_c && text.len > 2))
			take_assignment(slice_of(text.data + skip, text.len - skip), name, &found, value_out);
		assignment_follows = !assignment_follows && is_c && text.len == 2;
	}
	buf_deinit(&word);
	return found;
}

bool startup_setting(const struct startup_packet *packet, const char *name, struct buf *value_out)
{
	struct buf value;
	buf_init(&value);
	bool found = setting_in_options(packet->options, name, &value);
	struct slice rest = packet->parameters, key, text;
	while (startup_next(&rest, &key, &text)) {
		if (key.len != strlen(name) || strncasecmp(key.data, name, key.len) != 0)
			continue;
		found = true;
		buf_clear(&value);
		buf_append_slice(&value, text);
	}
	if (found)
		buf_append_slice(value_out, buf_slice(&value));
	buf_deinit(&value);
	return found;
}
