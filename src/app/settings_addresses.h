/* How crossfade.yaml says where the proxy listens, where the server is, and who may use the console. */
#ifndef CROSSFADE_APP_SETTINGS_ADDRESSES_H
#define CROSSFADE_APP_SETTINGS_ADDRESSES_H

#include "config/fields.h"

/* For the fields' `parse` and `format`. */
bool settings_parse_listen(struct field_context *context, const struct field *field,
			   const struct yaml_value *value, void *place);
void settings_format_listen(const struct field *field, const void *place, struct buf *out);
bool settings_parse_server(struct field_context *context, const struct field *field,
			   const struct yaml_value *value, void *place);
void settings_format_server(const struct field *field, const void *place, struct buf *out);
bool settings_parse_http(struct field_context *context, const struct field *field,
			 const struct yaml_value *value, void *place);
void settings_format_http(const struct field *field, const void *place, struct buf *out);
bool settings_parse_console_listen(struct field_context *context, const struct field *field,
				   const struct yaml_value *value, void *place);
void settings_format_console_listen(const struct field *field, const void *place, struct buf *out);
bool settings_parse_names(struct field_context *context, const struct field *field,
			  const struct yaml_value *value, void *place);
void settings_format_names(const struct field *field, const void *place, struct buf *out);

#endif
