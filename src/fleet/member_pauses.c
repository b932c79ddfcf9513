/*
 * Pauses that somebody has announced, as one proxy among others keeps them:
 *
 *   row seen ─► gate closed ─► acknowledged ─► nothing under way any more: drained
 *      its row has ended (on a standby: as its own server shows it)
 *   ─► stages and catalog read again ─► gate open
 */
#include "fleet/member_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "fleet/holders.h"

#include <libpq-fe.h>
#include <stdlib.h>

enum {
	PAUSE_SPARE_MS = 30000, /* should the server be out of reach, the gate opens by itself so much later */
	ACKNOWLEDGE_MS = 2000,
	CENSUS_MS = 1000,
	TABLES_MAX = 1000,
	LEASE_SPARE_MS = 1000, /* ours is over before the server says so */
	NO_LEASE_TTL_MS = 24 * 3600 * 1000,
};

/* A pause that we have taken up. */
struct held {
	struct list_link link;
	char id[STATE_ID_BYTES];
	uint64_t pause; /* of the proxy; 0: it has no sessions yet */
	uint64_t until_us; /* then the gate has opened by itself */
	char *tables, *owner;
	struct pid_list watched; /* relations, for a standby's own locks */
	struct member_change *change; /* NULL: the whole catalog is read when it is over … */
	uint64_t ticket;	      /* … which was asked for with this one; 0: not yet */
	bool seen;	/* in this round, and not over */
	bool drained;	/* and said so */
	bool by_hand;	/* nobody moves anything */
};

static struct held *find_held(struct member *member, const char *id)
{
	LIST_FOR_EACH(link, &member->held)
	{
		struct held *held = LIST_ENTRY(link, struct held, link);
		if (strcmp(held->id, id) == 0)
			return held;
	}
	return NULL;
}

static void drop(struct member *member, struct held *held)
{
	if (held->pause)
		proxy_resume(member->settings.proxy, held->pause);
	link_remove(&held->link);
	free(held->tables);
	free(held->owner);
	free(held->watched.pids);
	member_change_free(held->change);
	free(held);
}

void member_open_all(struct member *member)
{
	while (!link_is_empty(&member->held))
		drop(member, LIST_ENTRY(member->held.next, struct held, link));
	if (member->transforms)
		proxy_resume(member->settings.proxy, member->transforms);
	member->transforms = 0;
}

/* "1,2,3"; 0 is nobody. */
static struct pid_list parse_numbers(const char *text, size_t most)
{
	struct pid_list list = { memory_zalloc((most + 1) * sizeof(*list.pids)), 0 };
	while (*text && list.count < most) {
		char *end;
		uint32_t number = (uint32_t)strtoll(text, &end, 10);
		if (end == text)
			break;
		list.pids[list.count] = number;
		list.count += number != 0;
		text = *end ? end + 1 : end;
	}
	return list;
}

/* ---- taking one up ---- */

/* One table a line: names may hold anything else. */
static size_t split_tables(char *text, const char **tables)
{
	size_t count = 0;
	char *next;
	for (char *line = strtok_r(text, "\n", &next); line && count < TABLES_MAX; line = strtok_r(NULL, "\n", &next))
		tables[count++] = line;
	return count;
}

static void close_gate(struct member *member, struct held *held, long left_ms)
{
	const char **tables = memory_zalloc(TABLES_MAX * sizeof(*tables));
	char *text = memory_strdup(held->tables);
	struct proxy_pause wanted = { .database = member->settings.database, .tables = tables, .owner = held->owner,
				      .ttl_ms = (uint32_t)left_ms + PAUSE_SPARE_MS };
	struct error error;
	wanted.table_count = split_tables(text, tables); /* none: every one */
	held->pause = proxy_pause(member->settings.proxy, &wanted, &error);
	held->until_us = clock_monotonic_us() + wanted.ttl_ms * UINT64_C(1000);
	free(text);
	free(tables);
}

static bool acknowledge(struct member *member, const struct held *held, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "INSERT INTO crossfade.acknowledgements (pause, proxy, drained) VALUES (");
	member_append_text(member, &sql, held->id);
	buf_append_str(&sql, ", ");
	member_append_text(member, &sql, member->id);
	buf_printf(&sql, ", %s) ON CONFLICT DO NOTHING", held->drained ? "true" : "false");
	return member_execute(member, &sql, error_out);
}

/* A standby's sessions have locks that only the standby shows. */
static bool is_held_here(struct member *member, const struct held *held)
{
	struct pid_list holders = { 0 }, blockers = { 0 };
	struct error error;
	if (!member->standby || !held->watched.count)
		return false;
	if (!member->own ||
	    !holders_poll(member->own, held->watched.pids, held->watched.count, MEMBER_QUERY_MS, &holders, &blockers, &error))
		return true;
	free(holders.pids);
	free(blockers.pids);
	return holders.count > 0;
}

static bool is_drained(struct member *member, const struct held *held)
{
	struct proxy_census census;
	if (!proxy_pause_census(member->settings.proxy, held->pause, CENSUS_MS, &census))
		return false;
	free(census.parked);
	return !census.in_flight && !is_held_here(member, held);
}

static bool is_serving(struct member *member)
{
	return member->callbacks.is_serving(member->callbacks.context);
}

/*
 * Acknowledged only when every worker holds such statements up. Before there
 * are sessions there is nothing to hold up; and while they are about to be let
 * in, nothing is said.
 */
static bool take_up(struct member *member, const PGresult *result, int row, long left_ms, struct error *error_out)
{
	struct error refusal;
	bool serving = is_serving(member);
	if ((!serving && member->told) ||
	    !member_agrees(member, PQgetvalue(result, row, 1), PQgetvalue(result, row, 5), &refusal))
		return true; /* then it is not acknowledged, and the cutover does not begin */
	struct held *held = memory_zalloc(sizeof(*held));
	snprintf(held->id, sizeof(held->id), "%s", PQgetvalue(result, row, 0));
	held->tables = memory_strdup(PQgetvalue(result, row, 1));
	held->owner = memory_strdup(PQgetvalue(result, row, 2));
	held->watched = parse_numbers(PQgetvalue(result, row, 7), TABLES_MAX);
	held->by_hand = PQgetvalue(result, row, 8)[0] == 't';
	held->until_us = clock_monotonic_us() + (uint64_t)(left_ms + PAUSE_SPARE_MS) * 1000;
	held->seen = true;
	link_append(&member->held, &held->link);
	if (!serving) {
		held->drained = true;
		return acknowledge(member, held, error_out);
	}
	close_gate(member, held, left_ms);
	if (!held->pause || !proxy_pause_await(member->settings.proxy, held->pause, PAUSE_PAUSING, ACKNOWLEDGE_MS))
		return true;
	held->drained = held->by_hand || is_drained(member, held);
	if (!acknowledge(member, held, error_out))
		return false;
	held->change = held->by_hand ? NULL : member_change_read(member, held->id);
	return true;
}

static bool say_drained(struct member *member, struct held *held, bool drained)
{
	struct error ignored;
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, "UPDATE crossfade.acknowledgements SET drained = %s WHERE pause = ", drained ? "true" : "false");
	member_append_text(member, &sql, held->id);
	buf_append_str(&sql, " AND proxy = ");
	member_append_text(member, &sql, member->id);
	return member_execute(member, &sql, &ignored);
}

bool member_report_drained(struct member *member)
{
	bool left = false;
	LIST_FOR_EACH(link, &member->held)
	{
		struct held *held = LIST_ENTRY(link, struct held, link);
		if (held->drained || !held->pause || !member_shared(member))
			continue;
		held->drained = is_drained(member, held) && say_drained(member, held, true);
		left = left || !held->drained;
	}
	return left;
}

/* ---- keeping it ---- */

/* Nobody can while a cutover's transaction has locked the row; then it is looked at again. */
static bool end_row(struct member *member, const char *id, const char *outcome, struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql,
		   "UPDATE crossfade.pauses SET ended_at = pg_catalog.clock_timestamp(), outcome = '%s' WHERE id = (SELECT id "
		   "FROM crossfade.pauses WHERE ended_at IS NULL AND id = ",
		   outcome);
	member_append_text(member, &sql, id);
	buf_append_str(&sql, " FOR UPDATE SKIP LOCKED); NOTIFY crossfade");
	return member_execute(member, &sql, error_out);
}

static bool is_in(const struct pid_list *list, uint32_t pid)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->pids[i] == pid)
			return true;
	}
	return false;
}

/*
 * A session that waits at the gate and holds the tables, or keeps one that does
 * waiting, must go on. It waited before the locks were looked at, so it does
 * still; and what it sends now has to be waited for again.
 */
static void release_blockers(struct member *member, struct held *held)
{
	struct proxy_census census;
	struct pid_list holders, blockers;
	struct error ignored;
	size_t count = 0;
	if (member->standby || !held->pause || !held->watched.count ||
	    !proxy_pause_census(member->settings.proxy, held->pause, CENSUS_MS, &census))
		return;
	if (census.parked_count && holders_poll(member->own, held->watched.pids, held->watched.count, MEMBER_QUERY_MS,
						&holders, &blockers, &ignored)) {
		for (size_t i = 0; i < census.parked_count; i++) {
			uint32_t pid = census.parked[i];
			if (pid && (is_in(&holders, pid) || is_in(&blockers, pid)))
				census.parked[count++] = pid;
		}
		free(holders.pids);
		free(blockers.pids);
	}
	if (count && say_drained(member, held, false)) {
		held->drained = false;
		proxy_pause_release(member->settings.proxy, held->pause, census.parked, count);
	}
	free(census.parked);
}

/* More waited than the limits allow: the pause is over for all, or statements would go through here only. */
static bool was_too_much(struct member *member, const struct held *held)
{
	struct proxy_pause_info info;
	return held->pause && proxy_pause_look(member->settings.proxy, held->pause, &info) && info.stage >= PAUSE_OPENING &&
	       info.end == PAUSE_LIMIT;
}

/* False: it cannot be kept. */
static bool keep(struct member *member, struct held *held, long left_ms)
{
	uint32_t ttl_ms = (uint32_t)(left_ms > 0 ? left_ms : 0) + PAUSE_SPARE_MS;
	held->seen = true;
	held->until_us = clock_monotonic_us() + ttl_ms * UINT64_C(1000);
	bool closed = held->pause && proxy_pause_renew(member->settings.proxy, held->pause, ttl_ms);
	if (!closed && was_too_much(member, held))
		return false;
	if (!closed && is_serving(member))
		close_gate(member, held, left_ms > 0 ? left_ms : 0); /* late, if at all */
	release_blockers(member, held);
	return true;
}

/* One row of a pause that has not ended. */
static bool look_at_pause(struct member *member, const PGresult *result, int row, struct error *error_out)
{
	const char *id = PQgetvalue(result, row, 0);
	long left_ms = strtol(PQgetvalue(result, row, 3), NULL, 10);
	bool acknowledged = PQgetvalue(result, row, 4)[0] == 't', abandoned = PQgetvalue(result, row, 6)[0] != 't';
	struct held *held = find_held(member, id);
	if (held && !keep(member, held, left_ms))
		return end_row(member, id, "too many waited", error_out);
	if (left_ms <= 0 || abandoned)
		return end_row(member, id, abandoned ? "abandoned" : "expired", error_out);
	return held || acknowledged || take_up(member, result, row, left_ms, error_out);
}

static bool look_at_all(struct member *member, struct error *error_out)
{
	PGresult *result = NULL;
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql,
		       "SELECT p.id, pg_catalog.array_to_string(p.tables, E'\\n'), p.owner, (extract(epoch from p.expires_at "
		       "- pg_catalog.clock_timestamp()) * 1000)::bigint, EXISTS (SELECT FROM crossfade.acknowledgements a WHERE "
		       "a.pause = p.id AND a.proxy = ");
	member_append_text(member, &sql, member->id);
	buf_append_str(&sql,
		       "), pg_catalog.array_to_string(p.digests, E'\\n'),"
		       " p.owner NOT IN ('cutover', 'reverse') OR EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype ="
		       " 'advisory' AND l.classid = 0 AND l.objid = " STATE_MOVER_LOCK " AND l.objsubid = 1 AND l.granted AND"
		       " l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())),"
		       " pg_catalog.array_to_string(p.watched, ','), p.owner NOT IN ('cutover', 'reverse')"
		       " FROM crossfade.pauses p WHERE p.ended_at IS NULL");
	bool ok = catalog_query(member_shared(member), buf_cstr(&sql), MEMBER_QUERY_MS, &result, 1, error_out);
	buf_deinit(&sql);
	for (int row = 0; ok && row < PQntuples(result); row++)
		ok = look_at_pause(member, result, row, error_out);
	PQclear(result);
	return ok;
}

bool member_is_in_a_move(const struct member *member)
{
	LIST_FOR_EACH(link, &member->held)
	{
		if (!LIST_ENTRY(link, struct held, link)->by_hand)
			return true;
	}
	return false;
}

/* ---- opening ---- */

/* The primary has told all; a standby waits until it has come to that point itself. */
static bool is_over(struct member *member, const struct held *held)
{
	struct error ignored;
	PGresult *result = NULL;
	if (clock_monotonic_us() > held->until_us)
		return true;
	if (held->seen)
		return false;
	if (!member->standby)
		return true;
	if (!member->own ||
	    !catalog_query_for(member->own, "SELECT FROM crossfade.pauses WHERE ended_at IS NOT NULL AND id = $1::uuid", held->id,
			       MEMBER_QUERY_MS, &result, &ignored))
		return false;
	bool over = PQntuples(result) > 0;
	PQclear(result);
	return over;
}

/* Stages and places are those of now. False: not yet, and what waits would go to where the tables were. */
static bool catch_up(struct member *member, struct held *held, struct buf *stages)
{
	return (stages && held->change && member_change_apply(member, held->change, buf_cstr(stages))) ||
	       member_refresh(member, stages, &held->ticket) || clock_monotonic_us() > held->until_us;
}

static void open_over(struct member *member)
{
	struct buf stages;
	struct error ignored;
	bool asked = false, known = false;
	LIST_FOR_EACH_SAFE(link, &member->held)
	{
		struct held *held = LIST_ENTRY(link, struct held, link);
		if (!is_over(member, held))
			continue;
		if (!asked)
			known = member->own && member_read_stages(member, &stages, &ignored);
		asked = true;
		if (catch_up(member, held, known ? &stages : NULL))
			drop(member, held);
	}
	if (!known)
		return;
	if (!member_is_in_a_move(member))
		member_hand_out(member, &stages);
	buf_deinit(&stages);
}

bool member_follow_pauses(struct member *member, struct error *error_out)
{
	bool reachable = member_shared(member) != NULL;
	LIST_FOR_EACH(link, &member->held)
	LIST_ENTRY(link, struct held, link)->seen = false;
	bool ok = !reachable || look_at_all(member, error_out);
	if (ok)
		open_over(member);
	return ok;
}

/* ---- without a lease ---- */

static bool has_lease(const struct member *member)
{
	uint64_t age_us = clock_monotonic_us() - member->renewed_us;
	return member->renewed_us && age_us < (member->settings.lease_ms - LEASE_SPARE_MS) * UINT64_C(1000);
}

/* The flag alone says where their rows are, and somebody may be changing it where we cannot see it. */
static void hold_transforms(struct member *member)
{
	struct ruleset *rules = is_serving(member) ? member->callbacks.rules(member->callbacks.context) : NULL;
	struct proxy_pause wanted = { .database = member->settings.database, .owner = "no lease", .ttl_ms = NO_LEASE_TTL_MS };
	struct error error;
	if (!rules)
		return;
	const char **tables = memory_zalloc((rules->entry_count + 1) * sizeof(*tables));
	for (size_t i = 0; i < rules->entry_count; i++) {
		if (rules->entries[i].kind == MAP_TRANSFORM)
			tables[wanted.table_count++] = rules->entries[i].key;
	}
	wanted.tables = tables;
	if (wanted.table_count)
		member->transforms = proxy_pause(member->settings.proxy, &wanted, &error);
	if (member->transforms)
		LOG(LOG_WARNING, "fleet_transforms_held", LOG_STR("database", member->settings.database),
		    LOG_UINT("tables", wanted.table_count));
	free(tables);
	ruleset_unref(rules);
}

void member_mind_lease(struct member *member)
{
	if (member->standby || has_lease(member)) {
		if (!member->transforms)
			return;
		proxy_resume(member->settings.proxy, member->transforms);
		member->transforms = 0;
		LOG(LOG_INFO, "fleet_transforms_go_on", LOG_STR("database", member->settings.database));
	} else if (!member->transforms ||
		   !proxy_pause_renew(member->settings.proxy, member->transforms, NO_LEASE_TTL_MS)) {
		hold_transforms(member);
	}
}
