#include "auth/users.h"

#include "auth/secret_file.h"
#include "base/memory.h"
#include "base/ref.h"

#include <stdlib.h>
#include <uthash.h>

struct user {
	UT_hash_handle hh;
	struct scram_verifier verifier;
	size_t name_len;
	char name[];
};

struct users {
	struct ref ref;
	struct user *by_name;
	const struct user *sample; /* the first by name: what a mock looks like */
	struct scram_key secret;   /* of mocks; stays as long as the sample's password does */
};

struct parser {
	const char *file;
	struct slice line;
	uint32_t number;
	const char *start;
	struct error *error;
};

static bool fail(struct parser *parser, const char *message)
{
	error_set(parser->error, SQLSTATE_CONFIG_FILE_ERROR, "%s", message);
	error_at(parser->error, parser->file, parser->number, (uint32_t)(parser->line.data - parser->start + 1));
	error_hint(parser->error, "A line is \"name\" \"SCRAM-SHA-256$…\", as in pg_authid.rolpassword.");
	return false;
}

static void skip_blanks(struct slice *line)
{
	while (line->len && (line->data[0] == ' ' || line->data[0] == '\t')) {
		line->data++;
		line->len--;
	}
}

/* A text in double quotes; two of them stand for one. */
static bool take_quoted(struct parser *parser, struct buf *out)
{
	struct slice *line = &parser->line;
	skip_blanks(line);
	if (!line->len || line->data[0] != '"')
		return fail(parser, "a text in double quotes is expected");
	for (size_t i = 1; i < line->len; i++) {
		if (line->data[i] != '"') {
			buf_append_byte(out, (uint8_t)line->data[i]);
		} else if (i + 1 < line->len && line->data[i + 1] == '"') {
			buf_append_byte(out, '"');
			i++;
		} else {
			*line = slice_of(line->data + i + 1, line->len - i - 1);
			return true;
		}
	}
	return fail(parser, "the closing double quote is missing");
}

static bool add_user(struct parser *parser, struct users *users, struct slice name,
		     const struct scram_verifier *verifier)
{
	if (!name.len || memchr(name.data, '\0', name.len))
		return fail(parser, "the name of a user must not be empty");
	if (users_find(users, name))
		return fail(parser, "this user is in the file twice");
	struct user *user = memory_zalloc(sizeof(*user) + name.len + 1);
	user->verifier = *verifier;
	user->name_len = name.len;
	memcpy(user->name, name.data, name.len);
	HASH_ADD_KEYPTR(hh, users->by_name, user->name, user->name_len, user);
	if (!users->sample || strcmp(user->name, users->sample->name) < 0)
		users->sample = user;
	return true;
}

static bool take_line(struct parser *parser, struct users *users, struct buf *name, struct buf *secret)
{
	struct scram_verifier verifier;
	skip_blanks(&parser->line);
	if (!parser->line.len || parser->line.data[0] == ';' || parser->line.data[0] == '#')
		return true;
	if (!take_quoted(parser, name))
		return false;
	const char *second = parser->line.data;
	if (!take_quoted(parser, secret))
		return false;
	skip_blanks(&parser->line);
	if (parser->line.len)
		return fail(parser, "there is more behind the secret");
	if (!scram_verifier_parse(buf_slice(secret), &verifier)) {
		parser->line.data = second;
		return fail(parser, "this is no SCRAM verifier");
	}
	bool ok = add_user(parser, users, buf_slice(name), &verifier);
	secret_wipe(&verifier, sizeof(verifier));
	return ok;
}

static bool take_lines(struct parser *parser, struct slice text, struct users *users)
{
	struct buf name, secret;
	bool ok = true;
	buf_init(&name);
	buf_init(&secret);
	while (ok && text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;
		parser->start = text.data;
		parser->number++;
		parser->line = slice_of(text.data, len && text.data[len - 1] == '\r' ? len - 1 : len);
		buf_clear(&name);
		buf_clear(&secret);
		ok = take_line(parser, users, &name, &secret);
		len += end != NULL;
		text = slice_of(text.data + len, text.len - len);
	}
	buf_deinit(&name);
	secret_buf_deinit(&secret);
	return ok;
}

/* Without a sample nothing lasts that others do not know: the secret is a new one each time. */
static void make_secret(struct users *users)
{
	if (users->sample)
		scram_hmac(&users->sample->verifier.stored_key, slice_str("crossfade mock authentication"), &users->secret);
	else
		scram_key_random(&users->secret);
}

struct users *users_none(void)
{
	struct users *users = memory_zalloc(sizeof(*users));
	ref_init(&users->ref);
	make_secret(users);
	return users;
}

bool users_parse(struct slice text, const char *file, struct users **users_out, struct error *error_out)
{
	struct users *users = memory_zalloc(sizeof(*users));
	struct parser parser = { .file = file, .error = error_out };
	ref_init(&users->ref);
	if (!take_lines(&parser, text, users)) {
		users_unref(users);
		return false;
	}
	make_secret(users);
	*users_out = users;
	return true;
}

bool users_load(const char *path, struct users **users_out, struct error *error_out)
{
	struct buf text;
	buf_init(&text);
	bool ok = secret_file_read(path, "the users file", &text, error_out) &&
		  users_parse(buf_slice(&text), path, users_out, error_out);
	secret_buf_deinit(&text);
	return ok;
}

struct users *users_ref(struct users *users)
{
	ref_take(&users->ref);
	return users;
}

void users_unref(struct users *users)
{
	struct user *user, *next;
	if (!users || !ref_drop(&users->ref))
		return;
	HASH_ITER(hh, users->by_name, user, next)
	{
		HASH_DEL(users->by_name, user);
		secret_wipe(&user->verifier, sizeof(user->verifier));
		free(user);
	}
	secret_wipe(users, sizeof(*users));
	free(users);
}

size_t users_count(const struct users *users)
{
	return HASH_COUNT(users->by_name);
}

const struct scram_verifier *users_find(const struct users *users, struct slice name)
{
	struct user *user = NULL;
	if (name.len)
		HASH_FIND(hh, users->by_name, name.data, name.len, user);
	return user ? &user->verifier : NULL;
}

void users_verifier(const struct users *users, struct slice name, struct scram_verifier *verifier_out,
		    bool *doomed_out)
{
	const struct scram_verifier *found = users_find(users, name);
	struct scram_verifier mock;
	scram_verifier_mock(&users->secret, users->sample ? &users->sample->verifier : NULL, name, &mock);
	*verifier_out = found ? *found : mock;
	*doomed_out = !found;
}
