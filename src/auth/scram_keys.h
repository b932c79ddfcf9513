/*
 * The keys of SCRAM-SHA-256 (RFC 5802, 7677): how they come from a password,
 * and the verifier that PostgreSQL keeps in pg_authid.rolpassword:
 *
 *   SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
 */
#ifndef CROSSFADE_AUTH_SCRAM_KEYS_H
#define CROSSFADE_AUTH_SCRAM_KEYS_H

#include "base/buf.h"

enum {
	SCRAM_KEY_BYTES = 32,
	SCRAM_SALT_MAX_BYTES = 512,
	SCRAM_MESSAGE_MAX_BYTES = 1024, /* PostgreSQL's own bound for what a client says */
};

struct scram_key {
	uint8_t bytes[SCRAM_KEY_BYTES];
};

struct scram_verifier {
	uint32_t iterations;
	size_t salt_len;
	uint8_t salt[SCRAM_SALT_MAX_BYTES];
	struct scram_key stored_key, server_key;
};

/* False: it is none; a password or an md5 hash, perhaps. */
bool scram_verifier_parse(struct slice text, struct scram_verifier *verifier_out);
void scram_verifier_append(const struct scram_verifier *verifier, struct buf *out);
/* What the server would keep for this password. */
bool scram_verifier_make(const char *password, const uint8_t *salt, size_t salt_len, uint32_t iterations,
			 struct scram_verifier *verifier_out);
/*
 * For a user that does not exist: salt and iterations as another one's, always
 * the same for the same name and secret, and no proof that fits.
 */
void scram_verifier_mock(const struct scram_key *secret, const struct scram_verifier *like, struct slice user,
			 struct scram_verifier *verifier_out);
bool scram_verifier_same_salt(const struct scram_verifier *verifier, uint32_t iterations, struct slice salt);

/* Hi(): takes as long as iterations say. password: as saslprep_append gives it. */
bool scram_salted_password(struct slice password, struct slice salt, uint32_t iterations, struct scram_key *key_out);
void scram_hmac(const struct scram_key *key, struct slice text, struct scram_key *mac_out);
void scram_client_key(const struct scram_key *salted, struct scram_key *key_out);
void scram_server_key(const struct scram_key *salted, struct scram_key *key_out);
void scram_key_random(struct scram_key *key_out);
void scram_hash(const void *data, size_t len, struct scram_key *hash_out);
/* In the same time whatever they are. */
bool scram_key_equal(const struct scram_key *a, const struct scram_key *b);
void scram_key_xor(const struct scram_key *a, const struct scram_key *b, struct scram_key *key_out);

/* Overwrites a secret before its memory goes. */
void secret_wipe(void *data, size_t len);
void secret_buf_deinit(struct buf *buf);

#endif
