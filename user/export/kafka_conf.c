/* SPDX-License-Identifier: BSD-2-Clause */
#include "export/kafka_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

/*
 * Ours are few: exactness (a message is in the log once, in order, for as
 * long as the producer lives; it does not time out, the spool waits with it)
 * and a bound of the memory. Each may be overridden.
 */
static const struct kafka_option defaults[] = {
	{"client.id", "asmeter"},
	{"enable.idempotence", "true"},
	{"message.timeout.ms", "0"},
	{"queue.buffering.max.kbytes", "65536"},
	{"socket.keepalive.enable", "true"},
};

/* Options that cannot be passed on, and what to do instead. */
static const struct {
	const char *name, *why;
} refused[] = {
	{"bootstrap.servers", "name the brokers in kafka.brokers"},
	{"metadata.broker.list", "name the brokers in kafka.brokers"},
	{"plugin.library.paths",
	 "the daemon loads no code of others into itself"},
};

int kafka_option_check(const char *name, const char *value, char *why,
		       size_t why_len)
{
	rd_kafka_conf_t *conf;
	rd_kafka_conf_res_t res;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		if (strcmp(refused[i].name, name) != 0)
			continue;
		(void)snprintf(why, why_len, "%s", refused[i].why);
		return -EINVAL;
	}
	conf = rd_kafka_conf_new();
	res = rd_kafka_conf_set(conf, name, value, why, why_len);
	rd_kafka_conf_destroy(conf);
	return res == RD_KAFKA_CONF_OK        ? 0
	       : res == RD_KAFKA_CONF_UNKNOWN ? -ENOENT
					      : -EINVAL;
}

/* The name that a line of librdkafka's own table begins with: "name | …". */
static char *name_in(char *line)
{
	size_t len = strcspn(line, " |");

	if (!len || strncmp(line + len + strspn(line + len, " "), "|", 1) != 0)
		return NULL;
	line[len] = '\0';
	return line;
}

const char **kafka_option_names(void)
{
	char *text = NULL, *save = NULL, *at, *name;
	size_t len = 0, n = 0, lines = 1;
	FILE *f = open_memstream(&text, &len);
	const char **ret;

	if (!f)
		return NULL;
	rd_kafka_conf_properties_show(f);
	if (fclose(f) || !text)
		return NULL;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	ret = malloc((lines + 1) * sizeof(*ret) + len + 1);
	if (!ret) {
		free(text);
		return NULL;
	}
	at = memcpy(ret + lines + 1, text, len + 1);
	free(text);
	for (char *l = strtok_r(at, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		name = name_in(l);
		if (name && strcmp(name, "Property") != 0)
			ret[n++] = name;
	}
	ret[n] = NULL;
	return ret;
}

rd_kafka_conf_t *kafka_conf_new(const char *brokers,
				const struct kafka_option *opts, size_t n,
				char *why, size_t why_len)
{
	size_t ours = sizeof(defaults) / sizeof(*defaults);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_res_t res = RD_KAFKA_CONF_OK;

	if (brokers[0])
		res = rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why,
					why_len);
	for (size_t i = 0; res == RD_KAFKA_CONF_OK && i < ours + n; i++) {
		const struct kafka_option *o =
			i < ours ? &defaults[i] : &opts[i - ours];

		res = rd_kafka_conf_set(conf, o->name, o->value, why, why_len);
	}
	if (res == RD_KAFKA_CONF_OK)
		return conf;
	rd_kafka_conf_destroy(conf);
	return NULL;
}

const struct kafka_option *
kafka_conf_unreadable(const struct kafka_option *opts, size_t n, int *ret_err)
{
	for (size_t i = 0; i < n; i++) {
		const char *dot = strrchr(opts[i].name, '.');

		if (!dot || opts[i].value[0] != '/' ||
		    (strcmp(dot, ".location") != 0 &&
		     strcmp(dot, ".keytab") != 0))
			continue;
		if (access(opts[i].value, R_OK)) {
			*ret_err = -errno;
			return &opts[i];
		}
	}
	return NULL;
}
