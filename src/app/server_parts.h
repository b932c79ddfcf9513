/* What the files of the server (server*.c) share; nobody else includes this. All of it is the main thread's. */
#ifndef CROSSFADE_APP_SERVER_PARTS_H
#define CROSSFADE_APP_SERVER_PARTS_H

#include "admin/console.h"
#include "admin/http.h"
#include "app/evidence.h"
#include "app/http_report.h"
#include "app/journal.h"
#include "app/main_calls.h"
#include "app/rules.h"
#include "app/server.h"
#include "catalog/auth_query.h"
#include "catalog/watcher.h"
#include "config/watch.h"
#include "fleet/member.h"
#include "fleet/cutover.h"

#include <pthread.h>
#include <uv.h>

struct server_database {
	struct server *server;
	struct rules *rules;
	struct catalog_watcher *watcher; /* NULL: no admin connection */
	struct member *member;		 /* NULL: the stages are in a file */
	char *stages_arrived;		 /* under server->lock: from the member, newer than … */
	char *stages;			 /* … the text of a flags file with the stages of the database */
	bool stages_refused;		 /* they do not go with the map */
	struct facts *arrived;		 /* under server->lock: newer than those of the rules */
	uint64_t checked;		 /* under server->lock: the newest ticket of the watcher's that is answered */
	uint64_t looked;		 /* … and that was published */
	uint64_t fresh;			 /* under server->lock: … and for which the catalog could be read */
	uint64_t awaited;		 /* a reload is tried again once this one is */
	uint32_t *seen; /* the watcher's thread: server processes of the last look, sorted */
	size_t seen_count;
	bool has_facts;
};

struct server {
	struct settings settings;
	char *config_path;
	char id[STATE_ID_BYTES]; /* by which it says in databases which sessions are its */
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_async_t inbox;
	uv_timer_t files_timer;
	uv_timer_t start_timer;
	pthread_mutex_t lock;
	struct watch *files;
	struct usage *usage;
	struct proxy *proxy;
	struct auth_query *auth_query; /* NULL: none */
	struct overview *overview;
	struct http_report *http_report;
	struct http *http; /* NULL: off */
	struct main_calls *calls;
	struct console *console; /* NULL: off */
	struct server_cutovers *cutovers;
	struct server_database *databases;
	size_t database_count;
	bool accepting, stopping;
	bool rewriting_off; /* the kill switch */
	bool recalled; /* stages are those of before the start; the files' are still to be judged */
	const char *awaited_cause; /* of the reload that is tried again; NULL: none */
	int status;
};

/* What the ledger said about the entry that shall be completed. */
struct server_evidence {
	bool quiet;
	struct error refusal; /* not quiet: why it may not */
};

/* Who wants rules to change, and why: for the stages' rules and for the journal. */
struct server_order {
	const char *who, *action, *reason;
	const char *key;	/* of the entry that somebody sets; NULL: a reload */
	bool force;		/* for that entry */
	const struct server_evidence *evidence; /* … NULL: the ledger was not asked yet */
	bool final;		/* the catalog was just read: what it says holds */
	bool flips;		/* out: nothing was done, since that takes server_cutover */
};

/* ---- server.c ---- */

void server_stop(struct server *server, bool at_once);
/* After rules have changed: the ledger and the watcher learn of it. */
void server_rules_changed(struct server *server);
/* stages: what the database says, where it keeps them; NULL: nothing yet. */
struct rules_files server_files_of(const struct settings *settings, const struct settings_database *database,
				   const char *stages);
/* Facts that have changed in these relations only are in force at once; false: the catalog has to be read. */
bool server_take_change(struct server_database *database, const struct facts_change *change);
/* Has the catalog of every database read again. */
void server_poke(struct server *server);
bool server_has_looked(const struct server *server);

/* ---- server_reload.c ---- */

void server_reload_and_say(struct server *server, const char *cause);
/* The one that waited for the catalog (server->awaited_cause). */
void server_reload_again(struct server *server);
bool server_reload(struct server *server, const struct server_order *order, struct error *error_out);
/*
 * The maps and stages of all databases change, or none. order: whose stages are judged; NULL: the start's, with
 * nothing to compare them with. *stale_out: refused, but the catalog may have moved on.
 */
bool server_load_rules(struct server *server, const struct settings *fresh, const struct server_order *order,
		       bool *stale_out, struct error *error_out);
void server_commit_rules(struct server_database *database, struct rules_change *change);
/* Those that the settings name. */
void server_watch_files(struct server *server);

/* ---- server_bypass.c ---- */

/* A catalog_watcher's callback for a server_database; on the watcher's thread. */
void server_on_activity(void *context, const struct activity *activity);
uint32_t *server_pids(void *context, size_t *count_out);

typedef void server_bypass_fn(void *context, const char *database, const struct activity_session *session);
/* Sessions of the database that did not come through here, as far as the role may see them. Not on the main thread. */
bool server_each_bypass(struct server *server, const char *dsn, server_bypass_fn *each, void *context,
			struct error *error_out);
bool server_show_bypass(struct server *server, const char *dsn, struct console_result *result,
			struct error *error_out);

/* ---- server_stages.c ---- */

/*
 * Whether the stages may change so; all changes are judged. *stale_out: not
 * so, but the catalog may have moved on, and is worth another look.
 */
bool server_judge(struct server_database *database, const struct rules_change *change,
		  const struct server_order *order, bool *stale_out, struct error *error_out);
/* Writes what changed to the journal, or that it was refused. Before the commit. */
void server_note_stages(struct server_database *database, const struct rules_change *change,
			const struct server_order *order, const char *outcome);
void server_note(struct server *server, const struct journal_entry *entry);

/* The entry that a request names, in the rules now in force; NULL with error_out. */
struct server_database *server_find_entry(struct server *server, const struct console_request *request,
					  const struct ruleset_entry **entry_out, struct error *error_out);
/* Where the database keeps the stages, or two tables change their parts (order->flips), this only judges. */
bool server_set_flag(struct server *server, const struct console_request *request, struct server_order *order,
		     struct error *error_out);
bool server_rewrite(struct server *server, bool on, const struct server_order *order, struct error *error_out);

/* False: without rewriting statements would fail, or see old rows. */
bool server_may_pass_all(struct server *server, struct error *error_out);
/* Without a word to the journal. */
void server_switch_rewriting(struct server *server, bool on);

bool server_write_flags(struct server_database *database, const struct state_stage *stages, size_t count,
			struct error *error_out);

/* ---- server_start.c ---- */

/* Takes up stages and kill switch of before the start; before the first session … */
void server_recall(struct server *server);
/* … and judges what is different now, once the catalog is known. */
void server_judge_start(struct server *server);

/* ---- server_cutover.c: on the console's threads ---- */

struct server_cutovers;

struct server_cutovers *server_cutovers_new(void);
void server_cutovers_free(struct server_cutovers *cutovers); /* accepts NULL */

/* CUTOVER, REVERSE, and a SET FLAG that changes which of two tables has the rows: returns at its end. */
bool server_cutover(struct server *server, const struct console_caller *caller, const struct console_request *request,
		    struct error *error_out);
/* A cutover is under way; on any thread. */
bool server_is_moving(struct server *server);
bool server_cancel_cutover(struct server *server, struct error *error_out);
void server_show_cutovers(struct server *server, struct console_result *result);
void server_show_blockers(struct server *server, struct console_result *result);

/* ---- server_pause.c: on the console's threads ---- */

/* PAUSE returns when the tables are held up, by all proxies that share the stages. */
bool server_pause(struct server *server, const struct console_caller *caller, const struct console_request *request,
		  struct error *error_out);
bool server_resume(struct server *server, const struct console_caller *caller, const struct console_request *request,
		   struct error *error_out);

bool server_show_pauses(struct server *server, const struct console_request *request, struct console_result *result,
			struct error *error_out);

/* ---- server_cutover_check.c ---- */

struct server_check {
	struct server *server;
	const struct ruleset *ruleset;
	const char *dsn;
	struct evidence_sources ledger;
	bool view; /* one is left under the old name */
	void (*say)(void *context, const char *text);
	void *context;
};
/* What the ledger and the server's sessions have to say about a move. Not on the main thread. */
void server_check_move(const struct server_check *wanted, const struct move_plan *plan);

/* ---- server_security.c ---- */

void server_open_auth_query(struct server *server);
bool server_check_security(const struct settings *settings, struct error *error_out);
/* For the proxy, on workers' threads. */
void server_find_verifier(void *context, const char *user, struct proxy_asker *asker);
/* Where keys or verifiers are in memory. */
void server_forbid_core_dumps(const struct settings *settings);

/* ---- server_fleet.c ---- */

#define SERVER_STAGES_NAME "the schema crossfade"

/* For people: "host:port pid N". */
enum { SERVER_NAME_BYTES = 192 };
void server_name(const struct server *server, char name_out[SERVER_NAME_BYTES]);
void server_join_fleet(struct server *server);
void server_leave_fleet(struct server *server);
void server_take_stages(struct server_database *database);
/* To the schema crossfade, which is there then; NULL with an error. Not on the main thread, nor what follows. */
struct catalog_connection *server_connect_state(const char *dsn, struct error *error_out);
bool server_store_stage(const char *dsn, const struct state_change *change, struct error *error_out);
/* What all proxies of the database have noted there, newest first. */
bool server_read_journal(const char *database, const char *dsn, const char *table, size_t most, struct arena *arena,
			 struct journal_entries *entries_out, struct error *error_out);
bool server_show_proxies(const char *database, const char *dsn, const char *self, struct console_result *result,
			 struct error *error_out);

/* ---- server_console.c ---- */

bool server_open_console(struct server *server, struct error *error_out);
void server_close_console(struct server *server);
/* NULL: the configuration names no users file. */
bool server_load_passwords(const struct settings *settings, struct users **users_out, struct error *error_out);
void server_console_reloaded(struct server *server, struct users *passwords);

#endif
