/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file encode.c
 * @brief Hexadecimal, base64 and base64url, both ways and strict.
 */
#include "lib/crypto/crypto.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
crypto_hex(const void *p, size_t n, char *ret)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = hex_digits[bytes[i] >> 4];
		ret[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
	ret[2 * n] = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
crypto_unhex(struct gh_str hex, void *ret, size_t n)
{
	uint8_t *bytes = ret;

	if (hex.n != 2 * n)
		return GH_EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(hex.p[2 * i]), low = hex_value(hex.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return GH_EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return GH_OK;
}

/** Groups of three bytes to four characters; the rest without padding. */
static size_t
base64_encode(const char *alphabet, const void *p, size_t n, char *ret)
{
	const uint8_t *in = p;
	char *out = ret;
	size_t i = 0;

	for (; i + 3 <= n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];

		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		*out++ = alphabet[v >> 6 & 63];
		*out++ = alphabet[v & 63];
	}
	if (n - i == 1) {
		*out++ = alphabet[in[i] >> 2];
		*out++ = alphabet[(in[i] & 3) << 4];
	} else if (n - i == 2) {
		*out++ = alphabet[in[i] >> 2];
		*out++ = alphabet[(in[i] & 3) << 4 | in[i + 1] >> 4];
		*out++ = alphabet[(in[i + 1] & 15) << 2];
	}
	*out = '\0';
	return (size_t)(out - ret);
}

/** @return 0 to 63, or -1.  Without a table, so that both alphabets share it. */
static int
base64_value(const char *alphabet, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == alphabet[62])
		return 62;
	return c == alphabet[63] ? 63 : -1;
}

/** Without padding. */
static int
base64_decode(const char *alphabet, struct gh_str text, void *ret, size_t cap, size_t *ret_n)
{
	uint8_t *out = ret;
	size_t n = text.n / 4 * 3 + (text.n % 4 != 0 ? text.n % 4 - 1 : 0);
	uint32_t bits = 0;
	unsigned held = 0;
	size_t written = 0;

	if (text.n % 4 == 1)
		return GH_EINVAL;
	if (n > cap)
		return GH_ETOOBIG;
	for (size_t i = 0; i < text.n; i++) {
		int v = base64_value(alphabet, text.p[i]);

		if (v < 0)
			return GH_EINVAL;
		bits = bits << 6 | (uint32_t)v;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[written++] = (uint8_t)(bits >> held);
			bits &= (1u << held) - 1;
		}
	}
	if (bits != 0)
		return GH_EINVAL; /* a second text for the same bytes */
	*ret_n = written;
	return GH_OK;
}

size_t
crypto_base64url(const void *p, size_t n, char *ret)
{
	return base64_encode(base64url_alphabet, p, n, ret);
}

int
crypto_unbase64url(struct gh_str text, void *ret, size_t cap, size_t *ret_n)
{
	return base64_decode(base64url_alphabet, text, ret, cap, ret_n);
}

size_t
crypto_base64(const void *p, size_t n, char *ret)
{
	size_t len = base64_encode(base64_alphabet, p, n, ret);

	while (len % 4 != 0)
		ret[len++] = '=';
	ret[len] = '\0';
	return len;
}

int
crypto_unbase64(struct gh_str text, void *ret, size_t cap, size_t *ret_n)
{
	if (text.n % 4 != 0)
		return GH_EINVAL;
	for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
		text.n--;
	return base64_decode(base64_alphabet, text, ret, cap, ret_n);
}
