#include "auth/scram_keys.h"

#include "auth/base64.h"
#include "auth/saslprep.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>

#define PREFIX "SCRAM-SHA-256$"

void secret_wipe(void *data, size_t len)
{
	if (data)
		OPENSSL_cleanse(data, len);
}

void secret_buf_deinit(struct buf *buf)
{
	secret_wipe(buf->data, buf->capacity);
	buf_deinit(buf);
}

/* ---- keys ---- */

void scram_key_random(struct scram_key *key_out)
{
	if (RAND_bytes(key_out->bytes, SCRAM_KEY_BYTES) != 1)
		abort(); /* a secret that can be guessed would be worse */
}

void scram_hash(const void *data, size_t len, struct scram_key *hash_out)
{
	SHA256(data, len, hash_out->bytes);
}

void scram_hmac(const struct scram_key *key, struct slice text, struct scram_key *mac_out)
{
	HMAC(EVP_sha256(), key->bytes, SCRAM_KEY_BYTES, (const unsigned char *)text.data, text.len, mac_out->bytes,
	     NULL);
}

bool scram_salted_password(struct slice password, struct slice salt, uint32_t iterations, struct scram_key *key_out)
{
	return PKCS5_PBKDF2_HMAC(password.len ? password.data : "", (int)password.len,
				 (const unsigned char *)salt.data, (int)salt.len, (int)iterations, EVP_sha256(),
				 SCRAM_KEY_BYTES, key_out->bytes) == 1;
}

void scram_client_key(const struct scram_key *salted, struct scram_key *key_out)
{
	scram_hmac(salted, slice_str("Client Key"), key_out);
}

void scram_server_key(const struct scram_key *salted, struct scram_key *key_out)
{
	scram_hmac(salted, slice_str("Server Key"), key_out);
}

bool scram_key_equal(const struct scram_key *a, const struct scram_key *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, SCRAM_KEY_BYTES) == 0;
}

void scram_key_xor(const struct scram_key *a, const struct scram_key *b, struct scram_key *key_out)
{
	for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
		key_out->bytes[i] = a->bytes[i] ^ b->bytes[i];
}

/* ---- verifiers ---- */

/* What stands before the separator, which goes too. */
static bool take_until(struct slice *text, char separator, struct slice *part_out)
{
	const char *at = text->len ? memchr(text->data, separator, text->len) : NULL;
	if (!at)
		return false;
	*part_out = slice_of(text->data, (size_t)(at - text->data));
	*text = slice_of(at + 1, text->len - part_out->len - 1);
	return true;
}

static bool read_iterations(struct slice text, uint32_t *iterations_out)
{
	uint64_t number = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || number > INT32_MAX)
			return false;
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (!number || number > INT32_MAX)
		return false;
	*iterations_out = (uint32_t)number;
	return true;
}

static bool read_key(struct slice text, struct scram_key *key_out)
{
	struct buf bytes;
	buf_init(&bytes);
	bool ok = base64_decode(text, &bytes) && bytes.len == SCRAM_KEY_BYTES;
	if (ok)
		memcpy(key_out->bytes, bytes.data, SCRAM_KEY_BYTES);
	secret_buf_deinit(&bytes);
	return ok;
}

static bool read_salt(struct slice text, struct scram_verifier *verifier)
{
	struct buf bytes;
	buf_init(&bytes);
	bool ok = base64_decode(text, &bytes) && bytes.len && bytes.len <= SCRAM_SALT_MAX_BYTES;
	if (ok) {
		memcpy(verifier->salt, bytes.data, bytes.len);
		verifier->salt_len = bytes.len;
	}
	buf_deinit(&bytes);
	return ok;
}

bool scram_verifier_parse(struct slice text, struct scram_verifier *verifier_out)
{
	struct scram_verifier verifier = { 0 };
	struct slice iterations, salt, stored_key;
	size_t prefix = strlen(PREFIX);
	if (text.len < prefix || memcmp(text.data, PREFIX, prefix) != 0)
		return false;
	text = slice_of(text.data + prefix, text.len - prefix);
	if (!take_until(&text, ':', &iterations) || !take_until(&text, '$', &salt) ||
	    !take_until(&text, ':', &stored_key))
		return false;
	if (!read_iterations(iterations, &verifier.iterations) || !read_salt(salt, &verifier) ||
	    !read_key(stored_key, &verifier.stored_key) || !read_key(text, &verifier.server_key))
		return false;
	*verifier_out = verifier;
	return true;
}

void scram_verifier_append(const struct scram_verifier *verifier, struct buf *out)
{
	buf_printf(out, PREFIX "%u:", verifier->iterations);
	base64_append(out, verifier->salt, verifier->salt_len);
	buf_append_byte(out, '$');
	base64_append(out, verifier->stored_key.bytes, SCRAM_KEY_BYTES);
	buf_append_byte(out, ':');
	base64_append(out, verifier->server_key.bytes, SCRAM_KEY_BYTES);
}

bool scram_verifier_make(const char *password, const uint8_t *salt, size_t salt_len, uint32_t iterations,
			 struct scram_verifier *verifier_out)
{
	struct scram_verifier verifier = { .iterations = iterations, .salt_len = salt_len };
	struct scram_key salted, client_key;
	struct buf prepared;
	if (!salt_len || salt_len > SCRAM_SALT_MAX_BYTES)
		return false;
	memcpy(verifier.salt, salt, salt_len);
	buf_init(&prepared);
	saslprep_append(&prepared, password);
	bool ok = scram_salted_password(buf_slice(&prepared), slice_of((const char *)salt, salt_len), iterations,
					&salted);
	scram_client_key(&salted, &client_key);
	scram_hash(client_key.bytes, SCRAM_KEY_BYTES, &verifier.stored_key);
	scram_server_key(&salted, &verifier.server_key);
	secret_wipe(&salted, sizeof(salted));
	secret_wipe(&client_key, sizeof(client_key));
	secret_buf_deinit(&prepared);
	if (ok)
		*verifier_out = verifier;
	return ok;
}

void scram_verifier_mock(const struct scram_key *secret, const struct scram_verifier *like, struct slice user,
			 struct scram_verifier *verifier_out)
{
	enum { USUAL_ITERATIONS = 4096, USUAL_SALT_BYTES = 16 };
	struct scram_verifier verifier = { .iterations = like ? like->iterations : USUAL_ITERATIONS,
					   .salt_len = like ? like->salt_len : USUAL_SALT_BYTES };
	struct scram_key block;
	scram_hmac(secret, user, &block);
	for (size_t at = 0; at < verifier.salt_len; at += SCRAM_KEY_BYTES) {
		size_t left = verifier.salt_len - at;
		memcpy(verifier.salt + at, block.bytes, left < SCRAM_KEY_BYTES ? left : SCRAM_KEY_BYTES);
		scram_hmac(secret, slice_of((const char *)block.bytes, SCRAM_KEY_BYTES), &block);
	}
	scram_hmac(secret, slice_of((const char *)block.bytes, SCRAM_KEY_BYTES), &verifier.stored_key);
	scram_hmac(secret, slice_of((const char *)verifier.stored_key.bytes, SCRAM_KEY_BYTES), &verifier.server_key);
	*verifier_out = verifier;
}

bool scram_verifier_same_salt(const struct scram_verifier *verifier, uint32_t iterations, struct slice salt)
{
	return verifier->iterations == iterations &&
	       slice_eq(slice_of((const char *)verifier->salt, verifier->salt_len), salt);
}
