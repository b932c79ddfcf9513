#include "talk.h"

#include "rules.h"

#include "base/memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Tickets are counted from 1, as the catalog's watcher does. */
static uint64_t on_stale(void *context, const char *database)
{
	return ++((struct talk *)context)->stale;
}

struct talk *talk_begin(const char *search_path)
{
	struct talk *talk = memory_zalloc(sizeof(*talk));
	fake_ledger = (struct fake_ledger){ 0 };
	talk->ruleset = rules_of(1, "unused", "");
	talk->env = (struct conversation_env){ .rewriter = rewriter_new(rewriter_settings_default()),
					       .counter = usage_counter_new(NULL), .traffic = &talk->traffic,
					       .message_bytes = 1000, .pipeline = 64,
					       .texts = texts_new(), .prepared_bytes = 500, .retry_bytes = 400, .facts_stale = on_stale,
					       .context = talk };
	conversation_init(&talk->conversation, &talk->env, session_state_new("db", "alice", search_path));
	talk->conversation.published = &talk->ruleset;
	conversation_adopt_ruleset(&talk->conversation);
	return talk;
}

void talk_end(struct talk *talk)
{
	conversation_deinit(&talk->conversation);
	cr_assert_eq(fake_rewrites_alive, 0, "%u rewrites leak", fake_rewrites_alive);
	usage_counter_free(talk->env.counter);
	rewriter_free(talk->env.rewriter);
	texts_free(talk->env.texts);
	cr_assert_eq(talk->conversation.texts.bytes, 0, "texts are still kept");
	buf_deinit(&talk->to_server);
	buf_deinit(&talk->to_client);
	buf_deinit(&talk->rest);
	buf_deinit(&talk->held_back);
	buf_deinit(&talk->shown);
	ruleset_unref(talk->ruleset);
	free(talk);
}

void talk_publish(struct talk *talk, const char *tables, const char *moved)
{
	static uint64_t version;
	struct ruleset *before = talk->ruleset;
	talk->ruleset = rules_of(++version, tables, moved);
	ruleset_unref(before);
	conversation_adopt_ruleset(&talk->conversation);
}

/* ---- building ---- */

static void append_text(struct buf *out, const char *text)
{
	buf_append(out, text, strlen(text) + 1);
}

void client_message_build(struct buf *out, const char *word)
{
	char copy[2048];
	snprintf(copy, sizeof(copy), "%s", word);
	char *first = strlen(copy) > 1 ? copy + 2 : copy + 1, *second = strchr(first, '=');
	if (second)
		*second++ = 0;
	size_t begin = frame_begin(out, (uint8_t)copy[0]);
	switch (copy[0]) {
	case 'Q': append_text(out, first); break;
	case 'P': append_text(out, first); append_text(out, second ? second : ""); buf_append_u16(out, 0); break;
	case 'B': append_text(out, first); append_text(out, second ? second : ""); buf_append(out, "\0\0\0\0\0", 6); break;
	case 'E': append_text(out, first); buf_append_u32(out, second ? (uint32_t)atoi(second) : 0); break;
	case 'C': case 'D': buf_append_byte(out, (uint8_t)*first); append_text(out, *first ? first + 1 : ""); break;
	case 'F': buf_append_u32(out, (uint32_t)atoi(first)); buf_append(out, "\0\0\0\0\0\0\0", 8); break;
	default: buf_append_str(out, first); break;
	}
	frame_end(out, begin);
}

static void append_error_parts(struct buf *out, char *parts)
{
	char *state = strsep(&parts, "/"), *message = strsep(&parts, "/");
	const char *severity = strncmp(state, "57P", 3) == 0 ? "FATAL" : "ERROR";
	buf_printf(out, "S%s", severity);
	buf_append_byte(out, 0);
	buf_printf(out, "C%s", state);
	buf_append_byte(out, 0);
	buf_printf(out, "M%s", message ? message : "");
	buf_append_byte(out, 0);
	if (parts) {
		buf_printf(out, "P%s", parts);
		buf_append_byte(out, 0);
	}
	buf_append_byte(out, 0);
}

static void server_message_build(struct buf *out, const char *word)
{
	char copy[512];
	snprintf(copy, sizeof(copy), "%s", word);
	char *text = strlen(copy) > 1 ? copy + 2 : copy + 1, *value;
	for (char *c = text; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	size_t begin = frame_begin(out, (uint8_t)copy[0]);
	switch (copy[0]) {
	case 'C': append_text(out, text); break;
	case 'Z': buf_append_byte(out, (uint8_t)*text); break;
	case 'E': case 'N': append_error_parts(out, text); break;
	case 'S':
		value = strchr(text, '=');
		*value++ = 0;
		for (char *c = text; *c; c++)
			*c = *c == ' ' ? '_' : *c;
		append_text(out, text);
		append_text(out, value);
		break;
	case 'D':
		buf_append_u16(out, 1);
		buf_append_u32(out, (uint32_t)strlen(text));
		buf_append_str(out, text);
		break;
	default: buf_append_str(out, text); break;
	}
	frame_end(out, begin);
}

/* Words are separated by blanks; inside a word, '_' stands for a blank. */
static struct buf build(const char *messages, void (*build_one)(struct buf *out, const char *word))
{
	struct buf bytes = { 0 };
	char *copy = memory_strdup(messages), *at = copy, *word;
	while ((word = strsep(&at, " "))) {
		if (*word)
			build_one(&bytes, word);
	}
	free(copy);
	return bytes;
}

static void client_word(struct buf *out, const char *word)
{
	char copy[2048];
	snprintf(copy, sizeof(copy), "%s", word);
	for (char *c = copy; *c; c++)
		*c = *c == '_' ? ' ' : *c;
	client_message_build(out, copy);
}

/* ---- showing ---- */

static void show_error(struct buf *out, struct slice body)
{
	const char *at = body.data, *end = at + body.len;
	while (at < end && *at) {
		if (*at == 'C' || *at == 'P')
			buf_printf(out, ":%s", at + 1);
		at += strlen(at) + 1;
	}
}

static void show(struct talk *talk, struct slice bytes, bool from_client)
{
	struct buf *out = &talk->shown;
	size_t at = 0;
	while (bytes.len - at >= FRAME_HEAD_BYTES) {
		struct frame frame = frame_peek(bytes.data + at);
		struct slice body = slice_of(bytes.data + at + 5, frame.size - 5);
		cr_assert(at + frame.size <= bytes.len, "a message came out in part");
		buf_printf(out, "%s%c", out->len ? " " : "", frame.type);
		if (from_client && frame.type == 'Q')
			buf_printf(out, "[%s]", body.data);
		else if (from_client && frame.type == 'P')
			buf_printf(out, "[%s]", body.data + strlen(body.data) + 1);
		else if (!from_client && (frame.type == 'E' || frame.type == 'N'))
			show_error(out, body);
		at += frame.size;
	}
	cr_assert_eq(at, bytes.len, "bytes came out in part");
}

static struct round begin(struct talk *talk)
{
	return (struct round){ output_of(&talk->to_server), output_of(&talk->to_client) };
}

static void feed_rest(struct talk *talk, struct buf *all)
{
	struct round round = begin(talk);
	size_t taken = conversation_from_client(&talk->conversation, talk->rest.data, talk->rest.len, &round);
	buf_append_slice(all, output_slice(&round.to_server));
	buf_append_slice(&talk->held_back, output_slice(&round.to_client));
	buf_consume(&talk->rest, taken);
}

const char *say_bytes(struct talk *talk, const void *data, size_t len)
{
	struct buf all = { 0 };
	size_t chunk = talk->chunk ? talk->chunk : len;
	for (size_t at = 0; at < len; at += chunk) {
		buf_append(&talk->rest, (const char *)data + at, len - at < chunk ? len - at : chunk);
		feed_rest(talk, &all);
	}
	buf_clear(&talk->shown);
	show(talk, buf_slice(&all), true);
	buf_deinit(&all);
	return buf_cstr(&talk->shown);
}

const char *say(struct talk *talk, const char *messages)
{
	struct buf bytes = build(messages, client_word);
	const char *shown = say_bytes(talk, bytes.data, bytes.len);
	buf_deinit(&bytes);
	return shown;
}

const char *resumed(struct talk *talk)
{
	struct buf all = { 0 };
	if (!conversation_held(&talk->conversation))
		feed_rest(talk, &all);
	buf_clear(&talk->shown);
	show(talk, buf_slice(&all), true);
	buf_deinit(&all);
	return buf_cstr(&talk->shown);
}

const char *released(struct talk *talk)
{
	buf_clear(&talk->shown);
	show(talk, buf_slice(&talk->held_back), false);
	buf_clear(&talk->held_back);
	return buf_cstr(&talk->shown);
}

const char *answer(struct talk *talk, const char *messages)
{
	struct buf bytes = build(messages, server_message_build), rest = { 0 }, all = { 0 };
	size_t chunk = talk->chunk ? talk->chunk : bytes.len;
	for (size_t at = 0; at < bytes.len; at += chunk) {
		struct round round = begin(talk);
		buf_append(&rest, bytes.data + at, bytes.len - at < chunk ? bytes.len - at : chunk);
		size_t taken = conversation_from_server(&talk->conversation, rest.data, rest.len, &round);
		buf_append_slice(&all, output_slice(&round.to_client));
		buf_consume(&rest, taken);
	}
	cr_assert_eq(rest.len, 0);
	buf_clear(&talk->shown);
	show(talk, buf_slice(&all), false);
	buf_deinit(&bytes);
	buf_deinit(&rest);
	buf_deinit(&all);
	return buf_cstr(&talk->shown);
}

const char *answer_stand_in(struct talk *talk)
{
	static const char fields[] = "SERROR\0C42703\0Mcolumn \"crossfade_refused_statement\" does not exist\0";
	static char sqlstate[6];
	struct buf bytes = { 0 };
	size_t at = frame_begin(&bytes, 'E');
	buf_append(&bytes, fields, sizeof(fields));
	frame_end(&bytes, at);
	struct round round = { output_of(&talk->to_server), output_of(&talk->to_client) };
	cr_assert_eq(conversation_from_server(&talk->conversation, bytes.data, bytes.len, &round), bytes.len);
	struct slice out = output_slice(&round.to_client);
	const char *code = memmem(out.data, out.len, "\0C", 2);
	snprintf(sqlstate, sizeof(sqlstate), "%s", code ? code + 2 : "none");
	buf_deinit(&bytes);
	return sqlstate;
}
