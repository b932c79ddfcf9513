#include "logs/harvest.h"

#include "base/hash.h"
#include "base/memory.h"
#include "logs/prepared_uses.h"
#include "rewrite/rewriter.h"

#include <stdlib.h>
#include <uthash.h>

enum { SESSIONS_MAX = 4096 };

/* A statement counts when its session goes on: until then it may turn out to have failed. */
struct harvest_session {
	UT_hash_handle hh;
	uint64_t key;
	struct harvest *harvest;
	struct session_state *state;
	struct prepared_uses prepared;
	struct rewrite *last; /* NULL: none */
	uint64_t last_hash, last_count, last_rows;
	int64_t last_ms;
	char texts[4][LOG_FIELD_MAX_BYTES]; /* database, user, application, address of last */
};

struct harvest {
	const struct ruleset *ruleset;
	const char *database;
	struct usage_import *import;
	struct rewriter *rewriter;
	struct harvest_session *sessions; /* uthash, the one longest not heard of first */
	struct harvest_counts counts;
};

/* ---- sessions ---- */

static struct session_state *new_state(const struct harvest *h, const struct log_record *record)
{
	const struct facts *facts = h->ruleset->facts;
	const char *user = record->user ? record->user : "";
	const char *database = record->database ? record->database : h->database ? h->database : "";
	return session_state_new(database, user, facts ? facts_default_search_path(facts, user) : "\"$user\", public");
}

/* ---- counting ---- */

static void count_shape(struct harvest_session *s, struct statement_shape *shape, enum usage_outcome outcome)
{
	struct usage_who who = { s->texts[0], s->texts[1], s->texts[2], s->texts[3] };
	if (!shape)
		return;
	if (shape->use_count)
		s->harvest->counts.uses += s->last_count;
	usage_import_count(s->harvest->import, &who, shape, outcome, s->last_count, s->last_rows, s->last_ms);
}

/* What was prepared and, as far as the log shows, never run is in the code still: it counts once. */
static void on_unused(void *context, struct statement_shape *shape)
{
	count_shape(context, shape, USAGE_OK);
}

static const struct effect *find_effect(const struct rewrite_statement *statement, enum effect_kind kind)
{
	for (size_t i = 0; i < statement->effect_count; i++) {
		if (statement->effects[i].kind == kind)
			return &statement->effects[i];
	}
	return NULL;
}

/* Records without a session stand for themselves: their PREPARE counts, and nobody knows what they EXECUTE. */
static void count_statement(struct harvest_session *s, const struct rewrite_statement *statement,
			    enum usage_outcome outcome)
{
	const struct effect *execute = find_effect(statement, EFFECT_EXECUTE);
	bool prepares = s->key && outcome == USAGE_OK && find_effect(statement, EFFECT_PREPARE);
	if (!prepares)
		count_shape(s, statement->shape, outcome);
	if (execute)
		count_shape(s, prepared_uses_execute(&s->prepared, execute->name), outcome);
}

static void apply(struct harvest_session *s, const struct effect *effect)
{
	session_state_apply(s->state, effect);
	if (!s->key)
		return;
	if (effect->kind == EFFECT_PREPARE)
		prepared_uses_set(&s->prepared, s->last, effect, false, on_unused, s);
	else if (effect->kind == EFFECT_DEALLOCATE || effect->kind == EFFECT_DISCARD_ALL)
		prepared_uses_remove(&s->prepared, effect->kind == EFFECT_DEALLOCATE ? effect->name : NULL, on_unused, s);
}

static void settle(struct harvest_session *s, enum usage_outcome outcome)
{
	if (!s->last)
		return;
	for (size_t i = 0; i < s->last->statement_count; i++) {
		const struct rewrite_statement *statement = &s->last->statements[i];
		count_statement(s, statement, outcome);
		for (size_t k = 0; outcome == USAGE_OK && k < statement->effect_count; k++)
			apply(s, &statement->effects[k]);
	}
	rewrite_unref(s->last);
	s->last = NULL;
}

static void end_session(struct harvest *h, struct harvest_session *s)
{
	settle(s, USAGE_OK);
	prepared_uses_deinit(&s->prepared, on_unused, s);
	HASH_DEL(h->sessions, s);
	session_state_free(s->state);
	free(s);
}

/* The hash keeps the order in which sessions were added: what is used goes to the end. */
static struct harvest_session *session_of(struct harvest *h, const struct log_record *record)
{
	struct harvest_session *s;
	HASH_FIND(hh, h->sessions, &record->session, sizeof(record->session), s);
	if (s) {
		HASH_DEL(h->sessions, s);
	} else {
		s = memory_zalloc(sizeof(*s));
		s->key = record->session;
		s->harvest = h;
		s->state = new_state(h, record);
	}
	HASH_ADD(hh, h->sessions, key, sizeof(s->key), s);
	if (HASH_COUNT(h->sessions) > SESSIONS_MAX)
		end_session(h, h->sessions);
	return s;
}

/* Records without a session know nothing of each other. */
static void start_over(const struct harvest *h, struct harvest_session *s, const struct log_record *record)
{
	if (record->session)
		return;
	session_state_free(s->state);
	s->state = new_state(h, record);
}

static void copy_text(char out[LOG_FIELD_MAX_BYTES], const char *text)
{
	size_t len = text ? strlen(text) : 0;
	if (len >= LOG_FIELD_MAX_BYTES)
		len = LOG_FIELD_MAX_BYTES - 1;
	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

/* ---- records ---- */

/* What nobody can ask a server about any more is taken as the default. */
static struct rewrite *run(struct harvest *h, struct harvest_session *s, const struct log_record *record)
{
	struct rewrite *rewrite = rewriter_run(h->rewriter, record->sql, REWRITE_SIMPLE, s->state, h->ruleset);
	if (rewrite->outcome != REWRITE_NEED_SEARCH_PATH)
		return rewrite;
	rewrite_unref(rewrite);
	session_state_free(s->state);
	s->state = new_state(h, record);
	return rewriter_run(h->rewriter, record->sql, REWRITE_SIMPLE, s->state, h->ruleset);
}

/* The server says what the EXECUTE runs that it logged just before: it may be older than the log. */
static void learn_prepared(struct harvest *h, struct harvest_session *s, const struct log_record *record)
{
	if (!s->key || !s->last)
		return;
	struct rewrite *rewrite = rewriter_run(h->rewriter, record->sql, REWRITE_SIMPLE, s->state, h->ruleset);
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct effect *effect = find_effect(&rewrite->statements[i], EFFECT_PREPARE);
		if (effect && !prepared_uses_knows(&s->prepared, effect->name))
			prepared_uses_set(&s->prepared, rewrite, effect, true, on_unused, s);
	}
	rewrite_unref(rewrite);
}

static void note_time(struct harvest *h, int64_t time_ms)
{
	if (!time_ms)
		return;
	if (!h->counts.from_ms || time_ms < h->counts.from_ms)
		h->counts.from_ms = time_ms;
	if (time_ms > h->counts.until_ms)
		h->counts.until_ms = time_ms;
}

static bool is_elsewhere(const struct harvest *h, const struct log_record *record)
{
	return h->database && record->database && strcmp(h->database, record->database) != 0;
}

static void begin(struct harvest *h, struct harvest_session *s, const struct log_record *record, uint64_t hash)
{
	start_over(h, s, record);
	s->last = run(h, s, record);
	s->last_hash = hash;
	s->last_count = record->count;
	s->last_rows = record->rows;
	s->last_ms = record->time_ms;
	copy_text(s->texts[0], record->database ? record->database : h->database);
	copy_text(s->texts[1], record->user);
	copy_text(s->texts[2], record->application);
	copy_text(s->texts[3], record->address);
}

void harvest_record(void *context, const struct log_record *record)
{
	struct harvest *h = context;
	if (is_elsewhere(h, record)) {
		h->counts.elsewhere += !record->prepared;
		return;
	}
	struct harvest_session *s = session_of(h, record);
	note_time(h, record->time_ms);
	if (record->prepared) {
		learn_prepared(h, s, record);
		return;
	}
	if (record->ends) {
		end_session(h, s);
		return;
	}
	uint64_t hash = hash_of_bytes(record->sql.data, record->sql.len, 0);
	if (record->failed && s->last && s->last_hash == hash) {
		settle(s, USAGE_ERROR); /* it was logged when it began */
		return;
	}
	h->counts.statements++;
	settle(s, USAGE_OK);
	begin(h, s, record, hash);
	if (record->failed)
		settle(s, USAGE_ERROR);
	else if (!record->session)
		settle(s, USAGE_OK);
}

struct harvest *harvest_new(const struct ruleset *ruleset, const char *database, struct usage_import *import)
{
	struct harvest *h = memory_zalloc(sizeof(*h));
	h->ruleset = ruleset;
	h->database = database;
	h->import = import;
	h->rewriter = rewriter_new(rewriter_settings_default());
	return h;
}

void harvest_free(struct harvest *h, struct harvest_counts *counts_out)
{
	struct harvest_session *s, *next;
	HASH_ITER(hh, h->sessions, s, next)
		end_session(h, s);
	*counts_out = h->counts;
	rewriter_free(h->rewriter);
	free(h);
}
