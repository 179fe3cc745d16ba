/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of the configuration. This table is the only place that knows
 * them; `asmeterd --dump-config-reference` prints it.
 */
#include "daemon/schema.h"
#include "export/sflow.h"
#include "route/loc.h"

#define AT(s, m)      .off = offsetof(struct s, m)
#define COUNT(s, m)   .off_more = offsetof(struct s, m)
#define ASN_MAX       4294967294u
#define MS_DAY        86400000u
#define PATH_LEN_MAX  4000u
#define MD5_LEN_MAX   80u /* TCP_MD5SIG_MAXKEYLEN */
#define SOCK_LEN_MAX  107u
#define TOPIC_LEN_MAX 249u /* Kafka's own bound */

static const struct schema_choice modes[] = {
	{"auto", CONFIG_MODE_AUTO},     {"native", CONFIG_MODE_NATIVE},
	{"tc", CONFIG_MODE_TC},         {"generic", CONFIG_MODE_GENERIC},
	{"mirror", CONFIG_MODE_MIRROR}, {NULL, 0},
};

static const struct schema_choice families[] = {
	{"ipv4", CONFIG_FAMILY_IP4},
	{"ipv6", CONFIG_FAMILY_IP6},
	{NULL, 0},
};

static const struct schema_choice loc_uses[] = {
	{"fallback", CONFIG_LOC_FALLBACK},
	{"never", CONFIG_LOC_NEVER},
	{NULL, 0},
};

static const struct schema_choice keys[] = {
	{"none", KAFKA_KEY_NONE},       {"router", KAFKA_KEY_ROUTER},
	{"src-as", KAFKA_KEY_SRC_AS},   {"dst-as", KAFKA_KEY_DST_AS},
	{"as-pair", KAFKA_KEY_AS_PAIR}, {NULL, 0},
};

static const struct schema_choice formats[] = {
	{"json", KAFKA_JSON},
	{"protobuf", KAFKA_PROTOBUF},
	{NULL, 0},
};

static const struct schema_choice levels[] = {
	{"error", LOG_LVL_ERROR},   {"warning", LOG_LVL_WARN},
	{"notice", LOG_LVL_NOTICE}, {"info", LOG_LVL_INFO},
	{"debug", LOG_LVL_DEBUG},   {NULL, 0},
};

static const struct schema_key iface_keys[] = {
	{"name", "the interface, as ip link names it", NULL, SCHEMA_TEXT,
	 .required = true, AT(config_iface, name), .min = 1,
	 .max = ASM_IFNAME_LEN - 1},
	{"mode",
	 "auto: native XDP where the driver has it, else tc; generic XDP and "
	 "mirror only by name",
	 "auto", SCHEMA_ENUM, AT(config_iface, mode), .choices = modes},
	{"sample-rate",
	 "one of so many packets is sampled here; without: sampling.rate", NULL,
	 SCHEMA_UINT, AT(config_iface, sample_rate),
	 COUNT(config_iface, has_sample_rate), .min = 0, .max = ASM_RATE_MAX},
	{0},
};

static const struct schema_map iface_map = {"an interface", "name",
					    sizeof(struct config_iface),
					    offsetof(struct config_iface, pos),
					    iface_keys};

static const struct schema_key neighbor_keys[] = {
	{"address", "the address of the BGP speaker", NULL, SCHEMA_ADDR,
	 .required = true, AT(config_neighbor, address),
	 .off_more = SCHEMA_NO_OFF},
	{"remote-as", "its AS number; the local one makes the session iBGP",
	 NULL, SCHEMA_ASN, .required = true, AT(config_neighbor, remote_as),
	 .min = 1, .max = ASN_MAX},
	{"description", "a name for people", NULL, SCHEMA_TEXT,
	 AT(config_neighbor, description), .min = 1, .max = 63},
	{"port", "its TCP port", "179", SCHEMA_UINT, AT(config_neighbor, port),
	 .min = 1, .max = 65535},
	{"local-address", "the address to connect from", NULL, SCHEMA_ADDR,
	 AT(config_neighbor, local_address),
	 COUNT(config_neighbor, has_local_address)},
	{"interface", "the interface of a link-local address", NULL,
	 SCHEMA_TEXT, AT(config_neighbor, interface), .min = 1,
	 .max = ASM_IFNAME_LEN - 1},
	{"passive", "never connect, wait for the other side (needs bgp.listen)",
	 "false", SCHEMA_BOOL, AT(config_neighbor, passive)},
	{"password", "TCP MD5 key (RFC 2385)", NULL, SCHEMA_TEXT,
	 AT(config_neighbor, password), .min = 1, .max = MD5_LEN_MAX},
	{"multihop",
	 "TTL of what is sent; 0: 1 for eBGP, the system's for iBGP", "0",
	 SCHEMA_UINT, AT(config_neighbor, multihop), .min = 0, .max = 255},
	{"ttl-security",
	 "refuse what came over more than this many hops (RFC 5082); 0: off",
	 "0", SCHEMA_UINT, AT(config_neighbor, ttl_security), .min = 0,
	 .max = 254},
	{"hold-time", "seconds, as proposed in OPEN; 0 or 3 and more", "90",
	 SCHEMA_UINT, AT(config_neighbor, hold_time_s), .min = 0, .max = 65535},
	{"max-prefixes", "paths kept from this neighbour; more end the session",
	 "2000000", SCHEMA_UINT, AT(config_neighbor, max_prefixes), .min = 1,
	 .max = 100000000},
	{"add-path", "ask for all paths, not only the best (RFC 7911)", "true",
	 SCHEMA_BOOL, AT(config_neighbor, add_path)},
	{"families", "address families to ask for", "[ipv4, ipv6]",
	 SCHEMA_FLAGS, AT(config_neighbor, families), .choices = families},
	{0},
};

static const struct schema_map neighbor_map = {
	"a neighbor", NULL, sizeof(struct config_neighbor),
	offsetof(struct config_neighbor, pos), neighbor_keys};

static const struct schema_key bgp_keys[] = {
	{"router-id",
	 "BGP identifier, a dotted quad; without: an address of this machine",
	 NULL, SCHEMA_ROUTERID, AT(config_bgp, router_id)},
	{"listen", "addresses and ports to accept sessions on", "[]",
	 SCHEMA_LIST, AT(config_bgp, listen), COUNT(config_bgp, n_listen),
	 .item = SCHEMA_ENDPOINT, .max = 16},
	{"stale-time",
	 "how long routes outlive a lost session (RFC 4724 helper)", "1h",
	 SCHEMA_TIME, AT(config_bgp, stale_time_ms), .min = 0,
	 .max = 7 * MS_DAY},
	{"neighbors", "the BGP speakers to learn routes from", "[]",
	 SCHEMA_LIST, AT(config_bgp, neighbors), COUNT(config_bgp, n_neighbors),
	 .item = SCHEMA_MAP, .max = 128, .map = &neighbor_map},
	{0},
};

static const struct schema_map bgp_map = {"bgp", NULL,
					  sizeof(struct config_bgp),
					  SCHEMA_NO_OFF, bgp_keys};

static const struct schema_key libloc_keys[] = {
	{"database", "file of the libloc database", LOC_DB_PATH, SCHEMA_PATH,
	 AT(config_libloc, database), .min = 1, .max = PATH_LEN_MAX},
	{"use", "fallback: until a BGP feed is complete; never: not at all",
	 "fallback", SCHEMA_ENUM, AT(config_libloc, use), .choices = loc_uses},
	{0},
};

static const struct schema_map libloc_map = {"libloc", NULL,
					     sizeof(struct config_libloc),
					     SCHEMA_NO_OFF, libloc_keys};

static const struct schema_key names_keys[] = {
	{"file", "file of AS names, one \"AS NAME\" a line", NULL, SCHEMA_PATH,
	 AT(config_names, file), .min = 1, .max = PATH_LEN_MAX},
	{"overrides", "names given here win: {64512: Example Net}", "{}",
	 SCHEMA_NAMES, AT(config_names, overrides),
	 COUNT(config_names, n_overrides), .max = 10000},
	{0},
};

static const struct schema_map names_map = {"as-names", NULL,
					    sizeof(struct config_names),
					    SCHEMA_NO_OFF, names_keys};

static const struct schema_key prometheus_keys[] = {
	{"listen", "addresses and ports of the metrics page; []: none",
	 "[\"127.0.0.1:9590\"]", SCHEMA_LIST, AT(config_prometheus, listen),
	 COUNT(config_prometheus, n_listen), .item = SCHEMA_ENDPOINT,
	 .max = 16},
	{"max-as", "ASes with series of their own; the rest are one \"other\"",
	 "1000", SCHEMA_UINT, AT(config_prometheus, max_as), .min = 1,
	 .max = 100000},
	{"max-series", "series of received and of sent bytes, each, at most",
	 "20000", SCHEMA_UINT, AT(config_prometheus, max_series), .min = 100,
	 .max = 1000000},
	{0},
};

static const struct schema_map prometheus_map = {
	"prometheus", NULL, sizeof(struct config_prometheus), SCHEMA_NO_OFF,
	prometheus_keys};

static const struct schema_key sflow_keys[] = {
	{"collectors", "addresses and ports that samples are sent to", "[]",
	 SCHEMA_LIST, AT(config_sflow, collectors),
	 COUNT(config_sflow, n_collectors), .item = SCHEMA_ENDPOINT, .max = 16},
	{"agent-address",
	 "the address this router is known by; without: bgp.router-id, or one "
	 "of this machine",
	 NULL, SCHEMA_ADDR, AT(config_sflow, agent),
	 COUNT(config_sflow, has_agent)},
	{"counter-interval", "how often interface counters are sent; 0: never",
	 "30s", SCHEMA_TIME, AT(config_sflow, counter_ms), .min = 0,
	 .max = 3600000},
	{"header", "bytes of each sampled packet that are passed on", "128",
	 SCHEMA_UINT, AT(config_sflow, header), .min = 64,
	 .max = SFLOW_HEADER_MAX},
	{"max-datagram", "bytes of a datagram, without IP and UDP header",
	 "1400", SCHEMA_UINT, AT(config_sflow, max_datagram),
	 .min = SFLOW_DATAGRAM_MIN, .max = SFLOW_DATAGRAM_MAX},
	{0},
};

static const struct schema_map sflow_map = {"sflow", NULL,
					    sizeof(struct config_sflow),
					    SCHEMA_NO_OFF, sflow_keys};

static const struct schema_key api_keys[] = {
	{"socket", "the Unix socket that the asmeter command talks to",
	 "/run/asmeter/asmeter.sock", SCHEMA_PATH, AT(config_api, socket),
	 .min = 1, .max = SOCK_LEN_MAX},
	{"group", "the group that may use it", "asmeter", SCHEMA_TEXT,
	 AT(config_api, group), .min = 1, .max = 32},
	{0},
};

static const struct schema_map api_map = {"api", NULL,
					  sizeof(struct config_api),
					  SCHEMA_NO_OFF, api_keys};

static const struct schema_key as_traffic_keys[] = {
	{"enabled", "send the exact counters to Kafka", "true", SCHEMA_BOOL,
	 AT(config_stream, enabled)},
	{"topic", "the topic of the records", "asmeter.as-traffic", SCHEMA_TEXT,
	 AT(config_stream, topic), .min = 1, .max = TOPIC_LEN_MAX},
	{"key", "what decides about the partition of a message", "none",
	 SCHEMA_ENUM, AT(config_stream, key), .choices = keys},
	{"format", "one JSON object or protobuf FlowMessage a message", "json",
	 SCHEMA_ENUM, AT(config_stream, format), .choices = formats},
	{"interval", "how often what has grown is sent", "10s", SCHEMA_TIME,
	 AT(config_stream, interval_ms), .min = 1000, .max = 3600000},
	{0},
};

static const struct schema_map as_traffic_map = {"kafka.as-traffic", NULL,
						 sizeof(struct config_stream),
						 SCHEMA_NO_OFF,
						 as_traffic_keys};

static const struct schema_key flows_keys[] = {
	{"enabled", "send flow records to Kafka", "true", SCHEMA_BOOL,
	 AT(config_stream, enabled)},
	{"topic", "the topic of the records", "flow-messages", SCHEMA_TEXT,
	 AT(config_stream, topic), .min = 1, .max = TOPIC_LEN_MAX},
	{"key", "what decides about the partition of a message", "none",
	 SCHEMA_ENUM, AT(config_stream, key), .choices = keys},
	{"format", "one JSON object or protobuf FlowMessage a message",
	 "protobuf", SCHEMA_ENUM, AT(config_stream, format),
	 .choices = formats},
	{0},
};

static const struct schema_map flows_map = {"kafka.flows", NULL,
					    sizeof(struct config_stream),
					    SCHEMA_NO_OFF, flows_keys};

static const struct schema_key kafka_keys[] = {
	{"brokers",
	 "the brokers to begin with, HOST or HOST:PORT; []: no Kafka", "[]",
	 SCHEMA_LIST, AT(config_kafka, brokers), COUNT(config_kafka, n_brokers),
	 .item = SCHEMA_TEXT, .min = 1, .max = 255},
	{"options", "options of librdkafka: {compression.codec: zstd}", "{}",
	 SCHEMA_OPTIONS, AT(config_kafka, options),
	 COUNT(config_kafka, n_options), .max = 200},
	{"spool-mb", "bound of what waits on disk for the brokers, in MB",
	 "256", SCHEMA_UINT, AT(config_kafka, spool_mb), .min = 16,
	 .max = 1048576},
	{"as-traffic", "the exact counters, interval by interval", NULL,
	 SCHEMA_MAP, AT(config_kafka, as_traffic), .map = &as_traffic_map},
	{"flows", "the flow records of samples", NULL, SCHEMA_MAP,
	 AT(config_kafka, flows), .map = &flows_map},
	{0},
};

static const struct schema_map kafka_map = {"kafka", NULL,
					    sizeof(struct config_kafka),
					    offsetof(struct config_kafka, pos),
					    kafka_keys};

static const struct schema_key counters_keys[] = {
	{"rows",
	 "AS pairs and interfaces counted, per CPU; more go to map_full",
	 "131072", SCHEMA_UINT, AT(config_counters, rows), .min = 16,
	 .max = 1048576},
	{"table-words",
	 "size of the prefix table in 32-bit words, a power of 2", "8388608",
	 SCHEMA_UINT, AT(config_counters, table_words), .min = 1u << 21,
	 .max = 1u << 26},
	{"quiet",
	 "a pair without a packet for so long gives up its row when they run "
	 "short",
	 "5m", SCHEMA_TIME, AT(config_counters, quiet_ms), .min = 1000,
	 .max = 86400000},
	{0},
};

static const struct schema_map counters_map = {"counters", NULL,
					       sizeof(struct config_counters),
					       SCHEMA_NO_OFF, counters_keys};

static const struct schema_key sampling_keys[] = {
	{"rate", "one of so many packets is sampled; 0: none", "0", SCHEMA_UINT,
	 AT(config_sampling, rate), .min = 0, .max = ASM_RATE_MAX},
	{"snap-length", "bytes kept of a sampled packet", "128", SCHEMA_UINT,
	 AT(config_sampling, snap), .min = ASM_SNAP_MIN, .max = ASM_SNAP_MAX},
	{0},
};

static const struct schema_map sampling_map = {"sampling", NULL,
					       sizeof(struct config_sampling),
					       SCHEMA_NO_OFF, sampling_keys};

static const struct schema_key root_keys[] = {
	{"hostname", "name of this router in metrics; without: the machine's",
	 NULL, SCHEMA_TEXT, AT(config, hostname), .min = 1, .max = 253},
	{"local-as", "the AS of this router: 64512, AS64512 or 1.10", NULL,
	 SCHEMA_ASN, .required = true, AT(config, local_as), .min = 1,
	 .max = ASN_MAX},
	{"interfaces", "the border interfaces to meter: names, or {name, mode}",
	 "[]", SCHEMA_LIST, AT(config, interfaces), COUNT(config, n_interfaces),
	 .item = SCHEMA_MAP, .max = ASM_IF_SLOTS, .map = &iface_map},
	{"bgp", "where the routes come from", NULL, SCHEMA_MAP, AT(config, bgp),
	 .map = &bgp_map},
	{"own-prefixes", "prefixes that are the local AS, whatever BGP says",
	 "[]", SCHEMA_LIST, AT(config, own_prefixes),
	 COUNT(config, n_own_prefixes), .item = SCHEMA_PREFIX, .max = 10000},
	{"overrides", "file of \"PREFIX AS\" lines that win over BGP", NULL,
	 SCHEMA_PATH, AT(config, overrides), .min = 1, .max = PATH_LEN_MAX},
	{"libloc", "the fallback table, and AS names", NULL, SCHEMA_MAP,
	 AT(config, libloc), .map = &libloc_map},
	{"as-names", "names of ASes", NULL, SCHEMA_MAP, AT(config, as_names),
	 .map = &names_map},
	{"prometheus", "the metrics page", NULL, SCHEMA_MAP,
	 AT(config, prometheus), .map = &prometheus_map},
	{"sflow", "samples to sFlow collectors", NULL, SCHEMA_MAP,
	 AT(config, sflow), .map = &sflow_map},
	{"api", "the local API", NULL, SCHEMA_MAP, AT(config, api),
	 .map = &api_map},
	{"kafka", "records to Apache Kafka", NULL, SCHEMA_MAP,
	 AT(config, kafka), .map = &kafka_map},
	{"counters", "sizes of the maps; changed at the next restart only",
	 NULL, SCHEMA_MAP, AT(config, counters), .map = &counters_map},
	{"sampling", "packet samples, for flow records", NULL, SCHEMA_MAP,
	 AT(config, sampling), .map = &sampling_map},
	{"drain-interval", "how often the counters are read", "1s", SCHEMA_TIME,
	 AT(config, drain_interval_ms), .min = 50, .max = 60000},
	{"snapshot-interval",
	 "how often a changed prefix table is written to disk, at most", "10m",
	 SCHEMA_TIME, AT(config, snapshot_interval_ms), .min = 1000,
	 .max = 86400000},
	{"log-level", "error, warning, notice, info or debug", "info",
	 SCHEMA_ENUM, AT(config, log_level), .choices = levels},
	{"user", "the daemon's user once it runs; root: stay root", "asmeter",
	 SCHEMA_TEXT, AT(config, user), .min = 1, .max = 32},
	{"group", "the daemon's group once it runs", "asmeter", SCHEMA_TEXT,
	 AT(config, group), .min = 1, .max = 32},
	{0},
};

const struct schema_map schema_root = {"the configuration", NULL,
				       sizeof(struct config), SCHEMA_NO_OFF,
				       root_keys};
