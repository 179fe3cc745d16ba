/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main of a fuzz target without a fuzzer: feeds it every file of the
 * directories given, each whole, then each truncation of it, then each byte
 * of it inverted. Prints "N inputs"; finding no input is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is derived from a file: from so many bytes on, only its start. */
#define DERIVE_MAX 2048
#define FILE_MAX   (1 << 20)

static unsigned long g_inputs;

/* In a buffer of exactly that size, so that ASan sees a read past it. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	g_inputs++;
}

static void feed_all(uint8_t *data, size_t size)
{
	size_t top = size < DERIVE_MAX ? size : DERIVE_MAX;

	feed(data, size);
	for (size_t cut = 0; cut < top; cut++)
		feed(data, cut);
	for (size_t i = 0; i < top; i++) {
		data[i] ^= 0xff;
		feed(data, size);
		data[i] ^= 0xff;
	}
}

static int replay_file(const char *path)
{
	uint8_t *data = malloc(FILE_MAX);
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!data || !f) {
		perror(path);
		free(data);
		if (f)
			(void)fclose(f);
		return -1;
	}
	size = fread(data, 1, FILE_MAX, f);
	(void)fclose(f);
	feed_all(data, size);
	free(data);
	return 0;
}

static int replay_dir(const char *dir)
{
	char path[4096];
	struct dirent *e;
	DIR *d = opendir(dir);
	int rc = 0;

	if (!d) {
		perror(dir);
		return -1;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (replay_file(path))
			rc = -1;
	}
	(void)closedir(d);
	return rc;
}

int main(int argc, char **argv)
{
	int rc = 0;

	for (int i = 1; i < argc; i++) {
		unsigned long before = g_inputs;

		if (replay_dir(argv[i]) || g_inputs == before) {
			fprintf(stderr, "%s: no seeds, or not all readable\n",
				argv[i]);
			rc = 1;
		}
	}
	printf("%lu inputs\n", g_inputs);
	return g_inputs == 0 ? 1 : rc;
}
