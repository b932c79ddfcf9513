/*
 * What Prometheus scrapes. The metrics are one table (metrics.c); their names
 * and labels are an interface, listed in docs/metrics.md. No label ever
 * carries a user, an application or an address.
 */
#ifndef CROSSFADE_ADMIN_METRICS_H
#define CROSSFADE_ADMIN_METRICS_H

#include "admin/overview.h"
#include "base/buf.h"
#include "proxy/proxy.h"
#include "usage/usage.h"

struct metrics_input {
	enum overview_phase phase;
	bool rewriting;
	int64_t started_ms;
	struct proxy_stats proxy;
	struct usage_stats usage;
	struct overview_databases databases;
	struct usage_tally_row *uses;
	size_t use_count;
};

/* The text exposition format, version 0.0.4. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
void metrics_append(const struct metrics_input *input, struct buf *out);
/* A Markdown table for the documentation. */
void metrics_document(struct buf *out);

#endif
