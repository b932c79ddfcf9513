#include "admin/console_prepared.h"

#include "admin/console_talk.h"
#include "base/memory.h"
#include "wire/reader.h"

#include <stdlib.h>

/* ---- lists ---- */

static void free_text(struct console_text *text)
{
	arena_deinit(&text->arena);
	free(text->name);
	free(text);
}

static void free_portal(struct console_portal *portal)
{
	console_result_deinit(&portal->result);
	arena_deinit(&portal->arena);
	free(portal->name);
	free(portal);
}

static void close_text(struct console_prepared *prepared, struct slice name)
{
	for (struct console_text **at = &prepared->texts; *at; at = &(*at)->next) {
		struct console_text *text = *at;
		if (!slice_is(name, text->name))
			continue;
		*at = text->next;
		prepared->text_count--;
		free_text(text);
		return;
	}
}

static void close_portal(struct console_prepared *prepared, struct slice name)
{
	for (struct console_portal **at = &prepared->portals; *at; at = &(*at)->next) {
		struct console_portal *portal = *at;
		if (!slice_is(name, portal->name))
			continue;
		*at = portal->next;
		prepared->portal_count--;
		free_portal(portal);
		return;
	}
}

void console_prepared_close(struct console_prepared *prepared, uint8_t kind, struct slice name)
{
	if (kind == 'S')
		close_text(prepared, name);
	else
		close_portal(prepared, name);
}

void console_prepared_close_unnamed(struct console_prepared *prepared)
{
	close_text(prepared, slice_str(""));
	console_prepared_close_portals(prepared);
}

void console_prepared_close_portals(struct console_prepared *prepared)
{
	while (prepared->portals)
		close_portal(prepared, slice_str(prepared->portals->name));
}

void console_prepared_deinit(struct console_prepared *prepared)
{
	console_prepared_close_portals(prepared);
	while (prepared->texts)
		close_text(prepared, slice_str(prepared->texts->name));
}

/* ---- finding ---- */

struct console_text *console_find_text(const struct console_prepared *prepared, struct slice name,
				       struct error *error_out)
{
	for (struct console_text *text = prepared->texts; text; text = text->next) {
		if (slice_is(name, text->name))
			return text;
	}
	error_set(error_out, "26000", "there is no prepared statement \"%.*s\"", (int)(name.len > 63 ? 63 : name.len),
		  name.data);
	return NULL;
}

struct console_portal *console_find_portal(const struct console_prepared *prepared, struct slice name,
					   struct error *error_out)
{
	for (struct console_portal *portal = prepared->portals; portal; portal = portal->next) {
		if (slice_is(name, portal->name))
			return portal;
	}
	error_set(error_out, "34000", "there is no portal \"%.*s\"", (int)(name.len > 63 ? 63 : name.len), name.data);
	return NULL;
}

static bool too_many(size_t count, struct error *error_out)
{
	if (count < CONSOLE_STATEMENTS_MAX)
		return false;
	error_set(error_out, SQLSTATE_LIMIT_EXCEEDED, "the console keeps %d statements of a connection at most",
		  CONSOLE_STATEMENTS_MAX);
	return true;
}

/* ---- Parse ---- */

static bool read_text(struct console_text *text, struct slice sql, struct error *error_out)
{
	struct console_statement *statements;
	struct console_request unused;
	size_t count;
	if (!console_split(&text->arena, sql, &statements, &count, error_out))
		return false;
	if (count > 1) {
		error_set(error_out, "42601", "cannot insert multiple commands into a prepared statement");
		return false;
	}
	text->statement = &statements[0];
	text->parameters = statements[0].parameters;
	text->empty = !statements[0].count;
	if (text->empty)
		return true;
	if (!console_command_read(&text->arena, text->statement, NULL, &unused, error_out))
		return false;
	text->verb = unused.verb;
	return true;
}

bool console_prepare(struct console_prepared *prepared, struct slice name, struct slice sql,
		     struct error *error_out)
{
	if (!name.len)
		close_text(prepared, name);
	for (const struct console_text *text = prepared->texts; text; text = text->next) {
		if (slice_is(name, text->name)) {
			error_set(error_out, "42P05", "prepared statement \"%s\" already exists", text->name);
			return false;
		}
	}
	if (too_many(prepared->text_count, error_out))
		return false;
	struct console_text *text = memory_zalloc(sizeof(*text));
	arena_init(&text->arena);
	text->name = memory_copy(name.data, name.len);
	if (!read_text(text, sql, error_out)) {
		free_text(text);
		return false;
	}
	text->next = prepared->texts;
	prepared->texts = text;
	prepared->text_count++;
	return true;
}

/* ---- Bind ---- */

static bool read_values(struct console_portal *portal, const struct bind_message *message, unsigned wanted,
			const char ***values_out, struct error *error_out)
{
	struct reader parameters = reader_of(message->parameters);
	const char **values = ARENA_ARRAY(&portal->arena, wanted + 1, const char *);
	if (message->parameter_count != wanted) {
		error_set(error_out, SQLSTATE_PROTOCOL_VIOLATION, "%zu parameters came, the statement has %u",
			  message->parameter_count, wanted);
		return false;
	}
	/* A text is the same in text and in binary format. */
	for (unsigned i = 0; i < wanted; i++) {
		uint32_t len = reader_u32(&parameters);
		struct slice value = len == UINT32_MAX ? (struct slice){ 0 } : reader_bytes(&parameters, len);
		if (len == UINT32_MAX)
			continue;
		if (value.len && memchr(value.data, '\0', value.len)) {
			error_set(error_out, "22021", "a text must not contain a NUL");
			return false;
		}
		values[i] = value.len ? arena_copy(&portal->arena, value.data, value.len) : "";
	}
	*values_out = values;
	return true;
}

static bool read_formats(struct console_portal *portal, const struct bind_message *message, size_t columns,
			 struct error *error_out)
{
	struct reader results = reader_of(message->results);
	size_t count = reader_u16(&results);
	if (results.failed || reader_left(&results) != count * 2 || (count > 1 && count != columns)) {
		error_set(error_out, SQLSTATE_PROTOCOL_VIOLATION, "Bind has %zu result formats for %zu columns", count,
			  columns);
		return false;
	}
	uint8_t *binary = arena_alloc(&portal->arena, count + 1);
	for (size_t i = 0; i < count; i++)
		binary[i] = reader_u16(&results) != 0;
	portal->formats = (struct rows_formats){ count, binary };
	return true;
}

static bool read_portal(struct console_portal *portal, const struct console_text *text,
			const struct bind_message *message, struct error *error_out)
{
	const char **values;
	size_t columns = text->empty ? 0 : console_command(text->verb)->column_count;
	portal->empty = text->empty;
	if (!read_values(portal, message, text->parameters, &values, error_out) ||
	    !read_formats(portal, message, columns, error_out))
		return false;
	if (text->empty)
		return true;
	/* The words are copied with the text, which the client may close before the portal. */
	struct console_word *words = ARENA_ARRAY(&portal->arena, text->statement->count + 1, struct console_word);
	for (size_t i = 0; i <= text->statement->count; i++) {
		words[i] = text->statement->words[i];
		words[i].text = arena_strdup(&portal->arena, words[i].text);
	}
	struct console_statement own = { words, text->statement->count, text->parameters };
	return console_command_read(&portal->arena, &own, values, &portal->request, error_out);
}

bool console_bind(struct console_prepared *prepared, const struct bind_message *message, struct error *error_out)
{
	const struct console_text *text = console_find_text(prepared, message->statement, error_out);
	struct error unused;
	if (!text)
		return false;
	if (!message->portal.len)
		close_portal(prepared, message->portal);
	else if (console_find_portal(prepared, message->portal, &unused)) {
		error_set(error_out, "42P03", "there is a portal of that name already");
		return false;
	}
	if (too_many(prepared->portal_count, error_out))
		return false;
	struct console_portal *portal = memory_zalloc(sizeof(*portal));
	arena_init(&portal->arena);
	portal->name = memory_copy(message->portal.data, message->portal.len);
	if (!read_portal(portal, text, message, error_out)) {
		free_portal(portal);
		return false;
	}
	portal->next = prepared->portals;
	prepared->portals = portal;
	prepared->portal_count++;
	return true;
}
