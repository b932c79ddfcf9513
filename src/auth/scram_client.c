#include "auth/scram_client.h"

#include "auth/base64.h"
#include "auth/saslprep.h"
#include "auth/scram_message.h"
#include "base/memory.h"

#include <stdlib.h>

struct scram_client {
	struct buf end_point;
	struct buf nonce; /* ours, then both sides' */
	struct buf salt;
	struct buf signed_text;
	struct scram_key server_key;
};

struct scram_client *scram_client_new(struct slice end_point)
{
	struct scram_client *client = memory_zalloc(sizeof(*client));
	buf_append_slice(&client->end_point, end_point);
	scram_append_nonce(&client->nonce);
	return client;
}

void scram_client_free(struct scram_client *client)
{
	if (!client)
		return;
	buf_deinit(&client->end_point);
	buf_deinit(&client->nonce);
	buf_deinit(&client->salt);
	secret_buf_deinit(&client->signed_text);
	secret_wipe(client, sizeof(*client));
	free(client);
}

const char *scram_client_mechanism(const struct scram_client *client)
{
	return client->end_point.len ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256;
}

static const char *header(const struct scram_client *client)
{
	return client->end_point.len ? "p=" SCRAM_BINDING_END_POINT ",," : "n,,";
}

/* Without a user: the startup packet has named it. */
void scram_client_first(struct scram_client *client, struct buf *out)
{
	buf_append_str(&client->signed_text, "n=,r=");
	buf_append_slice(&client->signed_text, buf_slice(&client->nonce));
	buf_append_str(out, header(client));
	buf_append_slice(out, buf_slice(&client->signed_text));
}

static bool refuse(struct error *error_out, const char *detail)
{
	error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "the server's SCRAM message is malformed");
	error_detail(error_out, "%s", detail);
	return false;
}

static bool read_iterations(struct slice text, uint32_t *iterations_out)
{
	uint64_t number = 0;
	for (size_t i = 0; i < text.len && number <= INT32_MAX; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (!number || number > INT32_MAX)
		return false;
	*iterations_out = (uint32_t)number;
	return true;
}

static bool take_nonce(struct scram_client *client, struct slice nonce)
{
	size_t own = client->nonce.len;
	if (!scram_nonce_valid(nonce) || nonce.len <= own || memcmp(nonce.data, client->nonce.data, own) != 0)
		return false;
	buf_clear(&client->nonce);
	buf_append_slice(&client->nonce, nonce);
	return true;
}

bool scram_client_challenge(struct scram_client *client, struct slice message, uint32_t *iterations_out,
			    struct slice *salt_out, struct error *error_out)
{
	struct slice rest = message, nonce, salt, iterations;
	uint32_t count;
	if (!scram_expect(&rest, 'r', &nonce) || !take_nonce(client, nonce))
		return refuse(error_out, "Its nonce does not begin with ours.");
	if (!scram_expect(&rest, 's', &salt) || !base64_decode(salt, &client->salt) || !client->salt.len)
		return refuse(error_out, "It has no salt.");
	if (!scram_expect(&rest, 'i', &iterations) || !read_iterations(iterations, &count))
		return refuse(error_out, "It has no iteration count.");
	buf_append_byte(&client->signed_text, ',');
	buf_append_slice(&client->signed_text, message);
	*iterations_out = count;
	*salt_out = buf_slice(&client->salt);
	return true;
}

static void append_without_proof(const struct scram_client *client, struct buf *out)
{
	struct buf binding;
	buf_init(&binding);
	buf_append_str(&binding, header(client));
	buf_append_slice(&binding, buf_slice(&client->end_point));
	buf_append_str(out, "c=");
	base64_append(out, binding.data, binding.len);
	buf_append_str(out, ",r=");
	buf_append_slice(out, buf_slice(&client->nonce));
	buf_deinit(&binding);
}

void scram_client_answer(struct scram_client *client, const struct scram_login_keys *keys, struct buf *out)
{
	struct scram_key stored_key, signature, proof;
	size_t start = client->signed_text.len + 1;
	client->server_key = keys->server_key;
	buf_append_byte(&client->signed_text, ',');
	append_without_proof(client, &client->signed_text);
	scram_hash(keys->client_key.bytes, SCRAM_KEY_BYTES, &stored_key);
	scram_hmac(&stored_key, buf_slice(&client->signed_text), &signature);
	scram_key_xor(&keys->client_key, &signature, &proof);
	buf_append(out, client->signed_text.data + start, client->signed_text.len - start);
	buf_append_str(out, ",p=");
	base64_append(out, proof.bytes, SCRAM_KEY_BYTES);
	secret_wipe(&stored_key, sizeof(stored_key));
}

bool scram_client_verify(struct scram_client *client, struct slice message, struct error *error_out)
{
	struct slice rest = message, value;
	struct scram_key want, got;
	struct buf bytes;
	if (!scram_expect(&rest, 'v', &value) || rest.len)
		return refuse(error_out, "It has no signature.");
	buf_init(&bytes);
	bool ok = base64_decode(value, &bytes) && bytes.len == SCRAM_KEY_BYTES;
	if (ok)
		memcpy(got.bytes, bytes.data, SCRAM_KEY_BYTES);
	buf_deinit(&bytes);
	scram_hmac(&client->server_key, buf_slice(&client->signed_text), &want);
	if (ok && scram_key_equal(&want, &got))
		return true;
	error_set(error_out, SQLSTATE_CONNECTION_FAILURE, "the server does not know this user's password");
	error_detail(error_out, "Its SCRAM signature is wrong: it may be another server than it says.");
	return false;
}

bool scram_login_keys_from(const char *password, struct slice salt, uint32_t iterations,
			   struct scram_login_keys *keys_out)
{
	struct scram_key salted;
	struct buf prepared;
	buf_init(&prepared);
	saslprep_append(&prepared, password);
	bool ok = scram_salted_password(buf_slice(&prepared), salt, iterations, &salted);
	if (ok) {
		scram_client_key(&salted, &keys_out->client_key);
		scram_server_key(&salted, &keys_out->server_key);
	}
	secret_wipe(&salted, sizeof(salted));
	secret_buf_deinit(&prepared);
	return ok;
}
