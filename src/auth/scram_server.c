#include "auth/scram_server.h"

#include "auth/base64.h"
#include "auth/scram_message.h"
#include "base/memory.h"

#include <stdlib.h>

struct scram_server {
	struct scram_verifier verifier;
	bool doomed, bound; /* bound: to the TLS channel, as the client chose */
	char *user;
	struct buf end_point;
	struct buf header;  /* the client's GS2 header: flag and commas */
	struct buf nonce;   /* both sides' together */
	struct buf signed_text; /* the AuthMessage, as far as it has come */
	struct scram_key client_key;
};

struct scram_server *scram_server_new(const struct scram_server_start *start)
{
	struct scram_server *server = memory_zalloc(sizeof(*server));
	server->verifier = *start->verifier;
	server->doomed = start->doomed;
	server->user = memory_copy(start->user.len ? start->user.data : "", start->user.len);
	buf_append_slice(&server->end_point, start->end_point);
	return server;
}

void scram_server_free(struct scram_server *server)
{
	if (!server)
		return;
	free(server->user);
	buf_deinit(&server->end_point);
	buf_deinit(&server->header);
	buf_deinit(&server->nonce);
	secret_buf_deinit(&server->signed_text);
	secret_wipe(server, sizeof(*server));
	free(server);
}

static bool malformed(struct error *error_out, const char *detail)
{
	error_set(error_out, SQLSTATE_PROTOCOL_VIOLATION, "malformed SCRAM message");
	error_detail(error_out, "%s", detail);
	return false;
}

static bool refuse(struct error *error_out, const char *sqlstate, const char *message)
{
	error_set(error_out, sqlstate, "%s", message);
	return false;
}

/* A NUL in it would end it early in some reader's eyes. */
static bool check_text(struct slice message, struct error *error_out)
{
	if (!message.len)
		return malformed(error_out, "The message is empty.");
	if (message.len > SCRAM_MESSAGE_MAX_BYTES)
		return malformed(error_out, "The message is too long.");
	if (memchr(message.data, '\0', message.len))
		return malformed(error_out, "The message has a zero byte in it.");
	return true;
}

/* ---- first message ---- */

static bool choose_mechanism(struct scram_server *server, struct slice mechanism, struct error *error_out)
{
	server->bound = server->end_point.len && slice_is(mechanism, SCRAM_SHA_256_PLUS);
	return server->bound || slice_is(mechanism, SCRAM_SHA_256) ||
	       refuse(error_out, SQLSTATE_PROTOCOL_VIOLATION, "client selected an invalid SASL authentication mechanism");
}

/* 'n': the client cannot bind; 'y': it could, but believes that we cannot; 'p=TYPE': it does. */
static bool check_flag(const struct scram_server *server, struct slice flag, struct error *error_out)
{
	if (slice_is(flag, "n") || slice_is(flag, "y")) {
		if (server->bound)
			return malformed(error_out, "The client chose channel binding, but its message has none.");
		if (flag.data[0] == 'n' || !server->end_point.len)
			return true;
		refuse(error_out, SQLSTATE_INVALID_AUTHORIZATION, "SCRAM channel binding negotiation error");
		error_detail(error_out, "The client supports SCRAM channel binding and thinks that crossfade does "
					"not, but it does.");
		error_hint(error_out, "Something between client and crossfade may be changing what is said.");
		return false;
	}
	if (flag.len < 2 || memcmp(flag.data, "p=", 2) != 0)
		return malformed(error_out, "The channel-binding flag is none of n, y and p.");
	if (!server->bound)
		return malformed(error_out, "The client chose no channel binding, but its message has some.");
	return slice_is(flag, "p=" SCRAM_BINDING_END_POINT) ||
	       refuse(error_out, SQLSTATE_PROTOCOL_VIOLATION, "unsupported SCRAM channel-binding type");
}

/* "n,,": flag, authorization identity; what follows is signed later. */
static bool take_header(struct scram_server *server, struct slice *message, struct error *error_out)
{
	const char *first = memchr(message->data, ',', message->len);
	if (!first)
		return malformed(error_out, "A comma is missing behind the channel-binding flag.");
	struct slice flag = slice_of(message->data, (size_t)(first - message->data));
	struct slice rest = slice_of(first + 1, message->len - flag.len - 1);
	if (!check_flag(server, flag, error_out))
		return false;
	if (rest.len && rest.data[0] == 'a')
		return refuse(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED,
			      "client uses authorization identity, but it is not supported");
	if (!rest.len || rest.data[0] != ',')
		return malformed(error_out, "A comma is missing behind the authorization identity.");
	buf_append(&server->header, message->data, flag.len + 2);
	*message = slice_of(rest.data + 1, rest.len - 1);
	return true;
}

static bool take_client_nonce(struct scram_server *server, struct slice message, struct error *error_out)
{
	struct slice user, nonce, value;
	char name;
	if (message.len && message.data[0] == 'm')
		return refuse(error_out, SQLSTATE_FEATURE_NOT_SUPPORTED,
			      "client requires an unsupported SCRAM extension");
	if (!scram_expect(&message, 'n', &user) || !scram_expect(&message, 'r', &nonce))
		return malformed(error_out, "User name and nonce were expected.");
	if (!scram_nonce_valid(nonce))
		return refuse(error_out, SQLSTATE_PROTOCOL_VIOLATION, "non-printable characters in SCRAM nonce");
	while (message.len) {
		if (!scram_next(&message, &name, &value))
			return malformed(error_out, "An attribute was expected.");
	}
	buf_append_slice(&server->nonce, nonce);
	return true;
}

static void append_challenge(struct scram_server *server, struct buf *out)
{
	struct slice nonce = buf_slice(&server->nonce);
	buf_append_str(out, "r=");
	buf_append_slice(out, nonce);
	buf_append_str(out, ",s=");
	base64_append(out, server->verifier.salt, server->verifier.salt_len);
	buf_printf(out, ",i=%u", server->verifier.iterations);
}

bool scram_server_first(struct scram_server *server, struct slice mechanism, struct slice message, struct buf *out,
			struct error *error_out)
{
	if (!choose_mechanism(server, mechanism, error_out) || !check_text(message, error_out) ||
	    !take_header(server, &message, error_out) || !take_client_nonce(server, message, error_out))
		return false;
	scram_append_nonce(&server->nonce);
	buf_append_slice(&server->signed_text, message);
	buf_append_byte(&server->signed_text, ',');
	append_challenge(server, &server->signed_text);
	buf_append(out, server->signed_text.data + message.len + 1, server->signed_text.len - message.len - 1);
	buf_append_byte(&server->signed_text, ',');
	return true;
}

/* ---- last message ---- */

static bool check_binding(const struct scram_server *server, struct slice text, struct error *error_out)
{
	struct buf want, encoded;
	buf_init(&want);
	buf_init(&encoded);
	buf_append_slice(&want, buf_slice(&server->header));
	if (server->bound)
		buf_append_slice(&want, buf_slice(&server->end_point));
	base64_append(&encoded, want.data, want.len);
	bool same = slice_eq(text, buf_slice(&encoded));
	buf_deinit(&want);
	buf_deinit(&encoded);
	if (same)
		return true;
	if (!server->bound)
		return refuse(error_out, SQLSTATE_PROTOCOL_VIOLATION,
			      "unexpected SCRAM channel-binding attribute in client-final-message");
	refuse(error_out, SQLSTATE_INVALID_AUTHORIZATION, "SCRAM channel binding check failed");
	error_hint(error_out, "The client's TLS connection ends elsewhere: is another proxy in between?");
	return false;
}

/* *signed_len_out: of the message without the proof and its comma. */
static bool take_proof(struct slice message, struct slice rest, struct scram_key *proof_out, size_t *signed_len_out,
		       struct error *error_out)
{
	struct slice value;
	struct buf proof;
	char name;
	size_t start;
	do {
		start = (size_t)(rest.data - message.data);
		if (!scram_next(&rest, &name, &value))
			return malformed(error_out, "The proof is missing.");
	} while (name != 'p');
	buf_init(&proof);
	bool ok = base64_decode(value, &proof) && proof.len == SCRAM_KEY_BYTES;
	if (ok)
		memcpy(proof_out->bytes, proof.data, SCRAM_KEY_BYTES);
	secret_buf_deinit(&proof);
	if (!ok)
		return malformed(error_out, "The proof is malformed.");
	if (rest.len || message.data[message.len - 1] == ',')
		return malformed(error_out, "There is something behind the proof.");
	*signed_len_out = start - 1;
	return true;
}

static bool check_proof(struct scram_server *server, const struct scram_key *proof)
{
	struct scram_key signature, hash;
	scram_hmac(&server->verifier.stored_key, buf_slice(&server->signed_text), &signature);
	scram_key_xor(proof, &signature, &server->client_key);
	scram_hash(server->client_key.bytes, SCRAM_KEY_BYTES, &hash);
	bool same = scram_key_equal(&hash, &server->verifier.stored_key);
	return same && !server->doomed;
}

static void append_server_proof(const struct scram_server *server, struct buf *out)
{
	struct scram_key signature;
	scram_hmac(&server->verifier.server_key, buf_slice(&server->signed_text), &signature);
	buf_append_str(out, "v=");
	base64_append(out, signature.bytes, SCRAM_KEY_BYTES);
}

bool scram_server_final(struct scram_server *server, struct slice message, struct buf *out, struct error *error_out)
{
	struct slice rest = message, binding, nonce;
	struct scram_key proof;
	size_t signed_len;
	if (!check_text(message, error_out))
		return false;
	if (!scram_expect(&rest, 'c', &binding))
		return malformed(error_out, "The channel binding is missing.");
	if (!check_binding(server, binding, error_out))
		return false;
	if (!scram_expect(&rest, 'r', &nonce))
		return malformed(error_out, "The nonce is missing.");
	if (!take_proof(message, rest, &proof, &signed_len, error_out))
		return false;
	if (!slice_eq(nonce, buf_slice(&server->nonce))) {
		refuse(error_out, SQLSTATE_PROTOCOL_VIOLATION, "invalid SCRAM response");
		error_detail(error_out, "Nonce does not match.");
		return false;
	}
	buf_append(&server->signed_text, message.data, signed_len);
	bool right = check_proof(server, &proof);
	secret_wipe(&proof, sizeof(proof));
	if (!right) {
		error_set(error_out, SQLSTATE_INVALID_PASSWORD, "password authentication failed for user \"%s\"",
			  server->user);
		return false;
	}
	append_server_proof(server, out);
	return true;
}

const struct scram_key *scram_server_client_key(const struct scram_server *server)
{
	return &server->client_key;
}
