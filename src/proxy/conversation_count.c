/* Whom a conversation's statements are counted for, and when. */
#include "proxy/conversation.h"

#include <stdio.h>

void conversation_forget_identity(struct conversation *conversation)
{
	if (conversation->identity)
		usage_identity_release(conversation->env->counter, conversation->identity);
	conversation->identity = NULL;
	for (size_t i = 0; i < PLACED_MAX; i++) {
		if (conversation->placed[i].identity)
			usage_identity_release(conversation->env->counter, conversation->placed[i].identity);
		conversation->placed[i].identity = NULL;
	}
}

void conversation_reported(struct conversation *conversation, struct slice name, struct slice value)
{
	if (slice_is(name, "application_name") && !conversation->application_fixed) {
		snprintf(conversation->application, sizeof(conversation->application), "%.*s", (int)value.len,
			 value.data);
		conversation_forget_identity(conversation);
	}
	/* Both slices end before a NUL of the message. */
	session_vars_reported(&conversation->vars, name.data, value.data);
}

/* Origins are compared by hash: who forges one could as well write the other's name. */
static struct usage_identity *identity_at(struct conversation *conversation, const struct origin *origin)
{
	struct placed *placed = &conversation->placed[origin->hash % PLACED_MAX];
	struct usage_counter *counter = conversation->env->counter;
	if (placed->identity && placed->hash == origin->hash)
		return placed->identity;
	struct usage_who who = conversation->who;
	if (*origin->values[ORIGIN_APPLICATION] && !conversation->application_fixed)
		who.application = origin->values[ORIGIN_APPLICATION];
	who.controller = origin->values[ORIGIN_CONTROLLER];
	who.route = origin->values[ORIGIN_ROUTE];
	who.action = origin->values[ORIGIN_ACTION];
	if (placed->identity)
		usage_identity_release(counter, placed->identity);
	placed->hash = origin->hash;
	placed->identity = usage_identity_take(counter, &who);
	return placed->identity;
}

void conversation_count(struct conversation *conversation, struct rewrite *rewrite, struct statement_shape *shape,
			enum usage_outcome outcome, uint64_t rows)
{
	struct usage_counter *counter = conversation->env->counter;
	if (!shape || !counter)
		return;
	if (conversation->retry.counts.waiting) {
		late_counts_add(&conversation->retry.counts, rewrite, shape, outcome, rows);
		return;
	}
	if (rewrite && rewrite->origin) {
		usage_count(counter, identity_at(conversation, rewrite->origin), shape, outcome, rows);
		return;
	}
	if (!conversation->identity)
		conversation->identity = usage_identity_take(counter, &conversation->who);
	usage_count(counter, conversation->identity, shape, outcome, rows);
}

void conversation_count_late(struct conversation *conversation)
{
	struct late_counts late = conversation->retry.counts;
	conversation->retry.counts = (struct late_counts){ 0 };
	for (size_t i = 0; i < late.count; i++) {
		struct late_count *one = &late.items[i];
		conversation_count(conversation, one->rewrite, one->shape, one->outcome, one->rows);
	}
	late_counts_drop(&late);
}
