#include "app/settings_addresses.h"

#include "app/settings.h"

#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LISTEN_PORT = 6432, SERVER_PORT = 5432, HTTP_PORT = 9632, CONSOLE_PORT = 7432, LISTENERS_MAX = 64,
       APP_MAX_BYTES = 63, NAMES_MAX = 1000 };

/* ---- addresses ---- */

/* `listen: true` and `server: 5432` are slips, and no hosts. */
static bool is_no_host(const struct yaml_value *value)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off" };
	for (size_t i = 0; !value->quoted && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(value->text, words[i]) == 0)
			return true;
	}
	return !value->text[strspn(value->text, "0123456789")];
}

static bool expect_place(struct field_context *context, const char *what, uint16_t port, const struct yaml_value *value)
{
	if (!yaml_expect(context->doc, value, YAML_TEXT, what, context->error))
		return false;
	if (!value->text[0])
		return FIELD_FAIL(context, value, "%s must not be empty", what);
	if (!is_no_host(value))
		return true;
	FIELD_FAIL(context, value, "%s must be a host or a folder, but is `%s`", what, value->text);
	error_hint(context->error, "Write HOST:PORT, such as 127.0.0.1:%u.", port);
	return false;
}

static bool parse_endpoint(struct field_context *context, const char *what, uint16_t port,
			   const struct yaml_value *value, struct endpoint *endpoint_out)
{
	const char *why;
	if (!expect_place(context, what, port, value))
		return false;
	if (endpoint_parse(context->arena, value->text, port, endpoint_out, &why))
		return true;
	FIELD_FAIL(context, value, "%s `%s` %s", what, value->text, why);
	error_hint(context->error, "Write 127.0.0.1:%u, or the absolute path of a unix socket's folder.", port);
	return false;
}

/* `listen: run` may be meant as a folder, as it is below `console`: a word alone is nobody's address. */
static bool parse_own_address(struct field_context *context, const char *what, uint16_t port,
			      const struct yaml_value *value, struct endpoint *endpoint_out)
{
	if (!parse_endpoint(context, what, port, value, endpoint_out))
		return false;
	if (strpbrk(value->text, ".:/*[") || strcmp(value->text, "localhost") == 0)
		return true;
	FIELD_FAIL(context, value, "%s `%s` could be a host or a folder", what, value->text);
	error_hint(context->error, "Write %s:%u if it is a host; a folder needs its absolute path.", value->text, port);
	return false;
}

static bool parse_listener_map(struct field_context *context, const struct yaml_value *map,
			       struct settings_listener *listener)
{
	static const char *const keys[] = { "address", "app", "proxy_protocol" };
	const struct yaml_value *address = yaml_get(map, "address"), *app = yaml_get(map, "app");
	const struct yaml_value *proxy = yaml_get(map, "proxy_protocol");
	if (!yaml_check_keys(context->doc, map, keys, 3, "`listen`", context->error))
		return false;
	if (!address)
		return FIELD_FAIL(context, map, "an item of `listen` has no `address`");
	if (!parse_own_address(context, "the address", LISTEN_PORT, address, &listener->endpoint))
		return false;
	if (app && !yaml_is_null(app)) {
		if (!yaml_expect(context->doc, app, YAML_TEXT, "`app`", context->error))
			return false;
		if (!app->text[0] || strlen(app->text) > APP_MAX_BYTES)
			return FIELD_FAIL(context, app, "`app` takes 1 to %d bytes", APP_MAX_BYTES);
		listener->app = arena_strdup(context->arena, app->text);
	}
	if (!proxy || yaml_is_null(proxy))
		return true;
	if (!yaml_expect(context->doc, proxy, YAML_TEXT, "`proxy_protocol`", context->error))
		return false;
	listener->proxy_protocol = strcmp(proxy->text, "true") == 0;
	if (!listener->proxy_protocol && strcmp(proxy->text, "false") != 0)
		return FIELD_FAIL(context, proxy, "`proxy_protocol` is true or false");
	return true;
}

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool parse_listener(struct field_context *context, const struct yaml_value *value,
			   struct settings_listeners *list)
{
	struct settings_listener *listener = &list->items[list->count];
	bool ok = value->kind == YAML_MAP ? parse_listener_map(context, value, listener)
					  : parse_own_address(context, "the address", LISTEN_PORT, value,
							      &listener->endpoint);
	for (size_t i = 0; ok && i < list->count; i++) {
		if (same_endpoint(&list->items[i].endpoint, &listener->endpoint))
			return FIELD_FAIL(context, value, "the address is in `listen` twice");
	}
	list->count += ok;
	return ok;
}

bool settings_parse_listen(struct field_context *context, const struct field *field, const struct yaml_value *value,
			 void *place)
{
	struct settings_listeners list = { ARENA_ARRAY(context->arena, LISTENERS_MAX, struct settings_listener), 0 };
	if (value->kind == YAML_LIST && (!value->count || value->count > LISTENERS_MAX))
		return FIELD_FAIL(context, value, "`listen` takes 1 to %d addresses", LISTENERS_MAX);
	if (value->kind != YAML_LIST) {
		if (!parse_listener(context, value, &list))
			return false;
	} else {
		for (size_t i = 0; i < value->count; i++) {
			if (!parse_listener(context, &value->items[i], &list))
				return false;
		}
	}
	*(struct settings_listeners *)place = list;
	return true;
}

static void append_endpoint_text(struct buf *out, const struct endpoint *endpoint)
{
	struct buf text;
	buf_init(&text);
	endpoint_append(&text, endpoint);
	yaml_append_text(out, buf_cstr(&text));
	buf_deinit(&text);
}

void settings_format_listen(const struct field *field, const void *place, struct buf *out)
{
	const struct settings_listeners *list = place;
	buf_append_byte(out, '[');
	for (size_t i = 0; i < list->count; i++) {
		buf_append_str(out, i ? ", {address: " : "{address: ");
		append_endpoint_text(out, &list->items[i].endpoint);
		if (list->items[i].app) {
			buf_append_str(out, ", app: ");
			yaml_append_text(out, list->items[i].app);
		}
		if (list->items[i].proxy_protocol)
			buf_append_str(out, ", proxy_protocol: true");
		buf_append_byte(out, '}');
	}
	buf_append_byte(out, ']');
}

bool settings_parse_server(struct field_context *context, const struct field *field, const struct yaml_value *value,
			 void *place)
{
	struct endpoint server;
	if (!parse_endpoint(context, "`server`", SERVER_PORT, value, &server))
		return false;
	if (strcmp(server.host, "*") == 0)
		return FIELD_FAIL(context, value, "`server` must be one host, not *");
	*(struct endpoint *)place = server;
	return true;
}

void settings_format_server(const struct field *field, const void *place, struct buf *out)
{
	const struct endpoint *server = place;
	if (server->host)
		append_endpoint_text(out, server);
	else
		buf_append_str(out, "null");
}

bool settings_parse_http(struct field_context *context, const struct field *field, const struct yaml_value *value,
		       void *place)
{
	struct endpoint endpoint = { 0 };
	if (value->kind != YAML_TEXT || strcmp(value->text, field->zero) != 0) {
		if (!parse_own_address(context, "`http.listen`", HTTP_PORT, value, &endpoint))
			return false;
		if (endpoint.host[0] == '/')
			return FIELD_FAIL(context, value, "`http.listen` takes HOST:PORT, not a folder");
	}
	*(struct endpoint *)place = endpoint;
	return true;
}

void settings_format_http(const struct field *field, const void *place, struct buf *out)
{
	const struct endpoint *endpoint = place;
	if (endpoint->host)
		append_endpoint_text(out, endpoint);
	else
		buf_append_str(out, field->zero);
}

/* ---- the console ---- */

/* `run`, `./run` and /run/crossfade are folders; with a port behind it, only what has a slash is one. */
static bool is_folder(const char *text)
{
	return strchr(text, '/') || !strchr(text, ':');
}

static const char *absolute_folder(struct field_context *context, const char *text)
{
	char *here = realpath(context->folder, NULL);
	const char *path = *text == '/' ? text : arena_printf(context->arena, "%s/%s", here ? here : "", text);
	free(here);
	return path;
}

static bool parse_console_address(struct field_context *context, const struct yaml_value *value,
				  struct endpoint *endpoint_out)
{
	struct yaml_value place = *value;
	if (!expect_place(context, "the address", CONSOLE_PORT, value))
		return false;
	if (is_folder(value->text))
		place.text = absolute_folder(context, value->text);
	if (!parse_endpoint(context, "the address", CONSOLE_PORT, &place, endpoint_out))
		return false;
	return true;
}

bool settings_parse_console_listen(struct field_context *context, const struct field *field,
				 const struct yaml_value *value, void *place)
{
	struct settings_console *console = place;
	const struct yaml_value *items = value->kind == YAML_LIST ? value->items : value;
	size_t count = value->kind == YAML_LIST ? value->count : 1;
	if (count > LISTENERS_MAX)
		return FIELD_FAIL(context, value, "`%s` takes at most %d addresses", field->path, LISTENERS_MAX);
	struct endpoint *endpoints = ARENA_ARRAY(context->arena, count + 1, struct endpoint);
	for (size_t i = 0; i < count; i++) {
		if (!parse_console_address(context, &items[i], &endpoints[i]))
			return false;
	}
	console->endpoints = endpoints;
	console->endpoint_count = count;
	return true;
}

void settings_format_console_listen(const struct field *field, const void *place, struct buf *out)
{
	const struct settings_console *console = place;
	buf_append_byte(out, '[');
	for (size_t i = 0; i < console->endpoint_count; i++) {
		buf_append_str(out, i ? ", " : "");
		append_endpoint_text(out, &console->endpoints[i]);
	}
	buf_append_byte(out, ']');
}

bool settings_parse_names(struct field_context *context, const struct field *field, const struct yaml_value *value,
			void *place)
{
	struct settings_names names = { 0 };
	if (!yaml_expect(context->doc, value, YAML_LIST, field->path, context->error))
		return false;
	if (value->count > NAMES_MAX)
		return FIELD_FAIL(context, value, "`%s` takes at most %d names", field->path, NAMES_MAX);
	names.items = ARENA_ARRAY(context->arena, value->count + 1, const char *);
	for (size_t i = 0; i < value->count; i++) {
		if (!yaml_expect(context->doc, &value->items[i], YAML_TEXT, "a name", context->error))
			return false;
		if (!value->items[i].text[0] || strlen(value->items[i].text) > NAME_MAX_BYTES)
			return FIELD_FAIL(context, &value->items[i], "a user's name takes 1 to %d bytes", NAME_MAX_BYTES);
		names.items[names.count++] = arena_strdup(context->arena, value->items[i].text);
	}
	*(struct settings_names *)place = names;
	return true;
}

void settings_format_names(const struct field *field, const void *place, struct buf *out)
{
	const struct settings_names *names = place;
	buf_append_byte(out, '[');
	for (size_t i = 0; i < names->count; i++) {
		buf_append_str(out, i ? ", " : "");
		yaml_append_text(out, names->items[i]);
	}
	buf_append_byte(out, ']');
}
