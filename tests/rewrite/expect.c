/* Runs one case and compares what came out with what it expects. */
#include "other_literals.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

static void fail(struct suite *suite, const struct test_case *c, const char *what, const char *expected,
		 const char *got)
{
	printf("%s:%u: %s\n  %s\n    expected: %s\n    got:      %s\n", suite->file, c->line, c->title, what, expected,
	       got);
	suite->failed++;
}

static void describe_notices(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct error *notice = rewrite->statements[i].notice;
		if (notice)
			buf_printf(out, "%s%s %s | %s", out->len ? "; " : "", notice->sqlstate, notice->message,
				   notice->hint);
	}
}

static void describe_uses(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		for (size_t k = 0; shape && k < shape->use_count; k++) {
			const struct use *use = &shape->uses[k];
			buf_printf(out, "%s%s %s %s%s%s%s", out->len ? "; " : "", use->table,
				   side_name((enum side)use->side), use_kind_name((enum use_kind)use->kind),
				   use->flags & USE_REWRITTEN ? " rewritten" : "",
				   use->flags & USE_REFUSED ? " refused" : "",
				   use->flags & USE_UNPARSED ? " unparsed" : "");
		}
	}
}

static void describe_columns(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		for (size_t k = 0; shape && k < shape->use_count; k++) {
			const struct use *use = &shape->uses[k];
			buf_printf(out, "%s%s:%s", out->len ? "; " : "", use->table, use->all_columns ? " all" : "");
			for (size_t c = 0; c < use->column_count; c++)
				buf_printf(out, " %s", use->columns[c]);
		}
	}
}

static void describe_effects(const struct rewrite *rewrite, struct buf *out)
{
	static const char *const names[] = {
		[EFFECT_SET] = "set", [EFFECT_RESET] = "reset", [EFFECT_RESET_ALL] = "reset_all",
		[EFFECT_DISCARD_ALL] = "discard_all", [EFFECT_DISCARD_TEMP] = "discard_temp",
		[EFFECT_SET_UNKNOWN] = "set_unknown", [EFFECT_ROLE] = "role", [EFFECT_SESSION_USER] = "session_user",
		[EFFECT_TEMP_CREATE] = "temp_create", [EFFECT_TEMP_DROP] = "temp_drop", [EFFECT_BEGIN] = "begin",
		[EFFECT_COMMIT] = "commit", [EFFECT_ROLLBACK] = "rollback",
		[EFFECT_PREPARE_TRANSACTION] = "prepare_transaction", [EFFECT_SAVEPOINT] = "savepoint",
		[EFFECT_RELEASE] = "release", [EFFECT_ROLLBACK_TO] = "rollback_to", [EFFECT_DDL] = "ddl",
		[EFFECT_RELATION_CREATED] = "created", [EFFECT_RELATION_DROPPED] = "dropped",
		[EFFECT_CONSTRAINT_CREATED] = "constraint", [EFFECT_COLUMN_ADDED] = "column",
		[EFFECT_PREPARE] = "prepare", [EFFECT_DEALLOCATE] = "deallocate", [EFFECT_EXECUTE] = "execute",
	};
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		for (size_t k = 0; k < rewrite->statements[i].effect_count; k++) {
			const struct effect *e = &rewrite->statements[i].effects[k];
			buf_printf(out, "%s%s", out->len ? "; " : "", names[e->kind]);
			if (e->name)
				buf_printf(out, " %s", e->name[0] ? e->name : "*");
			if (e->value)
				buf_printf(out, " = %s", e->value);
			buf_printf(out, "%s%s", e->local ? " local" : "", e->chain ? " chain" : "");
		}
	}
}

static void describe_shapes(const struct rewrite *rewrite, struct buf *out)
{
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		if (shape)
			buf_printf(out, "%s%.*s", out->len ? "; " : "", (int)shape->text.len, shape->text.data);
	}
}

static void check_text(struct suite *suite, const struct test_case *c, const char *what, const char *expected,
		       const struct rewrite *rewrite, void (*describe)(const struct rewrite *, struct buf *))
{
	struct buf got;
	if (!expected)
		return;
	buf_init(&got);
	describe(rewrite, &got);
	if (strcmp(buf_cstr(&got), strcmp(expected, "none") == 0 ? "" : expected) != 0)
		fail(suite, c, what, expected, buf_cstr(&got));
	buf_deinit(&got);
}

/* Each "rewritten>original" pair of 1-based character positions. */
static void check_positions(struct suite *suite, const struct test_case *c, const struct rewrite *rewrite)
{
	for (const char *at = c->positions; at && *at;) {
		unsigned from, to;
		int used;
		char expected[32], got[32];
		if (sscanf(at, "%u>%u%n", &from, &to, &used) != 2)
			suite_broken(suite, c->line, "positions are from>to");
		snprintf(expected, sizeof(expected), "%u>%u", from, to);
		snprintf(got, sizeof(got), "%u>%u", from, rewrite_map_position(rewrite, from));
		if (strcmp(expected, got) != 0)
			fail(suite, c, "a position maps elsewhere", expected, got);
		at += used;
		while (*at == ' ')
			at++;
	}
}

static const char *outcome_name(enum rewrite_outcome outcome)
{
	static const char *const names[] = { "unchanged", "rewritten", "refused", "need search_path" };
	return names[outcome];
}

static void check_refusal(struct suite *suite, const struct test_case *c, const struct rewrite *rewrite)
{
	struct buf got;
	buf_init(&got);
	const struct error *e = rewrite->refusal;
	buf_printf(&got, "%s %s", e->sqlstate, e->message);
	if (e->detail[0])
		buf_printf(&got, " | %s", e->detail);
	if (e->hint[0])
		buf_printf(&got, " | %s", e->hint);
	buf_printf(&got, " @%u", e->position);
	char *copy = strdup(c->refused), *save;
	for (char *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		while (*part == ' ')
			part++;
		size_t len = strlen(part);
		while (len && part[len - 1] == ' ')
			part[--len] = '\0';
		if (!strstr(buf_cstr(&got), part))
			fail(suite, c, "the refusal says something else", part, buf_cstr(&got));
	}
	free(copy);
	if (c->sent && !slice_is(rewrite->sql, c->sent))
		fail(suite, c, "something else would be sent", c->sent, rewrite->sql.data);
	buf_deinit(&got);
}

static void check_outcome(struct suite *suite, const struct test_case *c, const struct rewrite *rewrite)
{
	static const enum rewrite_outcome wanted[] = { [EXPECT_OUT] = REWRITE_REWRITTEN,
						       [EXPECT_UNCHANGED] = REWRITE_UNCHANGED,
						       [EXPECT_REFUSED] = REWRITE_REFUSED,
						       [EXPECT_NEED] = REWRITE_NEED_SEARCH_PATH };
	if (rewrite->outcome != wanted[c->expectation]) {
		const char *got = rewrite->outcome == REWRITE_REFUSED	? rewrite->refusal->message
				  : rewrite->outcome == REWRITE_REWRITTEN ? rewrite->sql.data
									  : outcome_name(rewrite->outcome);
		fail(suite, c, outcome_name(rewrite->outcome), outcome_name(wanted[c->expectation]), got);
		return;
	}
	if (c->expectation == EXPECT_OUT && !slice_eq(rewrite->sql, c->out))
		fail(suite, c, "the text differs", c->out.data, rewrite->sql.data);
	if (c->expectation == EXPECT_REFUSED)
		check_refusal(suite, c, rewrite);
}

static void check_explain(struct suite *suite, const struct test_case *c, const struct session_state *state)
{
	struct arena arena;
	struct rewrite_explanation explanation;
	struct buf got;
	if (!c->explain)
		return;
	arena_init(&arena);
	buf_init(&got);
	rewrite_unref(rewriter_explain(suite->rewriter, c->sql, c->extended ? REWRITE_EXTENDED : REWRITE_SIMPLE, state,
				       suite->ruleset, &arena, &explanation));
	for (size_t i = 0; i < explanation.count; i++) {
		const struct rewrite_reference *r = &explanation.items[i];
		buf_printf(&got, "%s%s = %s -> %s [%s]", i ? "; " : "", r->written, r->resolved,
			   r->became ? r->became : "unchanged", r->rule);
	}
	if (strcmp(buf_cstr(&got), c->explain) != 0)
		fail(suite, c, "explained otherwise", c->explain, buf_cstr(&got));
	buf_deinit(&got);
	arena_deinit(&arena);
}

struct differing {
	struct suite *suite;
	const struct test_case *c;
};

static void on_difference(void *context, struct slice text, const char *what, struct slice fresh, struct slice learnt)
{
	struct differing *at = context;
	char *copies[] = { strndup(fresh.data ? fresh.data : "", fresh.len), strndup(learnt.data ? learnt.data : "", learnt.len) };
	char *title = NULL;
	if (asprintf(&title, "%s with other literals: %.*s", what, (int)text.len, text.data) > 0)
		fail(at->suite, at->c, title, copies[0], copies[1]);
	free(title);
	free(copies[0]);
	free(copies[1]);
}

static void check_other_literals(struct suite *suite, const struct test_case *c, const struct session_state *state)
{
	struct differing at = { suite, c };
	struct other_literals check = { .learnt = suite->rewriter,
					.fresh = suite->fresh,
					.state = state,
					.ruleset = suite->ruleset,
					.differs = on_difference,
					.context = &at };
	other_literals_check(&check, c->sql, c->extended ? REWRITE_EXTENDED : REWRITE_SIMPLE);
	suite->tried += check.tried;
	suite->learnt_from += check.learnt_from;
}

void suite_run_case(struct suite *suite, const struct test_case *c)
{
	if (c->expectation == EXPECT_NONE)
		suite_broken(suite, c->line, "the case expects nothing");
	if (!suite->ruleset)
		suite->ruleset = suite_build_ruleset(suite, c->line);
	struct session_state *state = suite_build_state(suite);
	enum rewrite_protocol protocol = c->extended ? REWRITE_EXTENDED : REWRITE_SIMPLE;
	/* The first two runs fill the cache, which must not answer otherwise than they did. */
	for (int i = 0; i < 2; i++)
		rewrite_unref(rewriter_run(suite->rewriter, c->sql, protocol, state, suite->ruleset));
	struct rewrite *rewrite = rewriter_run(suite->rewriter, c->sql, protocol, state, suite->ruleset);
	suite->run++;
	check_outcome(suite, c, rewrite);
	check_text(suite, c, "other uses", c->uses, rewrite, describe_uses);
	check_text(suite, c, "other columns", c->columns, rewrite, describe_columns);
	check_text(suite, c, "other notices", c->notice, rewrite, describe_notices);
	check_text(suite, c, "other effects", c->effects, rewrite, describe_effects);
	check_text(suite, c, "normalised otherwise", c->normalised, rewrite, describe_shapes);
	check_positions(suite, c, rewrite);
	check_explain(suite, c, state);
	check_other_literals(suite, c, state);
	rewrite_unref(rewrite);
	session_state_free(state);
}
