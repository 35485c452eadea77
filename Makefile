# What a person types; meson.build says how things are built. `make` alone gives build/frag.
#
# Variables: BUILD (directory), PREFIX, DESTDIR, REPO (a large repository for bench and demo),
# FUZZ_SECONDS (per target), POINTS (power cuts of `make proof`), SETUP=true (skip the package check).

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
POINTS ?= 10000
SETUP ?= scripts/setup
# A compiler newer than ours may warn of something new: that must not keep anybody from building.
MESON = meson setup -Dwerror=false
export CMOCKA_MESSAGE_OUTPUT = TAP

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

setup:
	@$(SETUP)

$(BUILD)/build.ninja: | setup
	$(MESON) $(BUILD) --prefix=$(PREFIX)

demo: all
	scripts/demo.sh

test: all
	scripts/run-tests $(BUILD)

bench: all
	tests/bench/bench.sh $(BUILD) $(REPO)

# Hours, by hand: the same proofs as `make test` with far more points, and long fuzzing.
proof: all
	POINTS=$(POINTS) scripts/run-proof $(BUILD)
	$(MAKE) fuzz FUZZ_SECONDS=600

install: all
	meson configure $(BUILD) -Dprefix=$(PREFIX)
	DESTDIR=$(DESTDIR) meson install -C $(BUILD)

asan: setup
	scripts/run-sanitized address,undefined $(BUILD)-asan

tsan: setup
	scripts/run-sanitized thread $(BUILD)-tsan

fuzz:
	@$(SETUP) build test fuzz
	scripts/run-fuzz $(BUILD)-fuzz $(FUZZ_SECONDS)

lint: all
	@$(SETUP) build test lint
	meson test -C $(BUILD) --suite lint --print-errorlogs
	scripts/run-lint $(BUILD)

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

.PHONY: all setup demo test bench proof install asan tsan fuzz lint clean
