/*
 * The report as the http port serves it: the running proxy's rules, its
 * ledger and what the databases say, made anew at most every few seconds
 * however many people look.
 */
#ifndef CROSSFADE_APP_HTTP_REPORT_H
#define CROSSFADE_APP_HTTP_REPORT_H

#include "admin/overview.h"
#include "app/settings.h"
#include "base/buf.h"

struct http_report;

/* The overview must live longer. */
struct http_report *http_report_new(const struct settings *settings, struct overview *overview);
void http_report_free(struct http_report *report);
/* After a reload; from any thread. */
void http_report_configure(struct http_report *report, const struct settings *settings);
/* Appends JSON; from any thread, one at a time. context is the http_report. */
bool http_report_json(void *context, struct buf *out, struct error *error_out);

#endif
