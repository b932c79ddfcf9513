/*
 * The page (page.html): one file without anything from elsewhere. Served, it
 * fetches /report.json again and again; as a report it carries its data.
 * Scripts and styles run by a nonce only, so that no text of a statement can.
 */
#ifndef CROSSFADE_ADMIN_PAGE_H
#define CROSSFADE_ADMIN_PAGE_H

#include "base/buf.h"

enum { PAGE_NONCE_BYTES = 33 };
void page_nonce(char nonce_out[PAGE_NONCE_BYTES]);
/* json: the data to carry; empty: none. */
void page_append(const char *nonce, struct slice json, struct buf *out);

#endif
