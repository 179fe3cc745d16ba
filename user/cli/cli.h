/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command `asmeter`: a verb, its options, and what all verbs share. A verb
 * returns the exit code; only main.c ends the process.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CLI_SOCKET "/run/asmeter/asmeter.sock"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAULT = 1,       /* it did not work, or something is not in order */
	CLI_USAGE = 2,       /* wrong command line, fault in the config file */
	CLI_UNREACHABLE = 3, /* the daemon does not answer */
	CLI_PERMISSION = 4,  /* root (or the socket's group) is needed */
};

struct cli {
	const char *socket;
	bool json;
	bool color; /* standard output is a terminal that shows colours */
	bool tty;   /* standard output is a terminal */
	int width;  /* columns; 0: no limit */
	FILE *out;
	/* top */
	bool pairs;
	bool once;
	double interval_s; /* 0: not given */
	int count;         /* 0: not given */
	const char *by;    /* NULL: not given */
	const char *dir;
	const char *when;
	uint32_t asn; /* only this AS, when has_asn */
	bool has_asn;
	/* flows; NULL: not given */
	const char *prefix;
	const char *port;
	const char *protocol;
	const char *interface;
	/* attach, detach */
	const char *mode;
	uint32_t confirm_s; /* 0: not given */
	bool all;           /* interfaces */
	/* the words after the verb */
	char **args;
	int n_args;
};

/* Parses the command line and runs the verb. */
int cli_main(int argc, char **argv, FILE *out);
/* The verb that an unambiguous beginning stands for, or NULL with a message on
 * standard error. */
const char *cli_verb(const char *word);
void cli_help(FILE *out);

/* One verb each. */
int cli_status(struct cli *c);
int cli_top(struct cli *c);
int cli_as(struct cli *c);
int cli_lookup(struct cli *c);
int cli_interfaces(struct cli *c);
int cli_peers(struct cli *c);
int cli_flows(struct cli *c);
int cli_check(struct cli *c);
int cli_doctor(struct cli *c);
int cli_attach(struct cli *c);
int cli_confirm(struct cli *c);
int cli_detach(struct cli *c);
int cli_version(struct cli *c);

/* The printing halves of verbs that ask the daemon, for the tests, too. */
void cli_status_print(const struct cli *c, json_t *v);
/* Is everything in order: books balanced, table live, sessions up, interfaces
 * metered. */
bool cli_status_good(json_t *v);
void cli_as_print(const struct cli *c, json_t *v);
void cli_lookup_print(const struct cli *c, json_t *v);
void cli_interfaces_print(const struct cli *c, json_t *v);
void cli_peers_print(const struct cli *c, json_t *v);
/* One flow record on one line. */
void cli_flow_print(const struct cli *c, json_t *record);

/* Protocol number of a name ("tcp") or a number; -1: none. */
int cli_protocol(const char *word);

/* Leaves a process behind that takes the meter off the interface again, unless
 * it is confirmed in time. After the interface was attached. 0 or -errno;
 * -EADDRINUSE: another one waits for the same interface. */
int confirm_wait(const char *ifname, uint32_t seconds);
/* Tells that process that all is well. -ENOENT: there is none; -EPERM: it, or
 * this, is not root's. */
int confirm_tell(const char *ifname);

/* ------------------------------------------------------------ the daemon */

/* GET of the path. 0 and *ret (json_decref() it), or an exit code after a line
 * on standard error. */
int cli_get(const struct cli *c, const char *path, json_t **ret);
/* The same without a message; msg has room for 256 bytes. */
int cli_try(const struct cli *c, const char *path, json_t **ret, char *msg,
	    size_t msg_len);
/* The verb's whole job with -j, or else hands the document to print(). */
int cli_show(struct cli *c, const char *path,
	     void (*print)(const struct cli *c, json_t *v));

/* Members by a path of keys ("books.receive.seen"); what is not there is 0,
 * "", false, NULL. */
json_t *js_at(json_t *v, const char *path);
uint64_t js_u64(json_t *v, const char *path);
int64_t js_i64(json_t *v, const char *path);
double js_f64(json_t *v, const char *path);
bool js_bool(json_t *v, const char *path);
const char *js_str(json_t *v, const char *path);

/* Writes a document as the user asked for JSON: one line, a line feed. */
void cli_put_json(const struct cli *c, json_t *v);

#endif
