/*
 * The rewriter for a test in another language: keeps one ruleset and one
 * session, answers requests on stdin. Every request and every answer is a
 * length (4 bytes, network order) and that many bytes; a request begins with
 * a letter, an answer with '+' or, with a message behind it, '-'.
 *
 *   L map NUL flags NUL dsn NUL          the ruleset: two YAML texts, facts from a live catalog
 *   N search_path NUL user NUL database NUL   a new session, inside a transaction
 *   Q text, P text                       rewrites; the answer: see answer_rewrite
 *   K                                    the last text has succeeded: its effects hold
 *   M position (4 bytes)                 a position in the last rewritten text → in the original
 */
#include "catalog/loader.h"
#include "config/flags_file.h"
#include "config/map_file.h"
#include "rewrite/rewriter.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

enum { REQUEST_MAX_BYTES = 64 * 1024 * 1024, CATALOG_TIMEOUT_MS = 20000 };

struct service {
	struct rewriter *rewriter;
	struct ruleset *ruleset;
	struct session_state *state;
	struct rewrite *last;
	uint64_t version;
	struct buf request, answer;
	size_t at; /* in the request */
};

/* ---- requests ---- */

static bool read_request(struct service *s)
{
	uint32_t len;
	if (fread(&len, sizeof(len), 1, stdin) != 1)
		return false;
	len = ntohl(len);
	if (len == 0 || len > REQUEST_MAX_BYTES)
		return false;
	buf_clear(&s->request);
	buf_reserve(&s->request, len);
	if (fread(s->request.data, 1, len, stdin) != len)
		return false;
	s->request.len = len;
	buf_cstr(&s->request);
	s->at = 1;
	return true;
}

static const char *next_text(struct service *s)
{
	const char *text = s->request.data + s->at;
	s->at += strlen(text);
	if (s->at < s->request.len)
		s->at++;
	return text;
}

static bool write_answer(struct service *s)
{
	uint32_t len = htonl((uint32_t)s->answer.len);
	return fwrite(&len, sizeof(len), 1, stdout) == 1 &&
	       fwrite(s->answer.data, 1, s->answer.len, stdout) == s->answer.len && fflush(stdout) == 0;
}

static void answer_error(struct service *s, const struct error *error)
{
	buf_clear(&s->answer);
	buf_printf(&s->answer, "-%s: %s %s %s", error->file, error->message, error->detail, error->hint);
}

/* ---- what each request does ---- */

static void answer_load(struct service *s)
{
	const char *map_text = next_text(s), *flags_text = next_text(s), *dsn = next_text(s);
	struct policy policy = { 0 };
	struct flags flags = { 0 };
	struct map *map = NULL;
	struct facts *facts = NULL;
	struct ruleset *ruleset = NULL;
	struct error error;
	struct arena arena;
	arena_init(&arena);
	if (map_file_parse(slice_str(map_text), "map", &map, &error) &&
	    flags_file_parse(slice_str(flags_text), "flags", &arena, &flags, &error) &&
	    catalog_load_once(dsn, map, CATALOG_TIMEOUT_MS, &facts, &error) &&
	    ruleset_build(map, &flags, facts, policy, ++s->version, NULL, NULL, &ruleset, &error)) {
		rewrite_unref(s->last);
		s->last = NULL;
		ruleset_unref(s->ruleset);
		s->ruleset = ruleset;
	} else {
		answer_error(s, &error);
	}
	map_unref(map);
	facts_unref(facts);
	arena_deinit(&arena);
}

static void answer_session(struct service *s)
{
	const char *path = next_text(s), *user = next_text(s), *database = next_text(s);
	session_state_free(s->state);
	s->state = session_state_new(database, user, path);
	session_state_reported(s->state, "client_encoding", "UTF8");
	session_state_reported(s->state, "standard_conforming_strings", "on");
	session_state_apply(s->state, &(struct effect){ .kind = EFFECT_BEGIN });
}

/* A letter for the outcome; then, rewritten: the text; refused: five texts, each ended by NUL. */
static void answer_rewrite(struct service *s, enum rewrite_protocol protocol)
{
	static const char letters[] = { [REWRITE_UNCHANGED] = 'u', [REWRITE_REWRITTEN] = 'r', [REWRITE_REFUSED] = 'x',
					[REWRITE_NEED_SEARCH_PATH] = 's' };
	rewrite_unref(s->last);
	s->last = rewriter_run(s->rewriter, slice_of(s->request.data + 1, s->request.len - 1), protocol, s->state,
			       s->ruleset);
	const struct rewrite *r = s->last;
	buf_append_byte(&s->answer, (uint8_t)letters[r->outcome]);
	if (r->outcome == REWRITE_REWRITTEN)
		buf_append_slice(&s->answer, r->sql);
	if (r->outcome != REWRITE_REFUSED)
		return;
	char position[16];
	snprintf(position, sizeof(position), "%u", r->refusal->position);
	const char *texts[] = { r->refusal->sqlstate, position, r->refusal->message, r->refusal->detail, r->refusal->hint };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		buf_append(&s->answer, texts[i], strlen(texts[i]) + 1);
}

static void keep_effects(struct service *s)
{
	for (size_t i = 0; s->last && i < s->last->statement_count; i++) {
		const struct rewrite_statement *statement = &s->last->statements[i];
		for (size_t k = 0; k < statement->effect_count; k++)
			session_state_apply(s->state, &statement->effects[k]);
	}
}

static void answer_position(struct service *s)
{
	uint32_t position = 0;
	if (s->request.len == 5)
		memcpy(&position, s->request.data + 1, sizeof(position));
	buf_append_u32(&s->answer, s->last ? rewrite_map_position(s->last, ntohl(position)) : ntohl(position));
}

static bool answer(struct service *s)
{
	char verb = s->request.data[0];
	buf_clear(&s->answer);
	buf_append_byte(&s->answer, '+');
	if (verb != 'L' && (!s->ruleset || (verb != 'N' && !s->state)))
		return false;
	switch (verb) {
	case 'L': answer_load(s); return true;
	case 'N': answer_session(s); return true;
	case 'Q': answer_rewrite(s, REWRITE_SIMPLE); return true;
	case 'P': answer_rewrite(s, REWRITE_EXTENDED); return true;
	case 'K': keep_effects(s); return true;
	case 'M': answer_position(s); return true;
	default: return false;
	}
}

static void *serve(void *context)
{
	struct service *s = context;
	while (read_request(s)) {
		if (!answer(s) || !write_answer(s))
			break;
	}
	return NULL;
}

int main(void)
{
	struct service s = { .rewriter = rewriter_new(rewriter_settings_default()) };
	pthread_attr_t attributes;
	pthread_t thread;
	buf_init(&s.request);
	buf_init(&s.answer);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, REWRITE_PARSE_STACK_BYTES);
	bool started = pthread_create(&thread, &attributes, serve, &s) == 0;
	if (started)
		pthread_join(thread, NULL);
	pthread_attr_destroy(&attributes);
	rewrite_unref(s.last);
	session_state_free(s.state);
	ruleset_unref(s.ruleset);
	rewriter_free(s.rewriter);
	buf_deinit(&s.request);
	buf_deinit(&s.answer);
	return started ? 0 : 1;
}
