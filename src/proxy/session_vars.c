#include "proxy/session_vars.h"

void session_vars_init(struct session_vars *vars, struct session_state *confirmed)
{
	*vars = (struct session_vars){ .confirmed = confirmed, .ready = 'I' };
}

void session_vars_deinit(struct session_vars *vars)
{
	session_state_free(vars->confirmed);
	session_state_free(vars->predicted);
	*vars = (struct session_vars){ 0 };
}

/* Whether the text changes the session when it runs. */
static bool has_effects(const struct rewrite *rewrite)
{
	for (size_t i = 0; rewrite && i < rewrite->statement_count; i++) {
		if (rewrite->statements[i].effect_count)
			return true;
	}
	return false;
}

/* A statement after a COMMIT in the same Query begins an implicit transaction of its own. */
static void apply(struct session_state *state, const struct effect *effect)
{
	session_state_segment_begin(state);
	session_state_apply(state, effect);
}

static void apply_from(struct session_state *state, const struct rewrite *rewrite, size_t first)
{
	for (size_t i = first; rewrite && i < rewrite->statement_count; i++) {
		const struct rewrite_statement *statement = &rewrite->statements[i];
		for (size_t k = 0; k < statement->effect_count; k++)
			apply(state, &statement->effects[k]);
	}
}

static void predict(struct session_vars *vars, struct pipeline *pipeline)
{
	if (!vars->predicted)
		vars->predicted = session_state_new(NULL, NULL, NULL);
	session_state_assign(vars->predicted, vars->confirmed);
	for (uint32_t i = 0; i < pipeline->count; i++) {
		const struct request *request = pipeline_at(pipeline, i);
		if (request->kind == REQUEST_QUERY)
			apply_from(vars->predicted, request->rewrite, request->statement);
		else if (request->kind == REQUEST_EXECUTE)
			apply_from(vars->predicted, request->rewrite, 0);
	}
	vars->predicted_valid = true;
}

const struct session_state *session_vars_now(struct session_vars *vars, struct pipeline *pipeline)
{
	if (!vars->segment_effects && !vars->unsettled)
		return vars->confirmed;
	if (!vars->predicted_valid)
		predict(vars, pipeline);
	return vars->predicted;
}

void session_vars_sent(struct session_vars *vars, const struct rewrite *rewrite)
{
	if (!has_effects(rewrite))
		return;
	vars->segment_effects = true;
	if (vars->predicted_valid)
		apply_from(vars->predicted, rewrite, 0);
}

bool session_vars_segment_sent(struct session_vars *vars)
{
	bool effects = vars->segment_effects;
	vars->unsettled += effects;
	vars->segment_effects = false;
	return effects;
}

void session_vars_segment_rejoined(struct session_vars *vars)
{
	vars->unsettled--;
	vars->segment_effects = true;
}

void session_vars_segment_dropped(struct session_vars *vars)
{
	vars->unsettled--;
	vars->predicted_valid = false;
}

static bool rolled_back(const struct effect *effect, struct slice tag)
{
	return (effect->kind == EFFECT_COMMIT || effect->kind == EFFECT_PREPARE_TRANSACTION) &&
	       slice_is(tag, "ROLLBACK");
}

void session_vars_completed(struct session_vars *vars, const struct rewrite_statement *statement, struct slice tag)
{
	for (size_t i = 0; i < statement->effect_count; i++) {
		struct effect effect = statement->effects[i];
		if (rolled_back(&effect, tag))
			effect.kind = EFFECT_ROLLBACK;
		apply(vars->confirmed, &effect);
		vars->segment_open = true;
	}
}

void session_vars_ready(struct session_vars *vars, char status, bool failed, bool had_effects)
{
	if (vars->confirmed && (vars->segment_open || status != vars->ready))
		session_state_segment_end(vars->confirmed, status, failed);
	vars->segment_open = false;
	vars->ready = status;
	if (had_effects && vars->unsettled)
		vars->unsettled--;
	vars->predicted_valid = false;
}

void session_vars_reported(struct session_vars *vars, const char *name, const char *value)
{
	if (vars->confirmed)
		session_state_reported(vars->confirmed, name, value);
	vars->predicted_valid = false;
}
