/* What the gate asks of a worker, as tasks of its inbox. */
#include "proxy/session.h"
#include "proxy/worker.h"

#include "base/memory.h"

#include <stdlib.h>

static void for_all_sessions(struct worker *worker, void (*act)(struct session *session))
{
	LIST_FOR_EACH_SAFE(link, &worker->sessions)
	act(LIST_ENTRY(link, struct session, link));
}

static void open_gate(struct worker *worker, struct pause *ended)
{
	for_all_sessions(worker, session_on_gate);
	gate_view_opened(&worker->gate, ended);
}

void worker_expire_pauses(struct worker *worker)
{
	struct pause *ended;
	while ((ended = gate_view_expired(&worker->gate)))
		open_gate(worker, ended);
}

/* ---- begin and end of a pause ---- */

struct pause_task {
	struct inbox_task task;
	struct worker *worker;
	struct pause *pause;
};

static void post_pause(struct worker *worker, struct pause *pause, void (*run)(struct inbox_task *task))
{
	struct pause_task *task = memory_zalloc(sizeof(*task));
	task->task.run = run;
	task->worker = worker;
	task->pause = pause_ref(pause);
	inbox_post(&worker->loop.inbox, &task->task);
}

static void run_pause(struct inbox_task *task)
{
	struct pause_task *change = (struct pause_task *)task;
	if (gate_view_add(&change->worker->gate, change->pause))
		worker_watch_time(change->worker);
	free(change);
}

static void run_open(struct inbox_task *task)
{
	struct pause_task *change = (struct pause_task *)task;
	struct pause *ended = gate_view_remove(&change->worker->gate, change->pause);
	if (ended)
		open_gate(change->worker, ended);
	pause_unref(change->pause);
	free(change);
}

void worker_post_pause(struct worker *worker, struct pause *pause)
{
	post_pause(worker, pause, run_pause);
}

void worker_post_open(struct worker *worker, struct pause *pause)
{
	post_pause(worker, pause, run_open);
}

/* ---- who has to do with it ---- */

struct census_task {
	struct inbox_task task;
	struct worker *worker;
	struct pause *pause;
	struct gate_census *census;
};

static void count(struct worker *worker, const struct pause *pause, struct gate_census *census)
{
	size_t in_flight = 0;
	struct buf parked;
	buf_init(&parked);
	LIST_FOR_EACH(link, &worker->sessions)
	{
		struct session *session = LIST_ENTRY(link, struct session, link);
		if (session->phase != SESSION_RUNNING)
			continue;
		in_flight += parking_in_flight(&session->conversation, pause);
		if (session->conversation.parking.pause == pause && parking_is_parked(&session->conversation))
			buf_append(&parked, &session->server_pid, sizeof(session->server_pid));
	}
	gate_census_answer(census, in_flight, (const uint32_t *)(const void *)parked.data,
			   parked.len / sizeof(uint32_t));
	buf_deinit(&parked);
}

static void run_census(struct inbox_task *task)
{
	struct census_task *question = (struct census_task *)task;
	count(question->worker, question->pause, question->census);
	pause_unref(question->pause);
	gate_census_unref(question->census);
	free(question);
}

void worker_post_census(struct worker *worker, struct pause *pause, struct gate_census *census)
{
	struct census_task *task = memory_zalloc(sizeof(*task));
	task->task.run = run_census;
	task->worker = worker;
	task->pause = pause_ref(pause);
	task->census = gate_census_ref(census);
	inbox_post(&worker->loop.inbox, &task->task);
}

/* ---- letting through ---- */

struct release_task {
	struct inbox_task task;
	struct worker *worker;
	struct pause *pause;
	size_t count;
	uint32_t pids[];
};

static bool is_one_of(const struct release_task *release, uint32_t pid)
{
	for (size_t i = 0; i < release->count; i++) {
		if (release->pids[i] == pid)
			return true;
	}
	return false;
}

static void run_release(struct inbox_task *task)
{
	struct release_task *release = (struct release_task *)task;
	LIST_FOR_EACH_SAFE(link, &release->worker->sessions)
	{
		struct session *session = LIST_ENTRY(link, struct session, link);
		if (session->conversation.parking.pause == release->pause && session->server_pid &&
		    is_one_of(release, session->server_pid))
			session_let_through(session);
	}
	pause_unref(release->pause);
	free(release);
}

void worker_post_release(struct worker *worker, struct pause *pause, const uint32_t *pids, size_t pid_count)
{
	struct release_task *task = memory_zalloc(sizeof(*task) + pid_count * sizeof(*pids));
	task->task.run = run_release;
	task->worker = worker;
	task->pause = pause_ref(pause);
	task->count = pid_count;
	memcpy(task->pids, pids, pid_count * sizeof(*pids));
	inbox_post(&worker->loop.inbox, &task->task);
}

/* ---- cancel requests ---- */

struct cancel_task {
	struct inbox_task task;
	struct worker *worker, *asker;
	uint64_t session, asking_session;
	bool done;
};

static struct session *find_session(struct worker *worker, uint64_t id)
{
	LIST_FOR_EACH(link, &worker->sessions)
	{
		struct session *session = LIST_ENTRY(link, struct session, link);
		if (session->id == id)
			return session;
	}
	return NULL;
}

static void run_answer(struct inbox_task *task)
{
	struct cancel_task *cancel = (struct cancel_task *)task;
	struct session *session = find_session(cancel->asker, cancel->asking_session);
	if (session)
		session_on_cancel_answer(session, cancel->done);
	free(cancel);
}

static void run_cancel(struct inbox_task *task)
{
	struct cancel_task *cancel = (struct cancel_task *)task;
	struct session *session = find_session(cancel->worker, cancel->session);
	cancel->done = session && session_cancel_parked(session);
	if (cancel->worker->ended) {
		free(cancel); /* the asker's loop may be gone as well */
		return;
	}
	cancel->task.run = run_answer;
	inbox_post(&cancel->asker->loop.inbox, &cancel->task);
}

void worker_post_cancel(struct worker *worker, uint64_t session, struct worker *asker, uint64_t asking_session)
{
	struct cancel_task *task = memory_zalloc(sizeof(*task));
	task->task.run = run_cancel;
	task->worker = worker;
	task->asker = asker;
	task->session = session;
	task->asking_session = asking_session;
	inbox_post(&worker->loop.inbox, &task->task);
}
