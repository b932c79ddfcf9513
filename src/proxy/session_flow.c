/*
 * Large results. A server writes them in pieces of 8 kB, each of which would
 * wake the worker for one read and one write. Once a result has been flowing
 * for a while, the kernel is asked to call only when a whole buffer is full; a
 * timer fetches what is left at the end, or comes more slowly than that.
 */
#include "proxy/session_parts.h"

#include "base/clock.h"

enum {
	PIECE_BYTES = 4096,	  /* less is the end of a result, or a row that was waited for */
	FLOW_BYTES = 2 << 20,	  /* in pieces, one directly after the other: a large result */
	FETCHED_BYTES = 16 << 10, /* less, fetched by the timer: it flows no more */
	CALL_AT_BYTES = 64 << 10,
	FETCH_MS = 1,
	FETCH_AFTER_US = 500, /* without a full buffer */
};

static bool flows(const struct session *session)
{
	return !link_is_empty(&session->flowing);
}

void session_stop_flow(struct session *session)
{
	session->flow_bytes = 0;
	if (!flows(session))
		return;
	link_remove(&session->flowing);
	stream_call_at(&session->server, 1);
}

static void fetch(struct session *session, uint64_t now_us)
{
	if (!session->server.reading)
		session_stop_flow(session);
	else if (session->flowed_us + FETCH_AFTER_US <= now_us)
		session_server_callbacks.on_readable(&session->server);
}

/* What one reads may end any of the others. */
static void on_fetch(uv_timer_t *timer)
{
	struct worker *worker = timer->data;
	uint64_t now_us = clock_monotonic_us();
	struct list_link due;
	list_take(&worker->flowing, &due);
	worker->fetching = true;
	while (!link_is_empty(&due)) {
		struct session *session = LIST_ENTRY(due.next, struct session, flowing);
		link_remove(&session->flowing);
		link_append(&worker->flowing, &session->flowing);
		fetch(session, now_us);
	}
	worker->fetching = false;
	if (link_is_empty(&worker->flowing))
		uv_timer_stop(timer);
}

static void begin(struct session *session)
{
	struct worker *worker = session->worker;
	size_t buffer = session_settings(session)->read_buffer_bytes;
	stream_call_at(&session->server, buffer < CALL_AT_BYTES ? buffer : CALL_AT_BYTES);
	link_append(&worker->flowing, &session->flowing);
	if (!worker->ended && !uv_is_active((uv_handle_t *)&worker->fetch))
		uv_timer_start(&worker->fetch, on_fetch, FETCH_MS, FETCH_MS);
}

void session_note_flow(struct session *session, size_t got)
{
	if (got < (session->worker->fetching ? FETCHED_BYTES : PIECE_BYTES)) {
		session_stop_flow(session);
		return;
	}
	session->flow_bytes += got;
	if (!flows(session) && session->flow_bytes >= FLOW_BYTES && !session->server.tls)
		begin(session);
	if (flows(session))
		session->flowed_us = clock_monotonic_us();
}
