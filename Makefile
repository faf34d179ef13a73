# README's two commands are `make run` and `make test`; `make help` lists the rest.

# A comma in an argument of a function.
, := ,
# Of this machine: the same on a Raspberry Pi (aarch64).
TARGET   := $(shell uname -m)-unknown-linux-gnu
BINARY   := target/$(TARGET)/release/quire
QUICK    := target/$(TARGET)/quick/quire
# Compiling two packages at a time takes up to 1.8 GB of memory, and one at a time 1.1 GB. Two only where 3 GB are available.
JOBS     := $(shell awk '/^MemAvailable/ { print $$2 < 3000000 ? 1 : "default" }' /proc/meminfo)
# Static: name resolution and everything else is inside. The target must be named, or build scripts break.
# Code and static data have fixed addresses: otherwise, a start adjusts 38,000 pointers, which takes an eighth of its time and
# 0.7 MB. Heap, stack, and mapped memory keep random addresses. `make release PIE=1` randomizes all addresses.
STATIC   := RUSTFLAGS="-C target-feature=+crt-static $(if $(PIE),-C link-arg=-Wl$(,)-z$(,)pack-relative-relocs,-C relocation-model=static)"
# Functions that a start runs are laid out together, by names that stay the same when other code changes. Not where the list is missing, as in a partial checkout.
ifneq ($(wildcard .ci/startup-functions),)
LINKER   := CARGO_TARGET_$(shell uname -m | tr a-z A-Z)_UNKNOWN_LINUX_GNU_LINKER=$(CURDIR)/.ci/ordered-cc
endif
OPTIMIZED := $(LINKER) $(STATIC:"= -C symbol-mangling-version=v0")
# Benches that measure a program from outside are compiled like `make run`, which takes much less time.
QUICK_BENCH := cargo bench --profile quick --locked --target $(TARGET)
SYMBOLS  := $(OPTIMIZED) CARGO_TARGET_DIR=target/symbols cargo rustc --release --locked --target $(TARGET) --package quire --bin quire -- -C strip=none
# SQLite without what Quire does not use (full-text search stays): 180-350 KB less, at no cost in speed.
export LIBSQLITE3_FLAGS := -DSQLITE_DEFAULT_MEMSTATUS=0 -DSQLITE_THREADSAFE=2 -DSQLITE_DQS=0 \
	-DSQLITE_OMIT_DEPRECATED -DSQLITE_OMIT_SHARED_CACHE -DSQLITE_OMIT_LOAD_EXTENSION \
	-USQLITE_ENABLE_RTREE -USQLITE_ENABLE_STAT4 -USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_FTS3 \
	-USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_API_ARMOR -USQLITE_SOUNDEX

# Clippy as the compiler, so that lints and tests compile everything once: `cargo clippy` keeps nothing that tests can use.
# These two variables are how cargo-clippy itself passes on `-D warnings`.
LINTED   := RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
# The test programs, the longest first: the browser's takes about as long as the others together, and runs beside them.
LONGEST  := browser api postgres lib
PROGRAMS := $(LONGEST) $(filter-out $(LONGEST),$(patsubst tests/%,%,$(patsubst %/main.rs,%,$(wildcard tests/*/main.rs)) \
	$(basename $(wildcard tests/*.rs))))

# Tests at a time: most wait for a server or a browser, so one per processor leaves the processors idle most of the time.
export RUST_TEST_THREADS ?= $(shell expr 3 \* $$(nproc))

.PHONY: run test check fmt lint unit browser screenshots lighthouse interop agents conformance replica tools vendor release image proxy vanish week postgres postgres-versions scale footprint layout attack bench bench-gateway bench-servers bench-peers compare-optimizers compare-retrieval mutations fuzz dev help evidence

run:  ## build without optimizing across crates, start, print the URL; works offline and without keys
	$(STATIC) cargo build --profile quick --locked --target $(TARGET) $(JOBS:%=--jobs %)
	@$(QUICK) serve

test: tools  ## install what tests need, then run all of them
	cargo fmt --all --check
	$(LINTED) cargo build --all-targets
	@echo "two test programs at a time; each one's output follows when it has ended"
	@$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync=target $(PROGRAMS:%=tested-%)

tested-%:
	@# Tests of several servers start many processes; with more at a time, a server may be taken for dead.
	@BROWSER=1 $(LINTED) cargo test $(if $(filter lib,$*),--no-fail-fast --lib,--test $*) $(if $(filter postgres,$*),-- --test-threads=$$(expr 2 \* $$(nproc)))
	@# The store's unit tests again, on PostgreSQL.
	@$(if $(filter lib,$*),$(LINTED) .ci/postgres cargo test --lib store::,:)

check: fmt lint unit  ## what must be green before a commit, without the browser

fmt:  ## format
	cargo fmt --all

lint:  ## clippy, warnings are faults
	cargo clippy --all-targets -- -D warnings

unit:  ## all tests but the browser's
	cargo test --no-fail-fast --lib --test architecture --test schema --test allocations --test documents --test api --test cli

browser: tools  ## the browser's tests alone; pictures end in target/screenshots
	BROWSER=1 cargo test --test browser

screenshots: browser  ## pictures of the pages and their states, wide and narrow, light and dark, in target/screenshots

lighthouse:  ## what Lighthouse says of each page, without an account and signed in
	sh .ci/lighthouse

tools:  ## install what the tests need and the machine does not have (Debian: Chromium and its driver)
	@sh .ci/tools
	@# The accessibility rules of the browser test: used where npm is, missed with a notice where it is not.
	@[ -d target/axe/node_modules/axe-core ] || ! command -v npm >/dev/null || \
		npm install --silent --no-audit --no-fund --prefix target/axe axe-core@4.14.1 || echo "axe-core could not be fetched"

interop:  ## against servers by others that emulate the vendors, and with clients by others, from npm and PyPI
	@sh .ci/interop
	@sh .ci/clients
	@sh .ci/scores

agents:  ## Claude Code, Codex CLI, opencode and aider each write a file through Quire, with a model and with a panel
	@sh .ci/agents

conformance: ## the API's description against what the API does, with cases that schemathesis makes up
	sh .ci/conformance

replica:  ## the client of a bucket against stores by others, from PyPI and npm
	@sh .ci/replica

vendor:  ## bundle the pages' libraries again from npm's packages into assets/vendor (needs Node; the result is committed)
	sh .ci/vendor/build

release:  ## the static binary
	$(OPTIMIZED) cargo build --release --locked --target $(TARGET)
	@ldd $(BINARY) 2>&1 | grep -q "not a dynamic executable\|statically linked" || { echo "$(BINARY) is not static"; exit 1; }
	@ls -l $(BINARY) | awk '{ printf "%s: %.2f MB, static\n", $$NF, $$5 / 1048576 }'

image: release  ## what the Dockerfile makes, run in an empty read-only root, without Docker (needs root)
	@sh .ci/image $(BINARY)

vanish:  ## 500 times killed while it writes, its disk wiped: what the replica had is there again
	VANISH=500 cargo test --test api replica::replicated_data_survives -- --nocapture

# Each name is a module of tests; a small number of its rounds is part of `make unit` too.
attack:  ## what must hold under attack: walls between people, outbound addresses, lost and full disks, the replica's promise (50 rounds)
	cargo test --test api -- --nocapture --test-threads=1 walls:: matrix:: locks:: outbound:: accidents:: durability:: full:: sync_errors::
	ATTACK_ROUNDS=$${ATTACK_ROUNDS:-50} cargo test --test api promise:: -- --nocapture

week:  ## a week on a host that sleeps and forgets its disk: woken every hour, stopped or killed, its disk wiped
	WAKES=168 cargo test --test api replica::many_restarts_lose_nothing -- --nocapture

# Tests that open the SQLite file, or make a backup of it.
ON_FILE  := archive::an_administrator_takes_a_copy_of_the_database limits::operation::health_has_its_documented_fields \
	locks::a_lock_from_the_command_line_ends_calls_and_streams outbound::no_route_reaches_a_private_address \
	openapi::responses_match_the_openapi_document unstored::a_streamed_completion unstored::a_waiting_panel \
	unstored::a_whole_completion waiting::the_queue_of_a_user_is_bounded

postgres: tools  ## the store's and the API's tests on PostgreSQL, except those that need the SQLite file, and all on it through PgBouncer too
	.ci/postgres cargo test --lib store::
	.ci/postgres cargo test --test api -- $(addprefix --skip ,$(ON_FILE))
	POOLER=1 .ci/postgres cargo test --test api -- $(addprefix --skip ,$(ON_FILE))
	QUIRE_TEST_POOLER=1 cargo test --test postgres

postgres-versions: tools  ## the store's and the API's tests on PostgreSQL 14, 16, 17 and 18, from npm (VERSIONS="16 17": only these)
	.ci/postgres-versions "$(addprefix --skip ,$(ON_FILE))" $(VERSIONS)

scale: tools  ## three servers on PostgreSQL behind nginx, killed at random while 50 people run analyses (SCALE_RUNS, by default 300)
	SCALE_RUNS=$${SCALE_RUNS:-300} cargo test --test postgres scale:: -- --nocapture

proxy: release  ## do streams pass a real nginx as they come (needs Debian's nginx-light)
	@sh .ci/nginx $(BINARY)

footprint: release  ## start, memory, threads, files, size by crate, under 0.1 CPU; beside a bare-hyper hello; fails over budget
	$(OPTIMIZED) cargo build --release --locked --target $(TARGET) --example hello
	$(STATIC) $(QUICK_BENCH) --bench footprint -- $(BINARY) target/$(TARGET)/release/examples/hello
	@# The same program again with its symbols, for the table by crate; `make release` strips them.
	$(SYMBOLS)
	@sh .ci/sizes target/symbols/$(TARGET)/release/quire

layout:  ## trace which functions a start runs, for the next `make release` to lay out together (needs valgrind)
	$(SYMBOLS)
	sh .ci/layout target/symbols/$(TARGET)/release/quire

bench: release  ## what Quire adds to a provider's streams; requests a second against the same hello; speed of the parsers
	$(OPTIMIZED) cargo build --release --locked --target $(TARGET) --example hello
	$(STATIC) $(QUICK_BENCH) --bench fanout -- $(BINARY)
	$(STATIC) $(QUICK_BENCH) --bench panel -- $(BINARY)
	$(STATIC) $(QUICK_BENCH) --bench load -- $(BINARY) target/$(TARGET)/release/examples/hello
	cargo bench --bench parsers
	cargo bench --bench documents -- $(BINARY)

bench-servers: release tools  ## common requests and analyses on SQLite, on a local PostgreSQL, and on several servers; how late an event is on another server
	$(STATIC) FSYNC=on sh .ci/postgres $(QUICK_BENCH) --bench servers -- $(BINARY)

bench-gateway: release  ## passing a chat completion on, beside gateways by others that are under target/peers
	$(STATIC) $(QUICK_BENCH) --bench gateway -- $(BINARY)

bench-peers: release  ## beside what a user would run instead, installed from PyPI, npm and crates.io under target/peers
	sh .ci/peers
	$(STATIC) $(QUICK_BENCH) --bench peers -- $(BINARY)
	$(STATIC) $(QUICK_BENCH) --bench gateway -- $(BINARY)

evidence:  ## what Quire says of meaning, with a judge that is right 90 % of the time, and what experiments claim, next to the targets (EVIDENCE_PAIRS: a file of further pairs)
	cargo test --lib evidence -- --nocapture --test-threads=1
	cargo bench --bench experiments

compare-optimizers:  ## the race of experiments against Optuna (PyPI) on simulated ones whose truth is known
	cargo bench --bench optimize -- $(CURDIR)/target/experiments.json
	[ -x target/optuna/bin/python ] || python3 -m venv target/optuna
	target/optuna/bin/pip install --quiet optuna==5.0.0
	target/optuna/bin/python benches/optimizers.py target/experiments.json

compare-retrieval:  ## questions that find their page in one long document: Quire, plain FTS5, and bm25s with stemming (PyPI)
	cargo bench --bench documents -- finding
	[ -x target/bm25s/bin/python ] || python3 -m venv target/bm25s
	target/bm25s/bin/pip install --quiet bm25s==0.3.16 PyStemmer==3.1.0
	target/bm25s/bin/python benches/passages.py tests/data/retrieval

mutations:  ## two hundred damaged files of each kind through the readers
	DAMAGED=200 cargo test --test documents damage -- --nocapture

fuzz:  ## every parser of outside bytes, 60 s each (needs cargo-fuzz)
	for target in $$(ls fuzz/fuzz_targets | sed 's/\.rs$$//'); do \
		mkdir -p fuzz/corpus/$$target; seeds=tests/data/documents/$$target; [ -d $$seeds ] || seeds=; \
		cargo fuzz run --sanitizer none $$target fuzz/corpus/$$target $$seeds -- -max_total_time=60 || exit 1; done

dev:  ## debug build, started
	cargo run -- serve

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 14
