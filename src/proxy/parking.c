#include "proxy/parking.h"

#include "base/clock.h"
#include "proxy/conversation.h"

/* ---- waiting ---- */

/* The transaction being sent, as far as is known; everything: any that is not over. */
static bool touches(const struct conversation *conversation, const struct pause *pause, bool everything)
{
	const struct pins *pins = &conversation->pins;
	for (uint32_t i = 0; i < pins->count; i++) {
		const struct ruleset_entry *entry = &conversation->ruleset->entries[pins->items[i].entry];
		if ((everything || pins->items[i].last >= pins->since) &&
		    pause_covers(pause, conversation->who.database, gate_hash(entry->key)))
			return true;
	}
	return false;
}

bool parking_holds_up(struct conversation *conversation, const struct ruleset_entry *entry)
{
	const struct gate_view *view = conversation->env->gate;
	if (!view || !view->count || conversation->parking.let_through)
		return false;
	struct pause *pause = gate_view_find(view, conversation->who.database, gate_hash(entry->key));
	if (!pause || (touches(conversation, pause, false) && !conversation->vars.unsettled))
		return false;
	conversation->parking.found = pause;
	return true;
}

static void park(struct conversation *conversation, struct pause *pause, size_t bytes)
{
	struct parking *parking = &conversation->parking;
	parking->pause = pause_ref(pause);
	parking->since_us = clock_monotonic_us();
	parking->bytes = bytes;
	pause_park(conversation->env->gate->gate, pause, bytes);
	traffic_add(&conversation->env->traffic->parked_total, 1);
}

static void unpark(struct conversation *conversation)
{
	struct parking *parking = &conversation->parking;
	if (!parking->pause)
		return;
	pause_unpark(conversation->env->gate->gate, parking->pause, parking->bytes,
		     clock_monotonic_us() - parking->since_us);
	pause_unref(parking->pause);
	traffic_add(&conversation->env->traffic->unparked_total, 1);
	parking->pause = NULL;
}

/* Answers that the server keeps back until the segment's end must come, since that may be far. */
static void flush_segment(struct conversation *conversation, struct round *round)
{
	if (!conversation->in_segment || conversation->flushed || !conversation->pipeline.count)
		return;
	flush_append(output_own(&round->to_server));
	conversation->flushed = true;
}

void parking_wait(struct conversation *conversation, size_t bytes, struct round *round)
{
	if (!conversation->parking.pause)
		park(conversation, conversation->parking.found, bytes);
	conversation->parking.again = false;
	conversation->hold = HOLD_PAUSE;
	flush_segment(conversation, round);
}

void parking_go(struct conversation *conversation)
{
	unpark(conversation);
	conversation->parking.cancelled = false;
}

/* ---- answers ---- */

void parking_ready(struct conversation *conversation, char status)
{
	conversation->parking.again = true;
	if (status == 'I')
		conversation->parking.let_through = false;
}

bool parking_in_flight(const struct conversation *conversation, const struct pause *pause)
{
	return conversation->pipeline.count && touches(conversation, pause, true);
}

bool parking_is_parked(const struct conversation *conversation)
{
	return conversation->parking.pause && conversation->hold == HOLD_PAUSE;
}

bool parking_cancel(struct conversation *conversation)
{
	if (!parking_is_parked(conversation) || conversation->pipeline.count)
		return false;
	conversation->parking.cancelled = conversation->parking.again = true;
	return true;
}

void parking_deinit(struct conversation *conversation)
{
	unpark(conversation);
	conversation->parking = (struct parking){ 0 };
}
