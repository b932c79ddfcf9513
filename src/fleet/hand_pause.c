#include "fleet/hand_pause.h"

#include <libpq-fe.h>
#include <stdlib.h>

#define BY_HAND "ended_at IS NULL AND owner NOT IN ('cutover', 'reverse')"
#define END_THEM "UPDATE crossfade.pauses SET ended_at = pg_catalog.clock_timestamp(), outcome = 'resumed' WHERE " BY_HAND

static bool execute(struct catalog_connection *connection, struct buf *sql, uint32_t timeout_ms, struct error *error_out)
{
	bool ok = catalog_execute(connection, buf_cstr(sql), timeout_ms, error_out);
	buf_deinit(sql);
	return ok;
}

/* Its owner is no word that stands for a cutover. */
bool hand_pause_begin(struct catalog_connection *connection, const struct hand_pause *wanted, uint32_t timeout_ms,
		      char id_out[STATE_ID_BYTES], struct error *error_out)
{
	char id[STATE_ID_BYTES];
	struct buf sql;
	state_make_id(id);
	buf_init(&sql);
	buf_printf(&sql, "INSERT INTO crossfade.pauses (id, tables, owner, expires_at) VALUES ('%s', ARRAY[", id);
	if (wanted->table)
		catalog_append_literal(connection, &sql, wanted->table);
	buf_append_str(&sql, "]::text[], pg_catalog.concat(");
	catalog_append_literal(connection, &sql, wanted->who);
	buf_printf(&sql, ", ' by hand'), pg_catalog.clock_timestamp() + interval '%u ms'); NOTIFY crossfade", wanted->ttl_ms);
	if (!execute(connection, &sql, timeout_ms, error_out))
		return false;
	memcpy(id_out, id, sizeof(id));
	return true;
}

bool hand_pause_count(struct catalog_connection *connection, const char *id, uint32_t timeout_ms,
		      struct hand_pause_count *count_out, struct error *error_out)
{
	PGresult *result;
	if (!catalog_query_for(connection,
			       "SELECT count(a.proxy), coalesce(min(p.name) FILTER (WHERE a.proxy IS NULL), ''),"
			       " (SELECT ended_at IS NULL FROM crossfade.pauses WHERE id = $1::uuid)"
			       " FROM crossfade.proxies p LEFT JOIN crossfade.acknowledgements a"
			       " ON a.proxy = p.id AND a.pause = $1::uuid WHERE p.lease_until > pg_catalog.clock_timestamp()",
			       id, timeout_ms, &result, error_out))
		return false;
	bool lasts = PQgetvalue(result, 0, 2)[0] == 't';
	count_out->ready = strtoul(PQgetvalue(result, 0, 0), NULL, 10);
	snprintf(count_out->missing, sizeof(count_out->missing), "%s", PQgetvalue(result, 0, 1));
	PQclear(result);
	if (!lasts)
		error_set(error_out, "55000", "the pause was ended by somebody else, or more statements waited than the limits "
					      "of a proxy allow");
	return lasts;
}

bool hand_pause_withdraw(struct catalog_connection *connection, const char *id, uint32_t timeout_ms,
			 struct error *error_out)
{
	struct buf sql;
	buf_init(&sql);
	buf_printf(&sql, END_THEM " AND id = '%s'; NOTIFY crossfade", id);
	return execute(connection, &sql, timeout_ms, error_out);
}

bool hand_pause_end(struct catalog_connection *connection, const char *table, uint32_t timeout_ms, size_t *ended_out,
		    struct error *error_out)
{
	PGresult *results[2];
	struct buf sql;
	buf_init(&sql);
	buf_append_str(&sql, "WITH ended AS (" END_THEM);
	if (table) {
		buf_append_str(&sql, " AND tables = ARRAY[");
		catalog_append_literal(connection, &sql, table);
		buf_append_str(&sql, "]");
	}
	buf_append_str(&sql, " RETURNING id) SELECT count(*) FROM ended; NOTIFY crossfade");
	bool ok = catalog_query(connection, buf_cstr(&sql), timeout_ms, results, 2, error_out);
	buf_deinit(&sql);
	if (!ok)
		return false;
	*ended_out = strtoul(PQgetvalue(results[0], 0, 0), NULL, 10);
	PQclear(results[0]);
	PQclear(results[1]);
	return true;
}

bool hand_pause_list(struct catalog_connection *connection, uint32_t timeout_ms, struct pg_result **result_out,
		     struct error *error_out)
{
	return catalog_query(connection,
			     "SELECT pg_catalog.array_to_string(p.tables, E'\\n'), p.owner,"
			     " (extract(epoch from p.began_at) * 1000)::bigint, (extract(epoch from p.expires_at) * 1000)::bigint,"
			     " count(a.proxy), string_agg(l.name, ', ' ORDER BY l.name) FILTER (WHERE a.proxy IS NULL)"
			     " FROM crossfade.pauses p LEFT JOIN crossfade.proxies l"
			     " ON l.lease_until > pg_catalog.clock_timestamp() LEFT JOIN crossfade.acknowledgements a"
			     " ON a.pause = p.id AND a.proxy = l.id WHERE p.ended_at IS NULL GROUP BY p.id ORDER BY p.began_at",
			     timeout_ms, result_out, 1, error_out);
}
