#include "auth/base64.h"
#include "auth/password.h"
#include "auth/saslprep.h"
#include "auth/scram_client.h"
#include "auth/scram_server.h"

#include <criterion/criterion.h>

static struct scram_verifier verifier_of(const char *password, size_t salt_len, uint32_t iterations)
{
	uint8_t salt[SCRAM_SALT_MAX_BYTES];
	struct scram_verifier verifier;
	for (size_t i = 0; i < salt_len; i++)
		salt[i] = (uint8_t)(i * 7 + 1);
	cr_assert(scram_verifier_make(password, salt, salt_len, iterations, &verifier));
	return verifier;
}

/* ---- a whole exchange between our two sides ---- */

struct exchange {
	struct scram_verifier verifier;
	const char *password; /* the client's */
	const char *server_end_point, *client_end_point;
	bool doomed;
	struct error error;
	struct scram_key client_key;
};

static struct slice text_or_none(const char *text)
{
	return text ? slice_str(text) : slice_of(NULL, 0);
}

static bool talk(struct exchange *exchange, struct scram_server *server, struct scram_client *client)
{
	struct buf out = { 0 }, in = { 0 };
	struct scram_login_keys keys;
	struct slice salt;
	uint32_t iterations;
	scram_client_first(client, &out);
	bool ok = scram_server_first(server, slice_str(scram_client_mechanism(client)), buf_slice(&out), &in,
				     &exchange->error) &&
		  scram_client_challenge(client, buf_slice(&in), &iterations, &salt, &exchange->error) &&
		  scram_login_keys_from(exchange->password, salt, iterations, &keys);
	if (ok) {
		cr_assert(scram_verifier_same_salt(&exchange->verifier, iterations, salt));
		buf_clear(&out);
		buf_clear(&in);
		scram_client_answer(client, &keys, &out);
		ok = scram_server_final(server, buf_slice(&out), &in, &exchange->error) &&
		     scram_client_verify(client, buf_slice(&in), &exchange->error);
		exchange->client_key = *scram_server_client_key(server);
	}
	buf_deinit(&out);
	buf_deinit(&in);
	return ok;
}

static bool run(struct exchange *exchange)
{
	struct scram_server_start start = { &exchange->verifier, exchange->doomed, slice_str("alice"),
					    text_or_none(exchange->server_end_point) };
	struct scram_server *server = scram_server_new(&start);
	struct scram_client *client = scram_client_new(text_or_none(exchange->client_end_point));
	bool ok = talk(exchange, server, client);
	scram_server_free(server);
	scram_client_free(client);
	return ok;
}

Test(scram, the_right_password_gets_in_and_gives_away_the_clients_key)
{
	static const size_t salts[] = { 1, 7, 16, 32, 33, 100, SCRAM_SALT_MAX_BYTES };
	for (size_t i = 0; i < sizeof(salts) / sizeof(salts[0]); i++) {
		struct exchange exchange = { .verifier = verifier_of("pencil", salts[i], 1 + (uint32_t)i * 999),
					     .password = "pencil" };
		struct scram_key stored;
		cr_assert(run(&exchange), "salt of %zu bytes: %s", salts[i], exchange.error.detail);
		scram_hash(exchange.client_key.bytes, SCRAM_KEY_BYTES, &stored);
		cr_assert(scram_key_equal(&stored, &exchange.verifier.stored_key));
	}
}

Test(scram, a_wrong_password_or_a_mock_fails_at_the_end)
{
	struct exchange wrong = { .verifier = verifier_of("pencil", 16, 10), .password = "pencils" };
	struct exchange mock = { .verifier = verifier_of("pencil", 16, 10), .password = "pencil", .doomed = true };
	cr_assert_not(run(&wrong));
	cr_assert_str_eq(wrong.error.sqlstate, "28P01");
	cr_assert_str_eq(wrong.error.message, "password authentication failed for user \"alice\"");
	cr_assert_not(run(&mock));
	cr_assert_str_eq(mock.error.message, wrong.error.message);
}

Test(scram, channel_binding_holds_only_on_the_same_channel)
{
	struct exchange same = { .verifier = verifier_of("pencil", 16, 10), .password = "pencil",
				 .server_end_point = "hash of a certificate", .client_end_point = "hash of a certificate" };
	struct exchange between = same, unbound = same;
	between.client_end_point = "hash of another one..";
	unbound.client_end_point = NULL;
	cr_assert(run(&same), "%s", same.error.message);
	cr_assert_not(run(&between));
	cr_assert_str_eq(between.error.message, "SCRAM channel binding check failed");
	cr_assert_str_eq(between.error.sqlstate, "28000");
	cr_assert(run(&unbound), "a client that cannot bind may come in without: %s", unbound.error.message);
}

Test(scram, example_of_rfc_7677)
{
	static const char message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
				      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
				      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct buf salt = { 0 }, text = { 0 };
	struct scram_login_keys keys;
	struct scram_key stored, signature, proof;
	cr_assert(base64_decode(slice_str("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt));
	cr_assert(scram_login_keys_from("pencil", buf_slice(&salt), 4096, &keys));
	scram_hash(keys.client_key.bytes, SCRAM_KEY_BYTES, &stored);
	scram_hmac(&stored, slice_str(message), &signature);
	scram_key_xor(&keys.client_key, &signature, &proof);
	base64_append(&text, proof.bytes, SCRAM_KEY_BYTES);
	cr_assert_str_eq(buf_cstr(&text), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	buf_clear(&text);
	scram_hmac(&keys.server_key, slice_str(message), &signature);
	base64_append(&text, signature.bytes, SCRAM_KEY_BYTES);
	cr_assert_str_eq(buf_cstr(&text), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	buf_deinit(&salt);
	buf_deinit(&text);
}

/* ---- verifiers ---- */

Test(scram, a_verifier_survives_being_written_and_read)
{
	struct scram_verifier verifier = verifier_of("p", 19, 4096), read;
	struct buf text = { 0 };
	scram_verifier_append(&verifier, &text);
	cr_assert(scram_verifier_parse(buf_slice(&text), &read));
	cr_assert_eq(memcmp(&verifier, &read, sizeof(read)), 0);
	buf_deinit(&text);
}

Test(scram, texts_that_are_no_verifier)
{
	static const char *const wrong[] = {
		"", "secret", "md5c5e478d59288c841aa530db6845c4c8d", "SCRAM-SHA-256", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096",
		"SCRAM-SHA-256$4096:AAAA$AAAA:AAAA", "SCRAM-SHA-256$0:AAAA$", "SCRAM-SHA-256$99999999999:AAAA$A:A",
		"SCRAM-SHA-256$-1:AAAA$", "SCRAM-SHA-256$4096:$", "SCRAM-SHA-1$4096:AAAA$",
	};
	struct scram_verifier verifier;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_not(scram_verifier_parse(slice_str(wrong[i]), &verifier), "%s", wrong[i]);
}

/* ---- hostile clients ---- */

static bool first(const char *mechanism, struct slice message, const char *end_point, struct error *error_out)
{
	struct scram_verifier verifier = verifier_of("pencil", 16, 1);
	struct scram_server_start start = { &verifier, false, slice_str("alice"), text_or_none(end_point) };
	struct scram_server *server = scram_server_new(&start);
	struct buf out = { 0 };
	bool ok = scram_server_first(server, slice_str(mechanism), message, &out, error_out);
	cr_assert_eq(ok, out.len > 0);
	buf_deinit(&out);
	scram_server_free(server);
	return ok;
}

Test(scram, first_messages_that_are_refused_as_postgresql_does)
{
	static const struct {
		const char *mechanism, *message, *end_point, *sqlstate;
	} cases[] = {
		{ "SCRAM-SHA-256", "", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,,", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,,n=", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,,n=,r=", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,,r=abc", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,,n=,r=a b", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,,n=,r=a\x7f", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,,n=,r=a,!", NULL, "08P01" },
		{ "SCRAM-SHA-256", "x,,n=,r=abc", NULL, "08P01" },
		{ "SCRAM-SHA-256", "n,a=bob,n=,r=abc", NULL, "0A000" },
		{ "SCRAM-SHA-256", "n,,m=ext,n=,r=abc", NULL, "0A000" },
		{ "SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc", NULL, "08P01" },
		{ "SCRAM-SHA-256", "y,,n=,r=abc", "hash", "28000" },
		{ "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc", NULL, "08P01" },
		{ "SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc", "hash", "08P01" },
		{ "SCRAM-SHA-256-PLUS", "n,,n=,r=abc", "hash", "08P01" },
		{ "SCRAM-SHA-1", "n,,n=,r=abc", NULL, "08P01" },
		{ "", "n,,n=,r=abc", NULL, "08P01" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error error;
		cr_assert_not(first(cases[i].mechanism, slice_str(cases[i].message), cases[i].end_point, &error), "%s",
			      cases[i].message);
		cr_assert_str_eq(error.sqlstate, cases[i].sqlstate, "%s: %s", cases[i].message, error.message);
	}
}

Test(scram, first_messages_that_are_taken)
{
	struct error error;
	cr_assert(first("SCRAM-SHA-256", slice_str("n,,n=,r=abc"), NULL, &error));
	cr_assert(first("SCRAM-SHA-256", slice_str("n,,n=somebody,r=abc,x=extension"), NULL, &error));
	cr_assert(first("SCRAM-SHA-256", slice_str("y,,n=,r=abc"), NULL, &error));
	cr_assert(first("SCRAM-SHA-256", slice_str("n,,n=,r=abc"), "hash", &error));
	cr_assert(first("SCRAM-SHA-256-PLUS", slice_str("p=tls-server-end-point,,n=,r=abc"), "hash", &error));
}

Test(scram, a_zero_byte_and_a_nonce_without_end_are_refused)
{
	static const char zero[] = "n,,n=,r=abc\0def";
	char longest[SCRAM_MESSAGE_MAX_BYTES + 1];
	struct error error;
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "n,,n=,r=", 8);
	cr_assert_not(first("SCRAM-SHA-256", slice_of(zero, sizeof(zero) - 1), NULL, &error));
	cr_assert_not(first("SCRAM-SHA-256", slice_of(longest, sizeof(longest)), NULL, &error));
	cr_assert(first("SCRAM-SHA-256", slice_of(longest, sizeof(longest) - 1), NULL, &error));
}

static const char *final_state(const char *message)
{
	static struct error error;
	struct scram_verifier verifier = verifier_of("pencil", 16, 1);
	struct scram_server_start start = { &verifier, false, slice_str("alice"), slice_of(NULL, 0) };
	struct scram_server *server = scram_server_new(&start);
	struct buf out = { 0 }, text = { 0 };
	cr_assert(scram_server_first(server, slice_str("SCRAM-SHA-256"), slice_str("n,,n=,r=abc"), &out, &error));
	const char *nonce = strchr(out.data, '=') + 1;
	for (; *message; message++) {
		if (*message == '@')
			buf_append(&text, nonce, 27);
		else
			buf_append_byte(&text, (uint8_t)*message);
	}
	buf_clear(&out);
	cr_assert_not(scram_server_final(server, buf_slice(&text), &out, &error));
	cr_assert_eq(out.len, 0);
	buf_deinit(&out);
	buf_deinit(&text);
	scram_server_free(server);
	return error.sqlstate;
}

Test(scram, last_messages_that_are_refused_as_postgresql_does)
{
#define PROOF "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	static const char *const broken[] = {
		"", "c", "c=", "c=biws", "c=biws,r=@", "c=biws,r=@,p=", "c=biws,r=@,p=AAAA", "c=biws,r=@,p=" PROOF ",x=1",
		"c=biws,r=@,p=" PROOF ",", "c=eSws,r=@,p=" PROOF, "c=biws,r=abc,p=" PROOF, "c=biws,r=@x,p=" PROOF,
		"r=@,c=biws,p=" PROOF, "c=biws,p=" PROOF ",r=@", "c=biws,r=@,p=" PROOF "A",
	};
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		cr_assert_str_eq(final_state(broken[i]), "08P01", "%s", broken[i]);
	cr_assert_str_eq(final_state("c=biws,r=@,p=" PROOF), "28P01");
	cr_assert_str_eq(final_state("c=biws,r=@,x=unknown,p=" PROOF), "28P01");
}

/* ---- hostile servers ---- */

Test(scram, challenges_that_a_client_refuses)
{
	static const char *const wrong[] = { "", "r=", "r=@", "r=x@more,s=AAAA,i=1", "r=@more", "r=@more,s=,i=1",
					     "r=@more,s=!,i=1", "r=@more,s=AAAA", "r=@more,s=AAAA,i=0", "r=@more,s=AAAA,i=",
					     "r=@more,s=AAAA,i=-1", "r=@more,s=AAAA,i=99999999999", "e=other-error" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct scram_client *client = scram_client_new(slice_of(NULL, 0));
		struct buf first_text = { 0 }, text = { 0 };
		struct slice salt;
		struct error error;
		uint32_t iterations;
		scram_client_first(client, &first_text);
		const char *nonce = strstr(buf_cstr(&first_text), "r=") + 2;
		for (const char *c = wrong[i]; *c; c++) {
			if (*c == '@')
				buf_append_str(&text, nonce);
			else
				buf_append_byte(&text, (uint8_t)*c);
		}
		cr_assert_not(scram_client_challenge(client, buf_slice(&text), &iterations, &salt, &error), "%s", wrong[i]);
		buf_deinit(&first_text);
		buf_deinit(&text);
		scram_client_free(client);
	}
}

/* ---- passwords ---- */

static bool prepared(const char *password, const char *want)
{
	struct buf out = { 0 };
	saslprep_append(&out, password);
	bool same = slice_is(buf_slice(&out), want);
	buf_deinit(&out);
	return same;
}

Test(scram, passwords_are_prepared_as_postgresql_does)
{
	cr_assert(prepared("plain \t\x01", "plain \t\x01"));
	cr_assert(prepared("a\xc2\xad" "b", "ab"), "a soft hyphen is mapped to nothing");
	cr_assert(prepared("\xc2\xaa", "a"), "compatibility forms are resolved");
	cr_assert(prepared("\xe2\x85\xa8", "IX"));
	cr_assert(prepared("a\xc2\xa0" "b", "a b"), "a no-break space becomes a space");
	cr_assert(prepared("e\xcc\x81", "\xc3\xa9"));
	cr_assert(prepared("\xff\xfe", "\xff\xfe"), "what is no UTF-8 stays");
	cr_assert(prepared("\xc2\xad", "\xc2\xad"), "what becomes nothing stays");
	cr_assert(prepared("\xd8\xa7" "1", "\xd8\xa7" "1"), "what is not allowed stays");
	cr_assert(prepared("\xef\xb7\xba\xef\xb7\xba", "صلى الله عليه وسلمصلى الله عليه وسلم"), "what grows fits");
	cr_assert(prepared("", ""));
}

Test(scram, md5_as_in_the_protocol)
{
	struct buf out = { 0 };
	cr_assert(password_append_md5(&out, "secret", slice_str("bob"), slice_of("\1\2\3\4", 4)));
	cr_assert_str_eq(buf_cstr(&out), "md5" "f21dfe33ff3a9e03dbc3e008251fe5cc");
	buf_deinit(&out);
}
