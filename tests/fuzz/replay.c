/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file replay.c
 * @brief The main() of a fuzz target without a fuzzer: feeds it every file of its corpus.
 *
 * `make check` runs it with the sanitizers of the build.  The corpus of fuzz_NAME is
 * $srcdir/tests/fuzz/corpus/NAME.  A build with --enable-fuzzers links libFuzzer instead.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(FILE_MAX);
	size_t n = f != NULL && data != NULL ? fread(data, 1, FILE_MAX, f) : 0;
	int r = f != NULL && data != NULL && !ferror(f) ? 0 : 1;

	if (f != NULL)
		fclose(f);
	if (r == 0) {
		uint8_t *exact = malloc(n > 0 ? n : 1); /* so that an overrun is seen */

		memcpy(exact, data, n);
		LLVMFuzzerTestOneInput(exact, n);
		free(exact);
	} else {
		fprintf(stderr, "%s: cannot be read\n", path);
	}
	free(data);
	return r;
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir"), *name = strstr(argv[0], "fuzz_");
	char path[4096];
	unsigned files = 0;
	int r = 0;

	for (const char *next = name; next != NULL; next = strstr(next + 1, "fuzz_"))
		name = next;
	if (name == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".", name + 5);
	const char *dir = argc > 1 ? argv[1] : path;
	DIR *d = opendir(dir);

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char file[8192];

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", dir, e->d_name);
		r |= replay(file);
		files++;
	}
	if (d != NULL)
		closedir(d);
	printf("%s: %u inputs replayed\n", dir, files);
	return files > 0 ? r : 1;
}
