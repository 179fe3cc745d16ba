# asmeter: make help
#
# Out of tree: everything goes to $(B). Sources are found by one wildcard per
# directory, so adding a file needs no change here.

B      ?= build
PREFIX ?= /usr
SYSCONFDIR ?= /etc
DESTDIR ?=
SAN    ?=
V      ?=

MAKEFLAGS += -r
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

Q   := $(if $(V),,@)
say  = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '  %-7s %s\n' '$(1)' '$(2)')

CC        ?= gcc
ifeq ($(origin CC),default)
CC        := gcc
endif
CLANG     ?= clang-14
BPFTOOL   ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PKGCONFIG ?= pkg-config
VERSION   := $(shell git describe --always --dirty --tags 2>/dev/null || echo unreleased)
ARCH_INC  := $(shell $(CC) -print-multiarch 2>/dev/null)

PKGS      := libbpf libuv libmicrohttpd yaml-0.1 jansson libcap-ng zlib rdkafka libprotobuf-c
CLI_PKGS  := libcurl jansson ncursesw
PKG_CFLAGS := $(shell $(PKGCONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell $(PKGCONFIG) --libs $(PKGS) 2>/dev/null) -lm
CLI_LIBS   := $(shell $(PKGCONFIG) --libs $(CLI_PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wconversion -Wvla \
	-Wformat=2 $(if $(CI),-Werror)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OPT    := $(if $(SAN),-O1,-O2)
CFLAGS ?= $(OPT) -g
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=$(if $(SAN),0,2) -fPIE
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(HARDEN) $(SANFLAGS) $(WARN) -D_GNU_SOURCE \
	-Iinclude -Iuser -I$(B)/gen -isystem $(B)/skel $(PKG_CFLAGS)
ALL_LDFLAGS = $(SANFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -Wall -Wextra -Werror \
	-Wno-unused-parameter -Wno-compare-distinct-pointer-types \
	-Iinclude -Ibpf -isystem /usr/include/$(ARCH_INC)

# ---------------------------------------------------------------- sources
LIB_DIRS := base kernel route flow export api daemon cli
MAINS    := user/daemon/main.c user/cli/main.c
LIB_SRC  := $(filter-out $(MAINS),$(foreach d,$(LIB_DIRS),$(wildcard user/$(d)/*.c)))
# Generated from user/export/*.proto
PROTO    := $(wildcard user/export/*.proto)
PROTO_C  := $(PROTO:user/export/%.proto=$(B)/gen/%.pb-c.c)
PROTO_O  := $(PROTO_C:.c=.o)
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
MAIN_OBJ := $(MAINS:%.c=$(B)/%.o)
LIB      := $(B)/libasmeter.a

# Entry programs only; headers beside them.
BPF_SRC  := $(wildcard bpf/*.bpf.c)
BPF_OBJ  := $(BPF_SRC:%.c=$(B)/%.o)
TBPF_SRC := $(wildcard tests/*/*.bpf.c)
TBPF_OBJ := $(TBPF_SRC:%.c=$(B)/%.o)
SKELS    := $(patsubst %.bpf.c,$(B)/skel/%.skel.h,$(notdir $(BPF_SRC) $(TBPF_SRC)))

UNIT_SRC := $(wildcard tests/unit/test_*.c)
BPFT_SRC := $(wildcard tests/bpf/test_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
TOOL_SRC := $(wildcard tests/net/*.c tests/peers/*.c tests/bench/*.c)
TOOL_SRC := $(filter-out %.bpf.c,$(TOOL_SRC))
UNIT := $(UNIT_SRC:%.c=$(B)/%)
BPFT := $(BPFT_SRC:%.c=$(B)/%)
FUZZ := $(FUZZ_SRC:%.c=$(B)/%)
TOOLS := $(TOOL_SRC:%.c=$(B)/%)

MAN_SRC := $(wildcard scripts/man/*.scd)
MAN := $(MAN_SRC:scripts/man/%.scd=$(B)/man/%)

# ---------------------------------------------------------------- targets
.PHONY: all bins tools man help deps test check soak bench demo fuzz lint \
	test-vm deb install uninstall clean tags

all: bins man ## build the daemon, the client and the man pages
bins: $(B)/asmeterd $(B)/asmeter
tools: bins $(UNIT) $(BPFT) $(FUZZ) $(TOOLS) ## build everything, tests included
man: $(MAN)

help: ## this text
	@echo 'asmeter targets (variables: B=build  SAN=address,undefined  V=1):'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

$(B)/asmeterd: $(B)/user/daemon/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lelf -lpthread

$(B)/asmeter: $(B)/user/cli/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(CLI_LIBS) -lelf -lpthread

$(LIB): $(LIB_OBJ) $(PROTO_O)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# The version changes a file only when it changes, so nothing is rebuilt twice.
$(B)/gen/version.h: FORCE
	@mkdir -p $(@D)
	@echo '#define ASMETER_VERSION "$(VERSION)"' > $@.new; \
	cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE

$(PROTO_C): $(B)/gen/%.pb-c.c: user/export/%.proto
	$(call say,PROTO,$<)
	@mkdir -p $(@D)
	$(Q)protoc-c --proto_path=user/export --c_out=$(@D) $<

$(PROTO_O): %.o: %.c
	$(call say,CC,$<)
	$(Q)$(CC) $(filter-out -W%,$(ALL_CFLAGS)) -c -o $@ $<

$(LIB_OBJ) $(MAIN_OBJ): $(B)/%.o: %.c $(SKELS) $(PROTO_C) | $(B)/gen/version.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BPF_OBJ) $(TBPF_OBJ): $(B)/%.o: %.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

define skel_rule
$(B)/skel/$(patsubst %.bpf.c,%,$(notdir $(1))).skel.h: $(B)/$(1:.c=.o)
	$$(call say,SKEL,$$@)
	@mkdir -p $$(@D)
	$(Q)$(BPFTOOL) gen skeleton $$< name $(patsubst %.bpf.c,%_bpf,$(notdir $(1))) > $$@
endef
$(foreach s,$(BPF_SRC) $(TBPF_SRC),$(eval $(call skel_rule,$(s))))

TEST_LIBS ?= $(shell $(PKGCONFIG) --libs criterion libloc 2>/dev/null)
$(UNIT) $(BPFT): $(B)/%: %.c $(LIB)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIB) \
		$(TEST_LIBS) $(PKG_LIBS) $(CLI_LIBS) -lelf -lpthread

$(TOOLS): $(B)/%: %.c $(LIB)
	$(call say,TOOL,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIB) \
		$(PKG_LIBS) -lelf -lpthread -lm

# Each fuzz target becomes a replayer of its corpus here; `make fuzz` links
# the same source with libFuzzer.
$(FUZZ): $(B)/%: %.c tests/fuzz/replay.c $(LIB)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< \
		tests/fuzz/replay.c $(LIB) $(PKG_LIBS) -lelf -lpthread

$(MAN): $(B)/man/%: scripts/man/%.scd
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)scdoc < $< > $@

deps: ## install what building and testing need (Debian packages; root)
	$(Q)scripts/deps.sh

test: ## build and run every test (root; installs missing packages)
	$(Q)scripts/deps.sh --if-missing
	$(Q)tests/run.sh

test-vm: ## the part of it that boots Debian 12 and its kernels in qemu
	$(Q)scripts/deps.sh --if-missing
	$(Q)tests/run.sh vm

soak: ## the long forms of the tests (hours)
	$(Q)scripts/deps.sh --if-missing
	$(Q)tests/run.sh --soak

bench: ## one table of ratios against rivals (BENCH_QUICK=1: some minutes)
	$(Q)scripts/deps.sh --if-missing
	$(Q)$(MAKE) --no-print-directory tools
	$(Q)tests/bench/run.sh

demo: ## a border router in namespaces, metered live (DEMO_SECONDS=n: ends by itself)
	$(Q)scripts/deps.sh --if-missing
	$(Q)$(MAKE) --no-print-directory bins $(B)/tests/net/bgpfeed $(B)/tests/net/crowd
	$(Q)scripts/demo.sh

fuzz: ## run each fuzz target for FUZZ_SECONDS (default 60) with libFuzzer
	$(Q)tests/fuzz/run.sh

lint: ## formatting, include directions, shell scripts
	$(Q)scripts/lint.sh

install: all ## copy the built files to DESTDIR (see scripts/install.sh for a whole installation)
	$(Q)install -D -m 0755 $(B)/asmeterd $(DESTDIR)$(PREFIX)/sbin/asmeterd
	$(Q)install -D -m 0755 $(B)/asmeter $(DESTDIR)$(PREFIX)/bin/asmeter
	$(Q)for o in $(BPF_OBJ); do \
		install -D -m 0644 $$o $(DESTDIR)$(PREFIX)/lib/asmeter/bpf/$$(basename $$o); done
	$(Q)for m in $(MAN); do s=$${m##*.}; \
		install -D -m 0644 $$m $(DESTDIR)$(PREFIX)/share/man/man$$s/$$(basename $$m); done

deb: ## the Debian package, checked by lintian, in $(B)/deb
	$(Q)scripts/deps.sh --if-missing --only build
	$(Q)scripts/deps.sh --if-missing --only deb
	$(Q)B="$(B)" scripts/deb.sh

clean: ## remove the build directory
	$(Q)rm -rf $(B)

-include $(LIB_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(BPF_OBJ:.o=.d) $(TBPF_OBJ:.o=.d)
-include $(wildcard $(B)/tests/*/*.d)
