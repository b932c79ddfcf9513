#include "fleet/member_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { REFRESH_MS = 1000 /* in which no lease is renewed */, PAUSED_POLL_MS = 50, DRAIN_POLL_MS = 2, STANDBY_DRAIN_POLL_MS = 10, LEASE_POLL_MS = 400 };

/* ---- stages ---- */

bool member_read_stages(struct member *member, struct buf *stages_out, struct error *error_out)
{
	buf_init(stages_out);
	if (state_read_stages(member->own, MEMBER_QUERY_MS, stages_out, error_out))
		return true;
	buf_deinit(stages_out);
	return false;
}

static bool are_known(const struct member *member, const struct buf *stages)
{
	return member->told && slice_eq(buf_slice(stages), buf_slice(&member->stages));
}

bool member_refresh(struct member *member, struct buf *stages, uint64_t *ticket)
{
	return member->callbacks.refresh(member->callbacks.context, stages ? buf_cstr(stages) : NULL, ticket, REFRESH_MS);
}

void member_hand_out(struct member *member, struct buf *stages)
{
	if (are_known(member, stages))
		return;
	member->told = true;
	member->callbacks.stages(member->callbacks.context, buf_cstr(stages));
	buf_clear(&member->stages);
	buf_append_slice(&member->stages, buf_slice(stages));
}

/* Or it is about to be asked for one. */
static bool is_near_a_move(const struct member *member)
{
	return member->called || member_is_in_a_move(member);
}

/* While tables are being moved, stages and places change together, when they open. */
static bool follow_stages(struct member *member, struct error *error_out)
{
	struct buf stages;
	uint64_t ticket = 0;
	if (member_is_in_a_move(member))
		return true;
	if (!member_read_stages(member, &stages, error_out))
		return false;
	if (member->told && !are_known(member, &stages))
		member_refresh(member, &stages, &ticket); /* a table that has moved is not taken for drift */
	member_hand_out(member, &stages);
	buf_deinit(&stages);
	return true;
}

/* ---- the thread ---- */

static bool is_reachable(const struct member *member)
{
	return member->own && catalog_connection_is_alive(member->own);
}

/* A standby's proxy that cannot reach the primary goes on with what its own server says. */
static bool follow_own(struct member *member)
{
	struct error ignored;
	return is_reachable(member) && member_follow_pauses(member, &ignored) && follow_stages(member, &ignored);
}

static bool round_once(struct member *member, struct error *error_out)
{
	if (!member_join(member, error_out)) {
		if (member->standby && !member->joined)
			follow_own(member);
		return false;
	}
	bool ok = member_renew_if_due(member, error_out) && member_follow_pauses(member, error_out) &&
		  member_answer_calls(member, error_out) && follow_stages(member, error_out);
	if (ok && is_near_a_move(member))
		member_end_dead(member);
	return ok;
}

static void report(struct member *member, bool ok, const struct error *error)
{
	if (!ok && !member->troubled)
		LOG(LOG_WARNING, "fleet_unreachable", LOG_STR("database", member->settings.database),
		    LOG_STR("error", error->message), LOG_STR("hint", error->hint[0] ? error->hint : NULL));
	else if (ok && member->troubled)
		LOG(LOG_INFO, "fleet_reachable", LOG_STR("database", member->settings.database));
	member->troubled = !ok;
}

/* The connection on which others tell us that something has changed, when it is ours alone; it has told, or is lost. */
static bool listen_on(struct member *member, struct catalog_connection *connection)
{
	if (!catalog_connection_listen(connection))
		member_disconnect(member);
	else
		catalog_connection_notified(connection);
	return true;
}

/* Whether there is something to look at. */
static bool wait_a_moment(struct member *member, bool ok, uint32_t ms)
{
	struct catalog_connection *shared = ok ? member_shared(member) : NULL;
	bool by_link = ok && !shared && !member->standby;
	struct pollfd fds[] = {
		{ .fd = member->stop_fd, .events = POLLIN },
		{ .fd = member->poke_fd, .events = POLLIN },
		{ .fd = shared ? catalog_connection_fd(shared) : by_link ? catalog_link_fd(member->link) : -1, .events = POLLIN },
		{ .fd = by_link ? catalog_link_wake_fd(member->link) : -1, .events = POLLIN },
	};
	if (shared && catalog_connection_notified(shared))
		return true; /* it came while we were looking */
	if (poll(fds, 4, (int)ms) <= 0)
		return false;
	if (fds[1].revents)
		eventfd_read(member->poke_fd, &(eventfd_t){ 0 });
	if (fds[2].revents && shared)
		return listen_on(member, shared);
	if (fds[3].revents)
		eventfd_read(fds[3].fd, &(eventfd_t){ 0 });
	bool lost = fds[2].revents && !catalog_link_listen(member->link);
	return lost || (by_link && catalog_link_notified(member->link)) || fds[0].revents || fds[1].revents;
}

/* While a cutover is near, nobody is to be waited for; with a long poll no connection is held in between otherwise. */
static void let_go(struct member *member)
{
	bool seldom = member->settings.poll_ms >= CATALOG_LINK_HOLD_MS, paused = !link_is_empty(&member->held);
	if (member->own && (is_near_a_move(member) || (paused && seldom))) {
		catalog_link_keep(member->link, member->own);
	} else if (seldom) {
		member_disconnect(member);
	} else {
		member_give_back(member);
	}
}

static uint32_t pause_ms(const struct member *member, bool ok)
{
	if (!link_is_empty(&member->held) || member->called)
		return ok && is_near_a_move(member) ? PAUSED_POLL_MS : LEASE_POLL_MS;
	return ok || member->settings.poll_ms < MEMBER_BACKOFF_MS ? member->settings.poll_ms : MEMBER_BACKOFF_MS;
}

static void wait_until_due(struct member *member, bool ok)
{
	uint64_t until_us = clock_monotonic_us() + pause_ms(member, ok) * UINT64_C(1000);
	bool undrained = ok && member_report_drained(member), woken = false;
	while (!woken && !atomic_load(&member->stopped)) {
		uint64_t now_us = clock_monotonic_us();
		uint32_t left_ms = now_us < until_us ? (uint32_t)((until_us - now_us) / 1000) + 1 : 0;
		uint32_t step_ms = undrained ? (member->standby ? STANDBY_DRAIN_POLL_MS : DRAIN_POLL_MS) : LEASE_POLL_MS;
		if (!left_ms)
			return;
		woken = wait_a_moment(member, ok, left_ms < step_ms ? left_ms : step_ms);
		undrained = undrained && !woken && member_report_drained(member);
		member_mind_lease(member);
	}
}

static void *run(void *context)
{
	struct member *member = context;
	while (!atomic_load(&member->stopped)) {
		struct error error;
		bool ok = round_once(member, &error);
		if (!atomic_load(&member->stopped))
			report(member, ok, &error);
		member_mind_lease(member);
		let_go(member);
		wait_until_due(member, ok);
	}
	member_open_all(member);
	member_leave(member);
	return NULL;
}

/* ---- life ---- */

struct member *member_new(const struct member_settings *settings, struct member_callbacks callbacks)
{
	struct member *member = memory_zalloc(sizeof(*member));
	member->settings = *settings;
	member->settings.dsn = memory_strdup(settings->dsn);
	member->link = catalog_link_for(settings->dsn);
	catalog_link_hold(member->link, settings->poll_ms < CATALOG_LINK_HOLD_MS);
	member->settings.primary_dsn = memory_strdup(settings->primary_dsn);
	member->settings.database = memory_strdup(settings->database);
	member->settings.name = memory_strdup(settings->name);
	member->callbacks = callbacks;
	state_make_id(member->id);
	link_init(&member->held);
	buf_init(&member->stages);
	member->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	member->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!thread_start(&member->thread, "fleet", 0, run, member))
		memory_exhausted(0);
	return member;
}

void member_free(struct member *member)
{
	if (!member)
		return;
	atomic_store(&member->stopped, true);
	eventfd_write(member->stop_fd, 1);
	pthread_join(member->thread, NULL);
	close(member->stop_fd);
	close(member->poke_fd);
	catalog_link_unref(member->link);
	buf_deinit(&member->stages);
	free((char *)member->settings.dsn);
	free((char *)member->settings.primary_dsn);
	free((char *)member->settings.database);
	free((char *)member->settings.name);
	free(member);
}

void member_poke(struct member *member)
{
	eventfd_write(member->poke_fd, 1);
}

const char *member_id(const struct member *member)
{
	return member->id;
}
