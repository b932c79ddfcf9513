#include "proxy/conversation.h"

void conversation_init(struct conversation *conversation, const struct conversation_env *env,
		       struct session_state *confirmed)
{
	*conversation = (struct conversation){ .env = env, .view = 1 };
	conversation->texts = (struct text_account){ .texts = env->texts, .most_bytes = env->prepared_bytes };
	pipeline_init(&conversation->pipeline);
	names_init(&conversation->statements);
	names_init(&conversation->portals);
	session_vars_init(&conversation->vars, confirmed);
	pins_init(&conversation->pins);
	retry_init(&conversation->retry);
	conversation->who.application = conversation->application;
}

static struct names *names_of(struct conversation *conversation, const struct request *request)
{
	bool portal = request->kind == REQUEST_BIND || request->kind == REQUEST_EXECUTE ||
		      request->kind == REQUEST_CLOSE_PORTAL;
	return portal ? &conversation->portals : &conversation->statements;
}

static void release(struct conversation *conversation, struct request *request)
{
	if (request->displaced)
		rewrite_unref(request->displaced);
	prepared_unref(request->prepared);
	if (request->rewrite)
		rewrite_unref(request->rewrite);
	if (request->name)
		names_release(names_of(conversation, request), request->name);
	request->displaced = request->rewrite = NULL;
	request->prepared = NULL;
	request->name = NULL;
}

void conversation_deinit(struct conversation *conversation)
{
	for (uint32_t i = 0; i < conversation->pipeline.count; i++)
		release(conversation, pipeline_at(&conversation->pipeline, i));
	pipeline_deinit(&conversation->pipeline);
	reprepare_deinit(conversation);
	conversation_count_late(conversation);
	retry_deinit(&conversation->retry);
	names_deinit(&conversation->statements);
	names_deinit(&conversation->portals);
	session_vars_deinit(&conversation->vars);
	ruleset_unref(conversation->ruleset);
	ruleset_unref(conversation->followed);
	conversation->ruleset = conversation->followed = NULL;
	pins_deinit(&conversation->pins);
	long_text_deinit(&conversation->long_text);
	hidden_deinit(conversation);
	parking_deinit(conversation);
	conversation_forget_identity(conversation);
}

/* ---- requests ---- */

struct request *conversation_head(struct conversation *conversation)
{
	return pipeline_head(&conversation->pipeline);
}

/* With those behind it that will not be answered: a session with only these left is idle. */
void conversation_pop(struct conversation *conversation)
{
	do {
		release(conversation, pipeline_head(&conversation->pipeline));
		pipeline_pop(&conversation->pipeline);
	} while (conversation->pipeline.count && pipeline_head(&conversation->pipeline)->kind == REQUEST_NONE);
	if (!conversation->pipeline.count)
		pipeline_shrink(&conversation->pipeline);
}

void conversation_discard(struct conversation *conversation, struct request *request)
{
	if (request->flags & REQUEST_EFFECTS)
		session_vars_segment_dropped(&conversation->vars);
	release(conversation, request);
	request->kind = REQUEST_NONE;
	request->flags = 0;
}

static bool gives_meaning(const struct request *request)
{
	return request->name && request->kind != REQUEST_EXECUTE;
}

/* The first request from `index` on that gives the same name a meaning. */
static struct request *next_of_name(struct conversation *conversation, uint32_t index, const struct name *name)
{
	for (; index < conversation->pipeline.count; index++) {
		struct request *request = pipeline_at(&conversation->pipeline, index);
		if (request->name == name && gives_meaning(request))
			return request;
	}
	return NULL;
}

/* The request failed: its name means what it meant before, for later requests too. */
static void undo_name(struct conversation *conversation, struct request *request, uint32_t survivors)
{
	if (!gives_meaning(request))
		return;
	struct request *later = next_of_name(conversation, survivors, request->name);
	struct rewrite *wrong;
	struct prepared *wrong_prepared;
	if (later) {
		wrong = later->displaced;
		later->displaced = request->displaced;
		wrong_prepared = later->prepared;
		later->prepared = request->prepared;
	} else {
		wrong = name_exchange(request->name, request->displaced);
		wrong_prepared = name_exchange_prepared(request->name, request->prepared);
		request->name->executed = request->flags & REQUEST_WAS_EXECUTED;
	}
	request->displaced = wrong; /* both released with the request */
	request->prepared = wrong_prepared;
}

static uint32_t segment_length(struct conversation *conversation)
{
	uint32_t length = 0;
	while (length < conversation->pipeline.count &&
	       pipeline_at(&conversation->pipeline, length)->kind != REQUEST_SYNC)
		length++;
	return length;
}

void conversation_abort_segment(struct conversation *conversation)
{
	uint32_t length = segment_length(conversation);
	conversation->skipping = length == conversation->pipeline.count;
	conversation->segment_failed = true;
	conversation->parking.again = true;
	conversation->vars.predicted_valid = false;
	for (uint32_t i = length; i > 0; i--)
		undo_name(conversation, pipeline_at(&conversation->pipeline, i - 1), length);
	uint32_t survivors = conversation->pipeline.count - length;
	while (conversation->pipeline.count > survivors) {
		if (pipeline_head(&conversation->pipeline)->flags & REQUEST_EFFECTS)
			session_vars_segment_dropped(&conversation->vars);
		conversation_pop(conversation);
	}
}

/* ---- state ---- */

bool conversation_idle(const struct conversation *conversation)
{
	return !conversation->pipeline.count && !conversation->in_segment && !conversation->skipping &&
	       conversation->vars.ready == 'I' && !retry_pending(&conversation->retry);
}

/* ---- what is touched ---- */

static struct statement_shape *shape_of_name(const struct name *name)
{
	if (name->shape)
		return name->shape;
	return name->rewrite && name->rewrite->statement_count ? name->rewrite->statements[0].shape : NULL;
}

/* What an EXECUTE in SQL runs; NULL: nothing of the map. */
static struct statement_shape *executed_shape(struct conversation *conversation, const struct effect *effect)
{
	struct name *name = effect->kind == EFFECT_EXECUTE && effect->name ?
				    names_find(&conversation->statements, slice_str(effect->name)) :
				    NULL;
	return name ? shape_of_name(name) : NULL;
}

void conversation_touch_shape(struct conversation *conversation, const struct statement_shape *shape)
{
	if (shape && conversation->ruleset)
		pins_touch(&conversation->pins, conversation->ruleset, shape, conversation->pipeline.pushed);
}

static void touch_from(struct conversation *conversation, const struct rewrite *rewrite, size_t first)
{
	for (size_t i = first; rewrite && i < rewrite->statement_count; i++) {
		const struct rewrite_statement *statement = &rewrite->statements[i];
		conversation_touch_shape(conversation, statement->shape);
		for (size_t k = 0; k < statement->effect_count; k++)
			conversation_touch_shape(conversation,
						 executed_shape(conversation, &statement->effects[k]));
	}
}

void conversation_touch(struct conversation *conversation, const struct rewrite *rewrite)
{
	touch_from(conversation, rewrite, 0);
}

bool conversation_paused_shape(struct conversation *conversation, const struct statement_shape *shape)
{
	const struct gate_view *view = conversation->env->gate;
	for (size_t i = 0; view && view->count && shape && i < shape->use_count; i++) {
		const struct ruleset_entry *entry = pins_use_touches(&shape->uses[i]) ?
			ruleset_entry_by_key(conversation->ruleset, shape->uses[i].table) : NULL;
		if (entry && parking_holds_up(conversation, entry))
			return true;
	}
	return false;
}

bool conversation_paused(struct conversation *conversation, const struct rewrite *rewrite)
{
	for (size_t i = 0; conversation->env->gate && rewrite && i < rewrite->statement_count; i++) {
		const struct rewrite_statement *statement = &rewrite->statements[i];
		if (conversation_paused_shape(conversation, statement->shape))
			return true;
		for (size_t k = 0; k < statement->effect_count; k++) {
			if (conversation_paused_shape(conversation,
						      executed_shape(conversation, &statement->effects[k])))
				return true;
		}
	}
	return false;
}

void conversation_parsed(struct conversation *conversation, struct rewrite *rewrite)
{
	long_text_arrived(&conversation->long_text, rewrite);
}

void conversation_unpause(struct conversation *conversation)
{
	conversation->parking.again = true;
}

/* ---- holds ---- */

static bool hold_is_over(const struct conversation *conversation)
{
	switch (conversation->hold) {
	case HOLD_NONE: return true;
	case HOLD_ROOM: return conversation->pipeline.count < conversation->env->pipeline;
	/* A server that waits for CopyData answers nothing more before it gets some. */
	case HOLD_SETTLE: return !conversation->vars.unsettled || conversation->copy_in;
	case HOLD_QUIET: return !conversation->pipeline.count || conversation->copy_in;
	case HOLD_HIDDEN: return !conversation->pipeline.count;
	case HOLD_FACT: return false;
	case HOLD_PARSE: return !conversation->long_text.job;
	case HOLD_PAUSE: return conversation->parking.again;
	}
	return true;
}

const char *conversation_waits_for(const struct conversation *conversation)
{
	switch (conversation->hold) {
	case HOLD_NONE: return NULL;
	case HOLD_ROOM: return "answers to earlier requests";
	case HOLD_SETTLE: return "the end of earlier statements";
	case HOLD_QUIET:
	case HOLD_HIDDEN:
		return conversation->exchange == EXCHANGE_SETTINGS ? "search_path" : "a statement to be prepared anew";
	case HOLD_FACT: return "the catalog";
	case HOLD_PARSE: return "a statement that is being parsed";
	case HOLD_PAUSE: return "the end of a pause";
	}
	return NULL;
}

bool conversation_held(struct conversation *conversation)
{
	if (!hold_is_over(conversation) || conversation->retry.stage == RETRY_FAILED)
		return true;
	conversation->hold = HOLD_NONE;
	return false;
}

void conversation_looked(struct conversation *conversation, uint64_t ticket)
{
	if (ticket >= conversation->fact_ticket)
		conversation->fact_ticket = 0;
}

void conversation_fact_arrived(struct conversation *conversation)
{
	conversation->fact_ticket = 0;
	if (conversation->hold == HOLD_FACT)
		conversation->hold = HOLD_NONE;
}

/* ---- settling ---- */

/* What SQL's DEALLOCATE forgets: the meaning that a Parse under way has displaced, if there is one. */
static void deallocate(struct conversation *conversation, struct name *name)
{
	struct request *under_way = name->pending ? next_of_name(conversation, 0, name) : NULL;
	if (!under_way) {
		names_clear(&conversation->statements, name);
		return;
	}
	if (under_way->displaced)
		rewrite_unref(under_way->displaced);
	prepared_unref(under_way->prepared);
	under_way->displaced = NULL;
	under_way->prepared = NULL;
	name_set_shape(name, NULL);
}

static void deallocate_all(struct conversation *conversation)
{
	struct name *name, *next;
	HASH_ITER(hh, conversation->statements.named, name, next)
	deallocate(conversation, name);
}

/* Made by PREPARE; what a Parse under way means to put in its place will fail. */
static void prepare_in_sql(struct conversation *conversation, const struct effect *effect)
{
	struct name *name = names_hold(&conversation->statements, slice_str(effect->name));
	struct request *under_way = name->pending > 1 ? next_of_name(conversation, 0, name) : NULL;
	name_set_shape(name, effect->shape);
	reprepare_remember(conversation, under_way ? &under_way->prepared : &name->prepared, effect);
	names_release(&conversation->statements, name);
}

static void run_prepared(struct conversation *conversation, const char *text, struct slice tag)
{
	struct name *name = names_find(&conversation->statements, slice_str(text));
	if (!name)
		return;
	conversation_count(conversation, name->rewrite, shape_of_name(name), USAGE_OK, tag_rows(tag));
	if (name->rewrite && name->rewrite->statement_count)
		session_vars_completed(&conversation->vars, &name->rewrite->statements[0], tag);
}

/* Names that SQL makes share one name space with the protocol's. */
static void apply_to_names(struct conversation *conversation, const struct effect *effect, struct slice tag)
{
	struct name *name;
	switch (effect->kind) {
	case EFFECT_PREPARE:
		prepare_in_sql(conversation, effect);
		break;
	case EFFECT_EXECUTE:
		run_prepared(conversation, effect->name, tag);
		break;
	case EFFECT_DEALLOCATE:
		name = effect->name ? names_find(&conversation->statements, slice_str(effect->name)) : NULL;
		if (name)
			deallocate(conversation, name);
		else if (!effect->name)
			deallocate_all(conversation);
		break;
	case EFFECT_DISCARD_ALL:
		deallocate_all(conversation);
		break;
	case EFFECT_DDL:
		conversation->ddl_seen = true;
		break;
	default:
		break;
	}
}

/* What of a transaction's end, or of a savepoint, decides what is pinned. */
static void apply_to_pins(struct conversation *conversation, const struct request *request,
			  const struct effect *effect)
{
	struct pins *pins = &conversation->pins;
	uint64_t number = pipeline_head_number(&conversation->pipeline);
	switch (effect->kind) {
	case EFFECT_COMMIT:
	case EFFECT_ROLLBACK:
	case EFFECT_PREPARE_TRANSACTION:
		conversation_transaction_ended(conversation, number);
		if (request->kind == REQUEST_QUERY) /* the rest of the text is another one */
			touch_from(conversation, request->rewrite, request->statement + 1);
		break;
	case EFFECT_SAVEPOINT:
		pins_savepoint(pins, effect->name, number);
		break;
	case EFFECT_RELEASE:
		pins_release(pins, effect->name);
		break;
	case EFFECT_ROLLBACK_TO:
		pins_rollback_to(pins, effect->name, number);
		conversation_follow_again(conversation);
		break;
	default:
		break;
	}
}

static const struct rewrite_statement *running_statement(const struct request *request)
{
	size_t index = request->kind == REQUEST_QUERY ? request->statement : 0;
	if (!request->rewrite || index >= request->rewrite->statement_count)
		return NULL;
	return &request->rewrite->statements[index];
}

static const struct effect *find_effect(const struct rewrite_statement *statement, enum effect_kind kind)
{
	for (size_t i = 0; statement && i < statement->effect_count; i++) {
		if (statement->effects[i].kind == kind)
			return &statement->effects[i];
	}
	return NULL;
}

struct statement_shape *conversation_shape(struct conversation *conversation, const struct request *request)
{
	const struct rewrite_statement *statement = running_statement(request);
	const struct effect *execute = find_effect(statement, EFFECT_EXECUTE);
	bool by_portal = request->kind == REQUEST_EXECUTE || request->kind == REQUEST_BIND;
	if (statement && statement->shape)
		return statement->shape;
	if (by_portal && request->name && request->name->shape)
		return request->name->shape;
	if (execute) {
		struct name *name = names_find(&conversation->statements, slice_str(execute->name));
		return name ? shape_of_name(name) : NULL;
	}
	return NULL;
}

const struct effect *conversation_executes(const struct request *request)
{
	return find_effect(running_statement(request), EFFECT_EXECUTE);
}

bool conversation_only_temporary(const struct request *request)
{
	const struct rewrite_statement *statement = running_statement(request);
	return find_effect(statement, EFFECT_TEMP_CREATE) || find_effect(statement, EFFECT_TEMP_DROP);
}

static void settle_success(struct conversation *conversation, struct request *request, bool counts, struct slice tag)
{
	const struct rewrite_statement *statement = running_statement(request);
	if (request->kind == REQUEST_EXECUTE && request->name && counts)
		conversation_count(conversation, request->rewrite, request->name->shape, USAGE_OK, tag_rows(tag));
	if (!statement)
		return;
	/* PREPARE uses nothing yet: each EXECUTE does. */
	if (counts && !find_effect(statement, EFFECT_PREPARE))
		conversation_count(conversation, request->rewrite, statement->shape, USAGE_OK, tag_rows(tag));
	session_vars_completed(&conversation->vars, statement, tag);
	for (size_t i = 0; i < statement->effect_count; i++) {
		apply_to_names(conversation, &statement->effects[i], tag);
		apply_to_pins(conversation, request, &statement->effects[i]);
	}
}

void conversation_settle(struct conversation *conversation, struct request *request, enum usage_outcome outcome,
			 struct slice tag)
{
	bool counts = request->kind != REQUEST_EXECUTE || (request->flags & REQUEST_FRESH);
	if (outcome == USAGE_OK)
		settle_success(conversation, request, counts, tag);
	else if (counts)
		conversation_count(conversation, request->rewrite, conversation_shape(conversation, request), outcome, 0);
}
