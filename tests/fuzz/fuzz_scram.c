/*
 * SCRAM with a hostile client, a hostile server, and hostile files. The first
 * byte says which; a '@' in a message stands for the nonce, so that it gets
 * past the first check. Messages are separated by newlines.
 */
#include "auth/base64.h"
#include "auth/saslprep.h"
#include "auth/scram_client.h"
#include "auth/scram_message.h"
#include "auth/scram_server.h"
#include "auth/users.h"
#include "fuzz.h"

#include <stdlib.h>

static struct slice next_message(struct slice *rest)
{
	const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	struct slice message = slice_of(rest->data, len);
	len += end != NULL;
	*rest = slice_of(rest->data ? rest->data + len : NULL, rest->len - len);
	return message;
}

static void fill_in(struct slice message, struct slice nonce, struct buf *out)
{
	for (size_t i = 0; i < message.len; i++) {
		if (message.data[i] == '@')
			buf_append_slice(out, nonce);
		else
			buf_append_byte(out, (uint8_t)message.data[i]);
	}
}

static struct slice nonce_of(const struct buf *message)
{
	struct slice rest = buf_slice(message), nonce;
	return scram_expect(&rest, 'r', &nonce) ? nonce : slice_of("", 0);
}

static struct scram_verifier sample(void)
{
	static struct scram_verifier verifier;
	static bool made;
	if (!made)
		made = scram_verifier_make("pencil", (const uint8_t *)"salt", 4, 1, &verifier);
	return verifier;
}

static void as_client(struct slice rest, bool bound)
{
	struct scram_verifier verifier = sample();
	struct scram_server_start start = { &verifier, false, slice_str("u"), bound ? slice_str("hash") : slice_of(NULL, 0) };
	struct scram_server *server = scram_server_new(&start);
	struct buf answer = { 0 }, message = { 0 };
	struct error error;
	struct slice mechanism = next_message(&rest), first = next_message(&rest);
	if (scram_server_first(server, mechanism, first, &answer, &error)) {
		fill_in(next_message(&rest), nonce_of(&answer), &message);
		buf_clear(&answer);
		if (scram_server_final(server, buf_slice(&message), &answer, &error))
			abort(); /* nobody guesses a proof */
	}
	buf_deinit(&answer);
	buf_deinit(&message);
	scram_server_free(server);
}

static void as_server(struct slice rest, bool bound)
{
	struct scram_client *client = scram_client_new(bound ? slice_str("hash") : slice_of(NULL, 0));
	struct scram_login_keys keys = { 0 };
	struct buf said = { 0 }, message = { 0 };
	struct error error;
	struct slice salt;
	uint32_t iterations;
	scram_client_first(client, &said);
	const char *nonce = strstr(buf_cstr(&said), "r=") + 2;
	fill_in(next_message(&rest), slice_str(nonce), &message);
	if (scram_client_challenge(client, buf_slice(&message), &iterations, &salt, &error)) {
		if (!iterations || !salt.len)
			abort();
		buf_clear(&said);
		scram_client_answer(client, &keys, &said);
		if (scram_client_verify(client, next_message(&rest), &error))
			abort();
	}
	buf_deinit(&said);
	buf_deinit(&message);
	scram_client_free(client);
}

/* What is read can be written, and reads the same again. */
static void as_verifier(struct slice text)
{
	struct scram_verifier verifier, again;
	struct buf out = { 0 };
	if (!scram_verifier_parse(text, &verifier))
		return;
	scram_verifier_append(&verifier, &out);
	if (!scram_verifier_parse(buf_slice(&out), &again) || memcmp(&verifier, &again, sizeof(again)) != 0)
		abort();
	buf_deinit(&out);
}

static void as_users(struct slice text)
{
	struct users *users;
	struct error error;
	struct scram_verifier verifier;
	bool doomed;
	if (!users_parse(text, "users", &users, &error))
		return;
	users_verifier(users, slice_of(text.data, text.len < 8 ? text.len : 8), &verifier, &doomed);
	if (!verifier.iterations || !verifier.salt_len || verifier.salt_len > SCRAM_SALT_MAX_BYTES)
		abort();
	users_unref(users);
}

static void as_password(struct slice text)
{
	struct buf password = { 0 }, out = { 0 };
	buf_append_slice(&password, text);
	saslprep_append(&out, buf_cstr(&password));
	buf_deinit(&password);
	buf_deinit(&out);
}

static void as_base64(struct slice text)
{
	struct buf bytes = { 0 }, again = { 0 };
	if (base64_decode(text, &bytes)) {
		base64_append(&again, bytes.data, bytes.len);
		if (!slice_eq(text, buf_slice(&again)))
			abort();
	}
	buf_deinit(&bytes);
	buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct slice rest = slice_of((const char *)data + 1, size - 1);
	switch (data[0]) {
	case 'c': as_client(rest, false); break;
	case 'C': as_client(rest, true); break;
	case 's': as_server(rest, false); break;
	case 'S': as_server(rest, true); break;
	case 'v': as_verifier(rest); break;
	case 'u': as_users(rest); break;
	case 'p': as_password(rest); break;
	case 'b': as_base64(rest); break;
	default: break;
	}
	return 0;
}
