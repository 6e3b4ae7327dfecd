# SPDX-License-Identifier: MIT
# libsmap and smaptrace. `make help` lists the targets; V=1 shows the commands.
# Files are found by wildcard: adding a source file needs no edit here.

O	:= .output
PREFIX	?= /usr/local
DESTDIR	?=
VERSION	:= $(shell sed -n 's/^.define SMAP_VERSION "\(.*\)"/\1/p' lib/smap.h)
SOVER	:= 0
# Looked up when used: on a fresh machine `make deps` brings the compiler first.
MULTIARCH = $(shell $(CC) -print-multiarch 2>/dev/null)
comma	:= ,
# For another architecture: ARCH as its `uname -m` says, CC, and the root of its libraries.
ARCH	?= $(shell uname -m)
SYSROOT	?=

CC	?= gcc
CLANG	?= clang
BPFTOOL	?= PATH=$$PATH:/usr/sbin bpftool
WARN	:= -Wall -Wextra -Wmissing-prototypes -Wshadow -Wstrict-prototypes -Werror
HARDEN	:= -fstack-protector-strong -D_FORTIFY_SOURCE=2
CFLAGS	?= -O2 -g
CSTD	:= -std=gnu11 -pthread -D_GNU_SOURCE
# The library keeps frame pointers, so that a stack taken in it leads to its caller.
LIB_FLAGS := -fno-omit-frame-pointer
LDHARD	:= -Wl,-z,relro,-z,now

Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-8s %s\n' "$(1)" "$(2)")

LIB_SRC	 := $(wildcard lib/*.c)
LIB_OBJ	 := $(LIB_SRC:%.c=$(O)/%.o)
LIB_PIC	 := $(LIB_SRC:%.c=$(O)/%.pic.o)
BPF_SRC	 := $(wildcard bpf/*.bpf.c)
SKELS	 := $(BPF_SRC:%.bpf.c=$(O)/%.skel.h)
USER_SRC := $(wildcard user/*.c)
USER_PB	 := $(patsubst %.proto,$(O)/%.pb-c,$(wildcard user/*.proto))
USER_OBJ := $(USER_SRC:%.c=$(O)/%.o) $(USER_PB:%=%.o) $(O)/user/assets_table.o
USER_MOD := $(filter-out $(O)/user/main.o,$(USER_OBJ))
USER_LIBS := -lbpf -ldw -lelf -lz -liberty -lprotobuf-c -ljansson -lcap-ng -lseccomp -lcyaml -lyaml -lmicrohttpd -lncursesw -ltinfo -lm
UNITS	 := $(patsubst %.c,$(O)/%,$(wildcard tests/test_*.c))
STRESS	 := $(wildcard tests/stress_*.c)
WORKLOADS := $(patsubst %.c,$(O)/%,$(wildcard tests/workloads/*.c))
BENCHES	 := $(patsubst %.c,$(O)/%,$(wildcard tests/bench/*.c))
MANSRC	 := $(wildcard docs/*.scd)
MANS	 := $(MANSRC:docs/%.scd=$(O)/man/%)
FORMATTED := $(wildcard lib/*.[ch] bpf/*.[ch] user/*.[ch] tests/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all deps demo check bench install fmt fmt-check clean help workloads units lib-tests
.PHONY: npm pictures demo-traps score torture models mutants fuzz coverage kernels arm64 s390x deploy-real

all: $(O)/libsmap.a $(O)/libsmap.so $(O)/smaptrace $(MANS)  ## build everything (default)

help:  ## list the targets
	@sed -n 's/^\([a-z][a-z0-9 -]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 24

# --- set-up ---------------------------------------------------------------

deps:  ## install the Debian packages that building (FOR=build), testing and the demo need
	$(Q)FOR=$(FOR) tests/deps.sh
	$(Q)$(MAKE) --no-print-directory $(if $(filter build,$(FOR)),$(UPLOT)/uPlot.iife.min.js,npm)

# --- library --------------------------------------------------------------

$(O)/lib/%.o: lib/%.c Makefile
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) $(HARDEN) $(LIB_FLAGS) -fPIE -fvisibility=hidden $(LIB_DEFS) -MMD -MP -c $< -o $@

$(O)/lib/%.pic.o: lib/%.c Makefile
	$(call msg,CC,$< (PIC))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) $(HARDEN) $(LIB_FLAGS) -fPIC -fvisibility=hidden $(LIB_DEFS) -MMD -MP -c $< -o $@

$(O)/libsmap.a: $(LIB_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/libsmap.so.$(SOVER): $(LIB_PIC)
	$(call msg,LINK,$@)
	$(Q)$(CC) -shared $(CFLAGS) -pthread $(LDHARD) -Wl,-soname,libsmap.so.$(SOVER) -Wl,-Bsymbolic -Wl,-z,defs $^ -o $@

$(O)/libsmap.so: $(O)/libsmap.so.$(SOVER)
	$(Q)ln -sf libsmap.so.$(SOVER) $@

# --- BPF ------------------------------------------------------------------

$(O)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) lib/smap_state.h lib/smap_probes.h Makefile
	$(call msg,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -target bpf -g -O2 -mcpu=v3 -Wall -Werror -D__TARGET_ARCH_$(patsubst x86_64,x86,$(ARCH:aarch64=arm64)) \
		$(if $(MULTIARCH),-I$(SYSROOT)/usr/include/$(MULTIARCH)) -c $< -o $@

$(O)/bpf/%.skel.h: $(O)/bpf/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst .,_,$(notdir $*))_bpf > $@

# --- tool -----------------------------------------------------------------

$(O)/user/%.pb-c.c: user/%.proto
	$(call msg,PROTO,$<)
	$(Q)mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(O)/user --proto_path=user $<

$(O)/user/%.pb-c.o: $(O)/user/%.pb-c.c Makefile
	$(call msg,CC,$<)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(HARDEN) -fPIE -I$(O)/user -c $< -o $@

$(O)/user/%.o: user/%.c $(SKELS) $(USER_PB:%=%.c) Makefile
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) $(HARDEN) -fPIE -I$(O)/bpf -I$(O)/user -MMD -MP -c $< -o $@

$(O)/smaptrace: $(USER_OBJ)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -pie $(LDHARD) $^ $(USER_LIBS) -o $@

# What comes from npm: the package.json and its lock in $(1), into $(O)/$(2); $(3) is a file of it.
define npm_rule
$(O)/$(2)/node_modules/$(3): $(1)/package.json $(1)/package-lock.json
	$$(call msg,NPM,$(1))
	$(Q)mkdir -p $(O)/$(2) && cp $$^ $(O)/$(2)/
	$(Q)cd $(O)/$(2) && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	$(Q)touch $$@
endef

# The files that are in the program: of the live page, with uPlot from npm, and of the report.
PAGE	:= $(wildcard user/web/*.html user/web/*.css user/web/*.js user/web/*.svg)
REPORT	:= $(wildcard user/html/*)
UPLOT	:= $(O)/web/node_modules/uplot/dist
$(eval $(call npm_rule,user/web,web,uplot/dist/uPlot.iife.min.js))

# For tests: of pages (the browser is Debian's, nothing is downloaded for it), OpenTelemetry's own
# code as another reader of OTLP, and the types of Kubernetes and Grafana for docs/deploy.
BROWSER	:= $(O)/browser/node_modules/playwright-core/package.json
$(eval $(call npm_rule,tests/browser,browser,playwright-core/package.json))
OTLP	:= $(O)/otlp/node_modules/protobufjs/package.json
$(eval $(call npm_rule,tests/otlp,otlp,protobufjs/package.json))
TYPES	:= $(O)/deploy-types/node_modules/typescript/package.json
$(eval $(call npm_rule,tests/deploy,deploy-types,typescript/package.json))

npm: $(UPLOT)/uPlot.iife.min.js $(BROWSER) $(OTLP) $(TYPES)

$(O)/user/assets_table.c: user/assets.sh $(PAGE) $(REPORT) $(UPLOT)/uPlot.iife.min.js Makefile
	$(call msg,EMBED,$@)
	$(Q)mkdir -p $(@D)
	$(Q)user/assets.sh /=user/web/index.html $(foreach f,$(filter-out %/index.html,$(PAGE)),/$(notdir $f)=$f) \
		/uplot.js=$(UPLOT)/uPlot.iife.min.js /uplot.css=$(UPLOT)/uPlot.min.css \
		$(foreach f,$(REPORT),$(notdir $f)=$f) > $@

$(O)/user/assets_table.o: $(O)/user/assets_table.c user/assets.h
	$(call msg,CC,$<)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) $(HARDEN) -fPIE -Iuser -c $< -o $@

# --- manual pages ---------------------------------------------------------

$(O)/man/%: docs/%.scd
	$(call msg,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scdoc < $< > $@

# --- tests ----------------------------------------------------------------

# Unit tests see everything: the library, private headers, all modules of the tool.
$(O)/tests/test_%: tests/test_%.c $(O)/libsmap.a $(USER_MOD) Makefile
	$(call msg,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) -Ilib -Iuser -Ibpf -I$(O)/bpf -I$(O)/user -MMD -MP -MF $@.d $< $(USER_MOD) \
		$(O)/libsmap.a $(USER_LIBS) -lcmocka -o $@

# Those of the library need nothing else, which is all that there is on a machine without the tool.
$(O)/tests/test_smap_%: tests/test_smap_%.c $(O)/libsmap.a Makefile
	$(call msg,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) -Ilib $(LIB_DEFS) -MMD -MP -MF $@.d $< $(O)/libsmap.a -lcmocka -o $@

# The library under tests/yield.h, for tests that stop threads at chosen accesses.
YIELD_OBJ := $(LIB_SRC:%.c=$(O)/yield/%.o)
$(O)/yield/%.o: %.c tests/yield.h Makefile
	$(call msg,CC,$< (yield))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) -O1 -g $(WARN) -Ilib -include tests/yield.h -DSMAP_STRESS $(LIB_DEFS) -MMD -MP -c $< -o $@
$(O)/tests/test_smap_race2 $(O)/tests/test_smap_clear: $(O)/tests/%: tests/%.c $(YIELD_OBJ) Makefile
	$(call msg,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) -Ilib -DSMAP_NO_INLINE -MMD -MP -MF $@.d $< $(YIELD_OBJ) -lcmocka -o $@

# Workloads are real programs on the public header and the static library only: name.c, and
# where one file is not enough the files of the folder of that name.
.SECONDEXPANSION:
$(O)/tests/workloads/%: tests/workloads/%.c $$(wildcard tests/workloads/$$*/*.c tests/workloads/$$*/*.h tests/workloads/*.h) $(O)/libsmap.a Makefile
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) -Ilib -Itests/workloads $(filter %.c,$^) $(O)/libsmap.a -lsqlite3 -lm -o $@

$(O)/tests/bench/%: tests/bench/%.c $(O)/libsmap.a Makefile
	$(call msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(CFLAGS) $(WARN) -Ilib -MMD -MP -MF $@.d $< $(O)/libsmap.a -lm -o $@

# Stress programs are built with the library's sources under each sanitizer.
define stress_rule
$(O)/tests/stress_%.$(1): tests/stress_%.c $(LIB_SRC) $(wildcard lib/*.h tests/*.h) Makefile
	$$(call msg,STRESS,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$(CC) $(CSTD) -O1 -g $(WARN) -Ilib $(LIB_DEFS) -fsanitize=$(2) -fno-omit-frame-pointer $$< $(LIB_SRC) -o $$@
endef
$(eval $(call stress_rule,tsan,thread))
$(eval $(call stress_rule,asan,address$(comma)undefined))

$(eval $(call stress_rule,ubsan,undefined -fsanitize-undefined-trap-on-error))

# The tests of the library that need no sanitizer's runtime: tests/cross.sh.
LIB_TESTS := $(filter $(O)/tests/test_smap_%,$(UNITS)) $(STRESS:%.c=$(O)/%.ubsan)
STRESS_BIN := $(foreach s,tsan asan,$(STRESS:%.c=$(O)/%.$(s)))

workloads: $(WORKLOADS)
units: $(UNITS)
lib-tests: $(O)/libsmap.so $(LIB_TESTS)

check: all $(UNITS) $(STRESS_BIN) $(WORKLOADS) $(BROWSER) $(OTLP) $(TYPES)  ## run all tests; the last line counts them
	$(Q)O=$(O) CC="$(CC)" tests/run.sh

torture:  ## torture the library for MINUTES=N (5)
	$(Q)O=$(O) CC="$(CC)" tests/torture.sh $(or $(MINUTES),5)

models:  ## search the spin models, larger instances too
	$(Q)FULL=1 tests/check_models.sh

mutants: all  ## break the library in many ways and see the tests fail
	$(Q)O=$(O) CC="$(CC)" tests/mutants.sh

fuzz: all  ## fuzz the library for SECONDS=N (60)
	$(Q)O=$(O) tests/fuzz/fuzz.sh -max_total_time=$(or $(SECONDS),60) $(O)/fuzz/corpus

coverage:  ## line and branch coverage of the library
	$(Q)O=$(O) CC="$(CC)" tests/coverage.sh

arm64 s390x: all  ## build it for that processor (s390x: the library) and test it in qemu
	$(Q)O=$(O) tests/cross.sh $@

kernels: all $(WORKLOADS)  ## run the tracer on other kernels, in qemu
	$(Q)O=$(O) tests/kernels.sh

deploy-real: all $(WORKLOADS) $(OTLP)  ## build the image of docs/deploy and run its pod, with podman
	$(Q)O=$(O) tests/deploy-real.sh

demo: all $(WORKLOADS)  ## trace a real server under redis-benchmark
	$(Q)O=$(O) tests/demo.sh

demo-traps: all $(WORKLOADS)  ## the three traps, with and without the remedy
	$(Q)O=$(O) tests/demo-traps.sh

pictures: all $(WORKLOADS) $(BROWSER)  ## take the pictures of the docs
	$(Q)O=$(O) tests/pictures.sh

score: all $(WORKLOADS)  ## measure the detectors on labelled traffic; ONLY=REGEX JOBS=N MARGINS=1
	$(Q)O=$(O) tests/$(if $(MARGINS),score-margins.sh,score.sh) -j $(or $(JOBS),1) '$(ONLY)'

.PHONY: fixtures
fixtures: all $(WORKLOADS)  ## record tests/fixtures anew, after a change of the format
	$(Q)O=$(O) tests/fixtures/record.sh

bench: all $(WORKLOADS) $(BENCHES)  ## print the tables of docs/performance.md
	$(Q)O=$(O) tests/bench/run.sh

# --- housekeeping ---------------------------------------------------------

install: all  ## install below $(DESTDIR)$(PREFIX)
	$(Q)install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/bin
	$(Q)install -m 644 $(O)/libsmap.a $(DESTDIR)$(PREFIX)/lib/
	$(Q)install -m 755 $(O)/libsmap.so.$(SOVER) $(DESTDIR)$(PREFIX)/lib/
	$(Q)ln -sf libsmap.so.$(SOVER) $(DESTDIR)$(PREFIX)/lib/libsmap.so
	$(Q)install -m 644 lib/smap.h lib/smap_inline.h lib/smap_match.h lib/smap_state.h $(DESTDIR)$(PREFIX)/include/
	$(Q)install -m 755 $(O)/smaptrace $(DESTDIR)$(PREFIX)/bin/
	$(Q)printf 'prefix=%s\nlibdir=$${prefix}/lib\nincludedir=$${prefix}/include\n\nName: libsmap\nDescription: concurrent map with the algorithm of Go'"'"'s sync.Map, traceable\nVersion: %s\nCflags: -I$${includedir} -pthread\nLibs: -L$${libdir} -lsmap -pthread\n' \
		'$(PREFIX)' '$(VERSION)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libsmap.pc
	$(Q)for m in $(MANS); do s=$${m##*.}; install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$$s/$${m##*/}; done

fmt:  ## format the sources
	$(Q)clang-format -i $(FORMATTED)

fmt-check:  ## fail if a source file is not formatted
	$(Q)clang-format --dry-run --Werror $(FORMATTED)

clean:  ## remove the build tree
	$(Q)rm -rf $(O)

-include $(wildcard $(O)/lib/*.d $(O)/yield/lib/*.d $(O)/user/*.d $(O)/tests/*.d $(O)/tests/*/*.d)
