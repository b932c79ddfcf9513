/*
 * The one shape of an error, from a YAML typo to a refused statement:
 * SQLSTATE, message, DETAIL, HINT, and where. A plain value without
 * ownership; texts that do not fit are cut at a character's edge.
 * Texts never contain literals, parameters or passwords of a user.
 */
#ifndef CROSSFADE_BASE_ERROR_H
#define CROSSFADE_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SQLSTATE_FEATURE_NOT_SUPPORTED "0A000"
#define SQLSTATE_UNDEFINED_TABLE "42P01"
#define SQLSTATE_UNDEFINED_SCHEMA "3F000"
#define SQLSTATE_WARNING "01000"
#define SQLSTATE_IN_FAILED_TRANSACTION "25P02"
#define SQLSTATE_UNDEFINED_COLUMN "42703"
#define SQLSTATE_LIMIT_EXCEEDED "54000"
#define SQLSTATE_CONFIG_FILE_ERROR "F0000"
#define SQLSTATE_CONNECTION_FAILURE "08006"
#define SQLSTATE_PROTOCOL_VIOLATION "08P01"
#define SQLSTATE_QUERY_CANCELED "57014"
#define SQLSTATE_INVALID_AUTHORIZATION "28000"
#define SQLSTATE_INVALID_PASSWORD "28P01"
#define SQLSTATE_ADMIN_SHUTDOWN "57P01"
#define SQLSTATE_CANNOT_CONNECT_NOW "57P03"
#define SQLSTATE_TOO_MANY_CONNECTIONS "53300"
#define SQLSTATE_OUT_OF_MEMORY "53200"
#define SQLSTATE_IDLE_TRANSACTION_TIMEOUT "25P03"
#define SQLSTATE_IDLE_SESSION_TIMEOUT "57P05"
#define SQLSTATE_INTERNAL_ERROR "XX000"

struct error {
	char sqlstate[6];
	char message[512];
	char detail[512]; /* empty: none */
	char hint[512];   /* empty: none */
	char file[256];   /* empty: not about a file */
	uint32_t line;    /* 1-based; 0: unknown */
	uint32_t column;  /* 1-based, in characters; 0: unknown */
	uint32_t position; /* 1-based character position in the SQL text; 0: none */
};

/* Starts the error anew: everything but sqlstate and message is empty. */
void error_set(struct error *error_out, const char *sqlstate, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void error_detail(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_hint(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_at(struct error *error, const char *file, uint32_t line, uint32_t column);

/* `file:line:column: message`, then DETAIL and HINT on lines of their own. */
void error_print(const struct error *error, FILE *stream);

#endif
