/*
 * The values are expanded after libpq has split the string, so that a
 * password from the environment may hold spaces and quotes. Only a string
 * that begins with ${ is expanded as a whole (dsn: ${DATABASE_URL}).
 */
#include "app/dsn.h"

#include "base/buf.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdlib.h>

static size_t name_len(const char *text)
{
	size_t len = 0;
	while (isalnum((unsigned char)text[len]) || text[len] == '_')
		len++;
	return isdigit((unsigned char)text[0]) ? 0 : len;
}

/* Appends the value of ${NAME} at text; 0 on failure, else the bytes read. */
static size_t expand_one(struct arena *arena, const char *text, struct buf *out, const char **why_out)
{
	size_t len = name_len(text + 2);
	if (!len || text[2 + len] != '}') {
		*why_out = "has a ${ that is not followed by a name and } (write $${ for the characters themselves)";
		return 0;
	}
	const char *name = arena_copy(arena, text + 2, len), *value = getenv(name);
	if (!value) {
		*why_out = arena_printf(arena, "names ${%s}, which is not set in the environment", name);
		return 0;
	}
	buf_append_str(out, value);
	return len + 3;
}

static bool expand(struct arena *arena, const char *text, struct buf *out, const char **why_out)
{
	while (*text) {
		size_t len = 1;
		if (strncmp(text, "$${", 3) == 0) {
			buf_append_str(out, "${");
			len = 3;
		} else if (strncmp(text, "${", 2) == 0) {
			len = expand_one(arena, text, out, why_out);
		} else {
			buf_append_byte(out, (uint8_t)*text);
		}
		if (!len)
			return false;
		text += len;
	}
	return true;
}

static void append_option(struct buf *out, const char *keyword, const char *value)
{
	buf_printf(out, "%s%s='", out->len ? " " : "", keyword);
	for (const char *c = value; *c; c++) {
		if (*c == '\'' || *c == '\\')
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)*c);
	}
	buf_append_byte(out, '\'');
}

static bool is_secret(const PQconninfoOption *option)
{
	return strcmp(option->keyword, "password") == 0 || strcmp(option->keyword, "sslpassword") == 0;
}

static bool append_options(struct arena *arena, const PQconninfoOption *options, bool expanded, struct buf *out,
			   bool *has_password_out, const char **why_out)
{
	bool has_password = false;
	struct buf value;
	buf_init(&value);
	for (const PQconninfoOption *option = options; option->keyword; option++) {
		if (!option->val)
			continue;
		buf_clear(&value);
		if (expanded) {
			buf_append_str(&value, option->val);
		} else if (!expand(arena, option->val, &value, why_out)) {
			buf_deinit(&value);
			return false;
		}
		has_password |= is_secret(option) && !expanded && option->val[0] && !strstr(option->val, "${");
		append_option(out, option->keyword, buf_cstr(&value));
	}
	buf_deinit(&value);
	*has_password_out = has_password;
	return true;
}

/* libpq's messages may quote what follows a password with a space in it. Only
 * the name of an unknown option is taken from them, and only where no
 * password is near. */
static const char *why_invalid(struct arena *arena, const char *text, const char *message)
{
	static const char unknown[] = "invalid connection option \"";
	const char *option = message ? strstr(message, unknown) : NULL;
	if (!option || strstr(text, "password") || strstr(text, "://"))
		return "is not one that libpq understands";
	option += strlen(unknown);
	return arena_printf(arena, "has the option `%.*s`, which libpq does not know", (int)strcspn(option, "\""),
			    option);
}

static bool resolve(struct arena *arena, const char *text, bool expanded, const char **dsn_out,
		    bool *has_password_out, const char **why_out)
{
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(text, &message);
	struct buf dsn;
	if (!options)
		*why_out = why_invalid(arena, text, message);
	PQfreemem(message);
	if (!options)
		return false;
	buf_init(&dsn);
	bool ok = append_options(arena, options, expanded, &dsn, has_password_out, why_out);
	if (ok)
		*dsn_out = arena_copy(arena, buf_cstr(&dsn), dsn.len);
	PQconninfoFree(options);
	buf_deinit(&dsn);
	return ok;
}

bool dsn_resolve(struct arena *arena, const char *text, const char **dsn_out, bool *has_password_out,
		 const char **why_out)
{
	struct buf whole;
	if (strncmp(text, "${", 2) != 0)
		return resolve(arena, text, false, dsn_out, has_password_out, why_out);
	buf_init(&whole);
	bool ok = expand(arena, text, &whole, why_out) &&
		  resolve(arena, buf_cstr(&whole), true, dsn_out, has_password_out, why_out);
	buf_deinit(&whole);
	return ok;
}

/*
 * libpq itself decides, so that services, the environment and defaults count.
 * Host and port are replaced by ones that need no network and fail at once:
 * the database is settled before that.
 */
const char *dsn_database(struct arena *arena, const char *dsn)
{
	static const char *const keys[] = { "dbname", "host", "hostaddr", "port", NULL };
	const char *const values[] = { dsn, "/nonexistent", "", "1", NULL };
	PGconn *connection = PQconnectStartParams(keys, values, 1);
	const char *database = connection ? PQdb(connection) : NULL;
	if (database)
		database = arena_strdup(arena, database);
	PQfinish(connection);
	return database;
}
