# What one does with this project. `make` lists the targets; `make V=1 TARGET` shows each command.

CARGO ?= cargo
# Where the judged incidents lie, when there are any beside the checkout.
SETS ?= ../shared/sets
# Whose captures `make degrade` spoils: a set, or a folder of sets.
DIR ?= testdata/demo
# What `make lab` plays, and how many seconds of each at most; `make lab-all` plays all of everything.
SCENARIOS ?= crates/lab/scenarios/synack_lost.toml crates/lab/scenarios/healthy.toml
LAB_SECONDS ?= 8

TARGET := $(or $(CARGO_TARGET_DIR),target)
LAB_OUT ?= $(TARGET)/lab
WHY504 := $(TARGET)/release/why504
LAB := $(TARGET)/release/why504-lab
MSRV := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

DEMO := testdata/demo
DEMO_ARGS := --tz Asia/Shanghai --nginx-conf $(DEMO)/nginx.conf \
  --at gateway=$(DEMO)/gateway.pcap --at upstream=$(DEMO)/upstream.pcap \
  $(DEMO)/error.log $(DEMO)/access.log

Q := $(if $(V),,@)
CARGO_QUIET := $(if $(V),,--quiet)
NEXTEST_QUIET := $(if $(V),,--cargo-quiet --status-level fail --final-status-level fail)

FUZZ_SECONDS ?= 4

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz check fmt clippy arrows no-std rustdoc deny msrv docs bench lab lab-all judge-sets \
  degrade \
  build build-lab ci clean

help: ## This list
	@echo 'why504: which packet of the TCP handshake was lost behind each nginx connect timeout?'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name what; do \
	  printf '%-18s %s\n' "$$name" "$$what"; done

demo: build ## Analyse the small real incident in testdata/demo
	$(Q)$(WHY504) $(DEMO_ARGS)

test: ## All tests of the workspace, and the examples in its documentation
	$(Q)if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  $(CARGO) nextest run --workspace --locked $(NEXTEST_QUIET); \
	else \
	  $(CARGO) test --workspace --locked --all-targets $(CARGO_QUIET); \
	fi
	$(Q)$(CARGO) test --workspace --locked --doc $(CARGO_QUIET)

check: fmt clippy arrows no-std rustdoc deny ## Everything that needs no run: format, lints, arrows, no_std, docs

fmt:
	$(Q)$(CARGO) fmt --all --check

clippy:
	$(Q)$(CARGO) clippy --workspace --all-targets --locked $(CARGO_QUIET) -- -D warnings

arrows:
	$(Q)$(CARGO) test -p why504 --test architecture --locked $(CARGO_QUIET)

# Compiles only while neither model, handshake, correlate nor anything below them links std.
no-std:
	$(Q)$(CARGO) check --manifest-path ci/no_std/Cargo.toml --target-dir $(TARGET)/no_std --locked $(CARGO_QUIET)

rustdoc:
	$(Q)RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked $(CARGO_QUIET)

deny:
	$(Q)if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo 'skipped: cargo-deny is not installed (licences and bans of dependencies)'; fi

msrv: ## Compile with the oldest Rust that Cargo.toml promises
	$(Q)ci/msrv.sh $(MSRV)

docs: ## Write docs/verdicts.md again from the decision table
	$(Q)WRITE_DOCS=1 $(CARGO) test -p why504 --test docs --locked $(CARGO_QUIET)

bench: build build-lab ## Time why504 beside tcpdump, tshark, ripgrep, GoAccess; prints tables
	$(Q)WHY504=$(WHY504) LAB=$(LAB) bench/run.sh

# A scenario has some twenty timeouts: two requests within the same milliseconds are a tenth of them. No
# wrong sure verdict and no wrong attempt is demanded of every run; the shares of the larger sets only.
LAB_LIMITS ?= --min-right-sure 0.9 --min-one-attempt 0.5

lab: build build-lab ## Play incidents with real nginx and real loss, and judge why504 by them (root)
	$(Q)if [ "$$(id -u)" -ne 0 ]; then \
	  echo 'skipped: the lab makes network namespaces, which needs root'; \
	else \
	  $(LAB) install && rm -rf $(LAB_OUT) && $(LAB) run $(SCENARIOS) --at-most $(LAB_SECONDS) --out $(LAB_OUT) && \
	  $(LAB) judge $(LAB_OUT) --why504 $(WHY504) $(LAB_LIMITS) --json $(LAB_OUT)/judge.json; \
	fi

lab-all: ## Play every scenario in full (90 minutes, root), with the limits of large sets
	$(Q)$(MAKE) --no-print-directory lab SCENARIOS='$(wildcard crates/lab/scenarios/*.toml)' LAB_SECONDS=3600 \
	  LAB_OUT=$(LAB_OUT)-all LAB_LIMITS=

judge-sets: build build-lab ## Judge why504 by incidents beside the checkout (SETS=DIR)
	$(Q)if [ -d $(SETS) ]; then $(LAB) judge $(SETS) --why504 $(WHY504); \
	else echo 'skipped: there is no $(SETS)'; fi

degrade: build build-lab ## Spoil the captures of incidents in every way; no verdict may be wrong and sure (DIR=DIR)
	$(Q)$(LAB) degrade $(DIR) --why504 $(WHY504)

# Two minutes at most, of which most is compiling.
fuzz: ## Run each fuzz target for a few seconds (FUZZ_SECONDS=N)
	$(Q)ci/fuzz.sh $(abspath $(TARGET))/fuzz $(FUZZ_SECONDS)

ci: ## What must pass before a change is taken
	$(Q)ALL_CAPTURES=1 MAKE='$(MAKE)' ci/steps.sh test check fuzz msrv demo lab judge-sets degrade

clean: ## Remove what was built
	$(Q)$(CARGO) clean $(CARGO_QUIET)

build:
	$(Q)$(CARGO) build --release -p why504 --locked $(CARGO_QUIET)

build-lab:
	$(Q)$(CARGO) build --release -p why504-lab --locked $(CARGO_QUIET)
