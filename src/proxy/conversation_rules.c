/* Which rules a conversation goes by: new ones are taken up at once, but not for what its transaction has touched. */
#include "proxy/conversation.h"

/* What was set while nobody looked, only the server knows. */
static void begin_to_look(struct conversation *conversation)
{
	static const struct effect unknown = { .kind = EFFECT_SET_UNKNOWN, .name = "search_path" };
	if (conversation->blind && conversation->vars.confirmed)
		session_state_apply(conversation->vars.confirmed, &unknown);
	conversation->blind = false;
}

/* Whether what the client sends next begins a transaction; answers may still be under way. */
static bool begins_transaction(const struct conversation *conversation)
{
	return !conversation->in_segment && !conversation->skipping && conversation->vars.ready == 'I' &&
	       !conversation->vars.unsettled;
}

/* The facts of the published ruleset tell of all that this session has committed. */
static void forget_relations(struct conversation *conversation)
{
	conversation->own_relations = false;
	session_state_forget_relations(conversation->vars.confirmed);
	conversation->vars.predicted_valid = false;
}

static bool keeps_snapshot(const struct conversation *conversation)
{
	return conversation->snapshot == SNAPSHOT_ASK || conversation->snapshot == SNAPSHOT_KEPT;
}

static bool keeps_place(void *context, const struct ruleset_entry *entry)
{
	const struct conversation *conversation = context;
	return pins_hold(&conversation->pins, conversation->ruleset, entry) ||
	       (entry->kind == MAP_TRANSFORM && keeps_snapshot(conversation));
}

static void take_rules(struct conversation *conversation, struct ruleset *now)
{
	struct ruleset *before = conversation->ruleset;
	conversation->ruleset = now && before && (conversation->pins.count || keeps_snapshot(conversation)) ?
					ruleset_keep(now, before, keeps_place, conversation) :
					ruleset_ref(now);
	if (before && conversation->ruleset)
		pins_translate(&conversation->pins, before, conversation->ruleset);
	conversation->view += conversation->ruleset != before;
	ruleset_unref(before);
	ruleset_ref(now);
	ruleset_unref(conversation->followed);
	conversation->followed = now;
}

static bool moves_transform(const struct ruleset *before, const struct ruleset *now)
{
	for (size_t i = 0; i < before->entry_count; i++) {
		const struct ruleset_entry *entry = &before->entries[i];
		const struct ruleset_entry *same =
			entry->kind == MAP_TRANSFORM ? ruleset_entry_by_key(now, entry->key) : NULL;
		if (same && same->physical != entry->physical)
			return true;
	}
	return false;
}

/* BEGIN alone, the first request of a transaction, takes no snapshot. */
static bool may_have_snapshot(const struct conversation *conversation)
{
	return conversation->pipeline.pushed > conversation->pins.since;
}

bool conversation_must_ask_level(const struct conversation *conversation, const struct rewrite *rewrite)
{
	if (conversation->snapshot != SNAPSHOT_ASK || !rewrite || conversation->hidden_failed)
		return false;
	for (size_t i = 0; i < rewrite->statement_count; i++) {
		const struct statement_shape *shape = rewrite->statements[i].shape;
		for (size_t k = 0; shape && k < shape->use_count; k++) {
			const struct ruleset_entry *entry =
				ruleset_entry_by_key(conversation->ruleset, shape->uses[k].table);
			if (entry && entry->kind == MAP_TRANSFORM)
				return true;
		}
	}
	return false;
}

void conversation_level_told(struct conversation *conversation, bool keeps)
{
	conversation->snapshot = keeps ? SNAPSHOT_KEPT : SNAPSHOT_FOLLOWS;
	ruleset_unref(conversation->followed); /* rules are taken up again */
	conversation->followed = NULL;
}

/*
 * The place where a session takes new rules. Between transactions all of them;
 * inside one those of entries it has not touched, since the others keep their
 * place until it ends. Whether anybody looks at all changes only in between.
 */
void conversation_adopt_ruleset(struct conversation *conversation)
{
	struct ruleset *now = conversation->published ? *conversation->published : NULL;
	bool begins = begins_transaction(conversation);
	if (now && now->names_nothing)
		now = NULL; /* texts pass blind, until a map has entries */
	if (begins) {
		pins_begin(&conversation->pins, conversation->pipeline.pushed + 1);
		conversation->snapshot = SNAPSHOT_UNASKED;
	}
	if (conversation->own_relations && !conversation->fact_ticket && conversation_idle(conversation))
		forget_relations(conversation);
	if (now == conversation->followed && (now == conversation->ruleset || !begins))
		return;
	if ((!begins && (!now || !conversation->ruleset)) || !conversation->vars.confirmed)
		return;
	if (now && !conversation->ruleset)
		begin_to_look(conversation);
	if (!begins && conversation->snapshot == SNAPSHOT_UNASKED && may_have_snapshot(conversation) &&
	    moves_transform(conversation->ruleset, now))
		conversation->snapshot = SNAPSHOT_ASK;
	take_rules(conversation, now);
}

void conversation_follow_again(struct conversation *conversation)
{
	if (conversation->followed == conversation->ruleset)
		return;
	ruleset_unref(conversation->followed);
	conversation->followed = NULL;
}

void conversation_transaction_ended(struct conversation *conversation, uint64_t request)
{
	pins_end(&conversation->pins, request);
	conversation_follow_again(conversation);
}
