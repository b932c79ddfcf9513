#include "model/encoding_class.h"

#include <stddef.h>
#include <string.h>

enum encoding_class encoding_class_of(const char *name)
{
	static const char *const unsafe[] = { "sjis", "mskanji", "shiftjis", "win932", "windows932", "big5", "win950",
					      "windows950", "gbk", "win936", "windows936", "gb18030", "uhc", "win949",
					      "windows949", "johab", "shiftjis2004" };
	char plain[64];
	size_t len = 0;
	for (const char *c = name; *c && len + 1 < sizeof(plain); c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9'))
			plain[len++] = *c;
		else if (*c >= 'A' && *c <= 'Z')
			plain[len++] = (char)(*c + 32);
	}
	plain[len] = '\0';
	if (strcmp(plain, "utf8") == 0 || strcmp(plain, "unicode") == 0)
		return ENCODING_UTF8;
	if (strcmp(plain, "sqlascii") == 0)
		return ENCODING_AS_STORED;
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		if (strcmp(plain, unsafe[i]) == 0)
			return ENCODING_UNSAFE;
	}
	if (strncmp(plain, "euc", 3) == 0 || strcmp(plain, "muleinternal") == 0)
		return ENCODING_SAFE_MULTI;
	return ENCODING_SINGLE_BYTE;
}
