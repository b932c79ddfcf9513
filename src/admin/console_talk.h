/*
 * One connection to the console on plain buffers: the client's bytes go in,
 * our answers come out. Simple and extended protocol; nothing here knows
 * sockets, threads, or what a command does.
 *
 *   STARTUP → READY → ENDED      (STARTUP → ENDED: refused, or a cancel request)
 *   STARTUP → SASL_FIRST → SASL_LAST → READY, where a password is asked for
 *
 * There are no transactions: each command takes effect at once, and the
 * status is always "idle", which keeps drivers from thinking otherwise.
 */
#ifndef CROSSFADE_ADMIN_CONSOLE_TALK_H
#define CROSSFADE_ADMIN_CONSOLE_TALK_H

#include "admin/console_command.h"
#include "admin/console_result.h"
#include "auth/scram_keys.h"
#include "base/buf.h"

/* CONSOLE_ASKED: nothing yet; the user has to prove who it is, and is asked about again then. */
enum console_role { CONSOLE_NOBODY, CONSOLE_VIEWER, CONSOLE_ADMIN, CONSOLE_ASKED };

struct console_talk;

struct console_talk_callbacks {
	void *context;
	/* What this user may do; CONSOLE_NOBODY: nothing, for the reason in error_out. proved: by a password. */
	enum console_role (*admit)(void *context, const char *user, bool proved, struct error *error_out);
	/* For CONSOLE_ASKED: what the password is held against; *doomed_out: nothing will do. */
	void (*verifier)(void *context, const char *user, struct scram_verifier *verifier_out, bool *doomed_out);
	/* Carries a request out. May wait, and use console_talk_notice meanwhile. */
	bool (*run)(void *context, const struct console_request *request, struct console_result *result,
		    struct error *error_out);
	/* The client should have what is in out by now. */
	void (*flush)(void *context);
	/* Another connection wants this one's command to be given up. */
	void (*cancel)(void *context, uint32_t pid, uint32_t key);
};

enum {
	CONSOLE_MESSAGE_MAX_BYTES = 64 << 10,
	CONSOLE_STATEMENTS_MAX = 64, /* prepared, and as many portals */
};

/* pid and key: of this connection, for cancel requests. */
struct console_talk *console_talk_new(struct console_talk_callbacks callbacks, uint32_t pid, uint32_t key);
void console_talk_free(struct console_talk *talk);

/* Takes what it can use and returns how much that was; come again with the rest and more. */
size_t console_talk_feed(struct console_talk *talk, const char *data, size_t len);
/* What is to be sent; whoever sends it consumes it. */
struct buf *console_talk_out(struct console_talk *talk);
bool console_talk_ready(const struct console_talk *talk);
bool console_talk_ended(const struct console_talk *talk);
/* FATAL, and the end. */
void console_talk_fail(struct console_talk *talk, const struct error *error);
/* While a request runs: progress ("INFO"), or "WARNING". */
void console_talk_notice(struct console_talk *talk, const char *severity, const struct error *notice);

#endif
