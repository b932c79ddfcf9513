/*
 * The report as the http port serves it: the running proxy's rules and its
 * ledger, made anew at most every few seconds however many people look.
 */
#ifndef CROSSFADE_APP_HTTP_REPORT_H
#define CROSSFADE_APP_HTTP_REPORT_H

#include "admin/overview.h"
#include "base/buf.h"

struct http_report;

/* path NULL: there is no ledger. The overview must live longer. */
struct http_report *http_report_new(const char *path, uint32_t idle_days, struct overview *overview);
void http_report_free(struct http_report *report);
/* From any thread. */
void http_report_set_idle_days(struct http_report *report, uint32_t idle_days);
/* Appends JSON; from any thread, one at a time. context is the http_report. */
bool http_report_json(void *context, struct buf *out, struct error *error_out);

#endif
