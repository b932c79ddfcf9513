#include "admin/console_talk.h"

#include "admin/console_prepared.h"
#include "auth/scram_message.h"
#include "auth/scram_server.h"
#include "base/memory.h"
#include "wire/client_message.h"
#include "wire/error_fields.h"
#include "wire/reader.h"
#include "wire/server_message.h"
#include "wire/startup.h"

#include <stdlib.h>

#define DATABASE "crossfade"
#define SQLSTATE_INVALID_CATALOG "3D000"
#define SQLSTATE_INSUFFICIENT_PRIVILEGE "42501"

enum { FLUSH_BYTES = 256 << 10 };

enum phase { PHASE_STARTUP, PHASE_SASL_FIRST, PHASE_SASL_LAST, PHASE_READY, PHASE_ENDED };

struct console_talk {
	struct console_talk_callbacks callbacks;
	uint32_t pid, key;
	enum phase phase;
	enum console_role role;
	bool encryption_answered[2];
	bool skipping; /* after an error in the extended protocol: all up to a Sync */
	char *user;
	struct scram_server *scram; /* while a password is asked for */
	struct buf out;
	struct console_prepared prepared;
};

struct console_talk *console_talk_new(struct console_talk_callbacks callbacks, uint32_t pid, uint32_t key)
{
	struct console_talk *talk = memory_zalloc(sizeof(*talk));
	talk->callbacks = callbacks;
	talk->pid = pid;
	talk->key = key;
	buf_init(&talk->out);
	return talk;
}

void console_talk_free(struct console_talk *talk)
{
	if (!talk)
		return;
	console_prepared_deinit(&talk->prepared);
	scram_server_free(talk->scram);
	buf_deinit(&talk->out);
	free(talk->user);
	free(talk);
}

struct buf *console_talk_out(struct console_talk *talk)
{
	return &talk->out;
}

bool console_talk_ready(const struct console_talk *talk)
{
	return talk->phase == PHASE_READY;
}

bool console_talk_ended(const struct console_talk *talk)
{
	return talk->phase == PHASE_ENDED;
}

void console_talk_fail(struct console_talk *talk, const struct error *error)
{
	if (talk->phase != PHASE_ENDED)
		error_append(&talk->out, "FATAL", error);
	talk->phase = PHASE_ENDED;
}

void console_talk_notice(struct console_talk *talk, const char *severity, const struct error *notice)
{
	notice_append(&talk->out, severity, notice);
	talk->callbacks.flush(talk->callbacks.context);
}

static void violate(struct console_talk *talk, const char *message)
{
	struct error error;
	error_set(&error, SQLSTATE_PROTOCOL_VIOLATION, "%s", message);
	console_talk_fail(talk, &error);
}

/* ---- the beginning ---- */

static void answer_encryption(struct console_talk *talk, bool gss)
{
	if (talk->encryption_answered[gss]) {
		violate(talk, "encryption was asked for twice");
		return;
	}
	talk->encryption_answered[gss] = true;
	buf_append_byte(&talk->out, 'N');
}

static bool is_protocol_option(struct slice name)
{
	return name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0;
}

/* Newer minor versions and protocol options: we speak 3.0, and say which options we do not know. */
static void negotiate(struct console_talk *talk, const struct startup_packet *packet)
{
	struct slice rest = packet->parameters, name, value;
	struct buf unknown;
	uint32_t count = 0;
	buf_init(&unknown);
	while (startup_next(&rest, &name, &value)) {
		if (!is_protocol_option(name))
			continue;
		buf_append_slice(&unknown, name);
		buf_append_byte(&unknown, 0);
		count++;
	}
	if (count || packet->minor) {
		size_t begin = frame_begin(&talk->out, SERVER_NEGOTIATE_VERSION);
		buf_append_u32(&talk->out, 3u << 16);
		buf_append_u32(&talk->out, count);
		buf_append_slice(&talk->out, buf_slice(&unknown));
		frame_end(&talk->out, begin);
	}
	buf_deinit(&unknown);
}

static void greet(struct console_talk *talk)
{
	static const char *const status[][2] = {
		{ "server_version", "15.0 (crossfade " CROSSFADE_VERSION ")" }, /* drivers insist on a number they know */
		{ "server_encoding", "UTF8" }, { "client_encoding", "UTF8" }, { "DateStyle", "ISO, MDY" },
		{ "IntervalStyle", "postgres" }, { "TimeZone", "UTC" }, { "integer_datetimes", "on" },
		{ "standard_conforming_strings", "on" }, { "in_hot_standby", "off" },
		{ "default_transaction_read_only", "off" }, { "application_name", "" } };
	struct buf *out = &talk->out;
	size_t begin = frame_begin(out, SERVER_AUTHENTICATION);
	buf_append_u32(out, AUTHENTICATION_OK);
	frame_end(out, begin);
	for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++)
		rows_status_append(out, status[i][0], status[i][1]);
	rows_status_append(out, "is_superuser", talk->role == CONSOLE_ADMIN ? "on" : "off");
	rows_status_append(out, "session_authorization", talk->user);
	begin = frame_begin(out, SERVER_KEY_DATA);
	buf_append_u32(out, talk->pid);
	buf_append_u32(out, talk->key);
	frame_end(out, begin);
	rows_ready_append(out, 'I');
	talk->phase = PHASE_READY;
}

/* ---- a password ---- */

static void append_authentication(struct console_talk *talk, uint32_t kind, struct slice data)
{
	size_t begin = frame_begin(&talk->out, SERVER_AUTHENTICATION);
	buf_append_u32(&talk->out, kind);
	buf_append_slice(&talk->out, data);
	frame_end(&talk->out, begin);
}

static void ask_password(struct console_talk *talk)
{
	static const char mechanisms[] = SCRAM_SHA_256 "\0"; /* a list of one, and its end */
	struct scram_verifier verifier;
	struct scram_server_start start = { .verifier = &verifier, .user = slice_str(talk->user) };
	talk->callbacks.verifier(talk->callbacks.context, talk->user, &verifier, &start.doomed);
	talk->scram = scram_server_new(&start);
	secret_wipe(&verifier, sizeof(verifier));
	append_authentication(talk, AUTHENTICATION_SASL, slice_of(mechanisms, sizeof(mechanisms)));
	talk->phase = PHASE_SASL_FIRST;
}

static bool answer_first(struct console_talk *talk, struct slice body, struct buf *answer, struct error *error_out)
{
	struct reader reader = reader_of(body);
	struct slice mechanism = reader_text(&reader);
	uint32_t len = reader_u32(&reader);
	struct slice message = len == UINT32_MAX ? (struct slice){ 0 } : reader_bytes(&reader, len);
	if (reader.failed || reader_left(&reader)) {
		error_set(error_out, SQLSTATE_PROTOCOL_VIOLATION, "malformed SASLInitialResponse");
		return false;
	}
	return scram_server_first(talk->scram, mechanism, message, answer, error_out);
}

static void finish_password(struct console_talk *talk)
{
	struct error error;
	scram_server_free(talk->scram);
	talk->scram = NULL;
	talk->role = talk->callbacks.admit(talk->callbacks.context, talk->user, true, &error);
	if (talk->role == CONSOLE_NOBODY || talk->role == CONSOLE_ASKED)
		console_talk_fail(talk, &error);
	else
		greet(talk);
}

static void on_password(struct console_talk *talk, struct slice body)
{
	bool first = talk->phase == PHASE_SASL_FIRST;
	struct error error;
	struct buf answer;
	buf_init(&answer);
	bool ok = first ? answer_first(talk, body, &answer, &error) :
			  scram_server_final(talk->scram, body, &answer, &error);
	if (!ok) {
		console_talk_fail(talk, &error);
	} else {
		append_authentication(talk, first ? AUTHENTICATION_SASL_CONTINUE : AUTHENTICATION_SASL_FINAL,
				      buf_slice(&answer));
		talk->phase = PHASE_SASL_LAST;
		if (!first)
			finish_password(talk);
	}
	buf_deinit(&answer);
}

static bool check_startup(const struct startup_packet *packet, struct error *error_out)
{
	if (!packet->user.len) {
		error_set(error_out, "28000", "no user name was given");
		return false;
	}
	if (packet->replication) {
		error_set(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED, "the console does not replicate");
		return false;
	}
	if (slice_is(packet->database, DATABASE))
		return true;
	error_set(error_out, SQLSTATE_INVALID_CATALOG, "this is crossfade's console, which has no database \"%.*s\"",
		  (int)packet->database.len, packet->database.data);
	error_hint(error_out, "Its only database is " DATABASE ": connect with dbname=" DATABASE ".");
	return false;
}

static void begin_session(struct console_talk *talk, const struct startup_packet *packet)
{
	struct error error;
	talk->user = memory_copy(packet->user.data, packet->user.len);
	if (!check_startup(packet, &error)) {
		console_talk_fail(talk, &error);
		return;
	}
	negotiate(talk, packet);
	talk->role = talk->callbacks.admit(talk->callbacks.context, talk->user, false, &error);
	if (talk->role == CONSOLE_NOBODY)
		console_talk_fail(talk, &error);
	else if (talk->role == CONSOLE_ASKED)
		ask_password(talk);
	else
		greet(talk);
}

static void pass_cancel(struct console_talk *talk, const struct startup_packet *packet)
{
	struct reader key = reader_of(packet->cancel_key);
	uint32_t number = reader_u32(&key);
	if (!key.failed && !reader_left(&key))
		talk->callbacks.cancel(talk->callbacks.context, packet->cancel_pid, number);
	talk->phase = PHASE_ENDED;
}

static size_t take_startup(struct console_talk *talk, const char *data, size_t len)
{
	struct startup_packet packet = { 0 };
	struct error error;
	enum startup_kind kind = startup_parse(slice_of(data, len), &packet, &error);
	switch (kind) {
	case STARTUP_INCOMPLETE: return 0;
	case STARTUP_SSL:
	case STARTUP_GSSENC: answer_encryption(talk, kind == STARTUP_GSSENC); break;
	case STARTUP_CANCEL: pass_cancel(talk, &packet); break;
	case STARTUP_SESSION: begin_session(talk, &packet); break;
	case STARTUP_FOREIGN:
		error_set(&error, SQLSTATE_FEATURE_NOT_SUPPORTED, "the console speaks protocol 3.0, not %u.%u",
			  packet.major, packet.minor);
		console_talk_fail(talk, &error);
		break;
	case STARTUP_INVALID: console_talk_fail(talk, &error); return len;
	}
	return packet.size;
}

/* ---- commands ---- */

static void settle_alone(struct console_talk *talk, enum console_verb verb)
{
	struct error notice;
	if (verb != CONSOLE_ROLLBACK)
		return;
	error_set(&notice, "25P01", "the console has no transactions: what was done stays done");
	notice_append(&talk->out, "WARNING", &notice);
}

/* Those that do nothing are answered here. */
static bool run(struct console_talk *talk, const struct console_request *request, struct console_result *result,
		struct error *error_out)
{
	const struct console_command *command = console_command(request->verb);
	if (request->verb == CONSOLE_SHOW_ISOLATION) {
		console_put_text(result, "read committed");
		return true;
	}
	if (!command->help) {
		settle_alone(talk, request->verb);
		return true;
	}
	if (command->changes && talk->role != CONSOLE_ADMIN) {
		error_set(error_out, SQLSTATE_INSUFFICIENT_PRIVILEGE, "%s is for the console's admins", command->words);
		error_hint(error_out, "User %s may only look. `console.admins` in the configuration names those who may do more.",
			   talk->user);
		return false;
	}
	return talk->callbacks.run(talk->callbacks.context, request, result, error_out);
}

static void append_rows(struct console_talk *talk, const struct console_result *result, size_t from, size_t until,
			const struct rows_formats *formats)
{
	for (size_t i = from; i < until; i++)
		rows_row_append(&talk->out, result->columns, result->column_count,
				result->cells + i * result->column_count, formats);
}

/* ---- simple protocol ---- */

static bool run_simple(struct console_talk *talk, struct arena *arena, const struct console_statement *statement)
{
	static const struct rows_formats text = { 0 };
	struct console_request request;
	struct console_result result;
	struct error error;
	if (!statement->count)
		return true;
	if (statement->parameters) {
		error_set(&error, "42P02", "there is no parameter $%u", statement->parameters);
		error_append(&talk->out, "ERROR", &error);
		return false;
	}
	if (!console_command_read(arena, statement, NULL, &request, &error)) {
		error_append(&talk->out, "ERROR", &error);
		return false;
	}
	const struct console_command *command = console_command(request.verb);
	console_result_init(&result, arena, command->columns, command->column_count);
	bool ok = run(talk, &request, &result, &error);
	if (!ok) {
		error_append(&talk->out, "ERROR", &error);
	} else {
		if (command->column_count)
			rows_description_append(&talk->out, command->columns, command->column_count, &text);
		append_rows(talk, &result, 0, console_result_rows(&result), &text);
		rows_tag_append(&talk->out, command->tag);
	}
	console_result_deinit(&result);
	if (talk->out.len > FLUSH_BYTES)
		talk->callbacks.flush(talk->callbacks.context);
	return ok;
}

static void on_query(struct console_talk *talk, struct slice body)
{
	struct console_statement *statements;
	struct slice sql;
	struct arena arena;
	struct error error;
	size_t count, filled = 0;
	if (!query_read(body, &sql)) {
		violate(talk, "malformed Query");
		return;
	}
	arena_init(&arena);
	if (console_split(&arena, sql, &statements, &count, &error)) {
		bool ok = true;
		for (size_t i = 0; i < count && ok; i++) {
			filled += statements[i].count > 0;
			ok = run_simple(talk, &arena, &statements[i]);
		}
		if (!filled)
			frame_append(&talk->out, SERVER_EMPTY_QUERY, (struct slice){ 0 });
	} else {
		error_append(&talk->out, "ERROR", &error);
	}
	console_prepared_close_unnamed(&talk->prepared);
	rows_ready_append(&talk->out, 'I');
	arena_deinit(&arena);
}

/* ---- extended protocol ---- */

static bool on_parse(struct console_talk *talk, struct slice body, struct error *error_out)
{
	struct parse_message message;
	if (!parse_read(body, &message)) {
		violate(talk, "malformed Parse");
		return true;
	}
	if (!console_prepare(&talk->prepared, message.name, message.sql, error_out))
		return false;
	frame_append(&talk->out, SERVER_PARSE_COMPLETE, (struct slice){ 0 });
	return true;
}

static bool on_bind(struct console_talk *talk, struct slice body, struct error *error_out)
{
	struct bind_message message;
	if (!bind_read(body, &message)) {
		violate(talk, "malformed Bind");
		return true;
	}
	if (!console_bind(&talk->prepared, &message, error_out))
		return false;
	frame_append(&talk->out, SERVER_BIND_COMPLETE, (struct slice){ 0 });
	return true;
}

static void describe_columns(struct console_talk *talk, const struct console_command *command,
			     const struct rows_formats *formats)
{
	if (command && command->column_count)
		rows_description_append(&talk->out, command->columns, command->column_count, formats);
	else
		frame_append(&talk->out, SERVER_NO_DATA, (struct slice){ 0 });
}

static bool on_describe(struct console_talk *talk, struct slice body, struct error *error_out)
{
	static const struct rows_formats text = { 0 };
	struct object_message message;
	if (!object_read(body, &message)) {
		violate(talk, "malformed Describe");
		return true;
	}
	if (message.kind == 'P') {
		const struct console_portal *portal = console_find_portal(&talk->prepared, message.name, error_out);
		if (portal)
			describe_columns(talk, portal->empty ? NULL : console_command(portal->request.verb),
					 &portal->formats);
		return portal != NULL;
	}
	const struct console_text *prepared = console_find_text(&talk->prepared, message.name, error_out);
	if (prepared) {
		rows_parameters_append(&talk->out, prepared->parameters);
		describe_columns(talk, prepared->empty ? NULL : console_command(prepared->verb), &text);
	}
	return prepared != NULL;
}

static bool run_portal(struct console_talk *talk, struct console_portal *portal, uint32_t max_rows,
		       struct error *error_out)
{
	const struct console_command *command = console_command(portal->request.verb);
	if (!portal->started) {
		portal->started = true;
		console_result_init(&portal->result, &portal->arena, command->columns, command->column_count);
		if (!run(talk, &portal->request, &portal->result, error_out))
			return false;
	}
	size_t rows = console_result_rows(&portal->result), until = rows;
	if (max_rows && max_rows < rows - portal->sent)
		until = portal->sent + max_rows;
	append_rows(talk, &portal->result, portal->sent, until, &portal->formats);
	portal->sent = until;
	if (until < rows)
		frame_append(&talk->out, SERVER_PORTAL_SUSPENDED, (struct slice){ 0 });
	else
		rows_tag_append(&talk->out, command->tag);
	return true;
}

static bool on_execute(struct console_talk *talk, struct slice body, struct error *error_out)
{
	struct execute_message message;
	if (!execute_read(body, &message)) {
		violate(talk, "malformed Execute");
		return true;
	}
	struct console_portal *portal = console_find_portal(&talk->prepared, message.portal, error_out);
	if (!portal)
		return false;
	if (!portal->empty)
		return run_portal(talk, portal, message.max_rows, error_out);
	frame_append(&talk->out, SERVER_EMPTY_QUERY, (struct slice){ 0 });
	return true;
}

static bool on_close(struct console_talk *talk, struct slice body, struct error *error_out)
{
	struct object_message message;
	if (!object_read(body, &message)) {
		violate(talk, "malformed Close");
		return true;
	}
	console_prepared_close(&talk->prepared, message.kind, message.name);
	frame_append(&talk->out, SERVER_CLOSE_COMPLETE, (struct slice){ 0 });
	return true;
}

static void on_sync(struct console_talk *talk)
{
	talk->skipping = false;
	console_prepared_close_portals(&talk->prepared);
	rows_ready_append(&talk->out, 'I');
}

static void on_extended(struct console_talk *talk, uint8_t type, struct slice body)
{
	struct error error;
	bool ok = true;
	if (talk->skipping)
		return;
	switch (type) {
	case CLIENT_PARSE: ok = on_parse(talk, body, &error); break;
	case CLIENT_BIND: ok = on_bind(talk, body, &error); break;
	case CLIENT_DESCRIBE: ok = on_describe(talk, body, &error); break;
	case CLIENT_EXECUTE: ok = on_execute(talk, body, &error); break;
	case CLIENT_CLOSE: ok = on_close(talk, body, &error); break;
	default: break;
	}
	if (ok || talk->phase == PHASE_ENDED)
		return;
	error_append(&talk->out, "ERROR", &error);
	talk->skipping = true;
}

static void on_function_call(struct console_talk *talk)
{
	struct error error;
	error_set(&error, SQLSTATE_FEATURE_NOT_SUPPORTED, "the console has no functions");
	error_append(&talk->out, "ERROR", &error);
	rows_ready_append(&talk->out, 'I');
}

static void on_message(struct console_talk *talk, uint8_t type, struct slice body)
{
	switch (type) {
	case CLIENT_QUERY:
		if (!talk->skipping)
			on_query(talk, body);
		break;
	case CLIENT_PARSE:
	case CLIENT_BIND:
	case CLIENT_DESCRIBE:
	case CLIENT_EXECUTE:
	case CLIENT_CLOSE: on_extended(talk, type, body); break;
	case CLIENT_SYNC: on_sync(talk); break;
	case CLIENT_FLUSH:
	case CLIENT_COPY_DATA: /* left over from a COPY that there never was; the server ignores them too */
	case CLIENT_COPY_DONE:
	case CLIENT_COPY_FAIL: break;
	case CLIENT_FUNCTION_CALL:
		if (!talk->skipping)
			on_function_call(talk);
		break;
	case CLIENT_TERMINATE: talk->phase = PHASE_ENDED; break;
	default: violate(talk, "a message of an unknown type came"); break;
	}
}

static size_t take_message(struct console_talk *talk, const char *data, size_t len)
{
	if (len < FRAME_HEAD_BYTES)
		return 0;
	struct frame frame = frame_peek(data);
	if (!frame_valid(frame) || frame.size > CONSOLE_MESSAGE_MAX_BYTES) {
		violate(talk, "a message is longer than the console takes, or has no valid length");
		return len;
	}
	if (len < frame.size)
		return 0;
	if (talk->phase == PHASE_READY)
		on_message(talk, frame.type, frame_body(data, frame));
	else if (frame.type == CLIENT_PASSWORD)
		on_password(talk, frame_body(data, frame));
	else
		violate(talk, "a password was expected");
	return frame.size;
}

size_t console_talk_feed(struct console_talk *talk, const char *data, size_t len)
{
	size_t at = 0;
	while (talk->phase != PHASE_ENDED && at < len) {
		size_t taken = talk->phase == PHASE_STARTUP ? take_startup(talk, data + at, len - at) :
							      take_message(talk, data + at, len - at);
		if (!taken)
			break;
		at += taken;
		if (talk->out.len > FLUSH_BYTES)
			talk->callbacks.flush(talk->callbacks.context);
	}
	return talk->phase == PHASE_ENDED ? len : at;
}
