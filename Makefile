# Everything a user or a build machine types: environment, build, tests, figures.
#
# Extensions. gateway/codecs/build.py:codec, gateway/journal/build.py:journal, gateway/lane/build.py:lane and simulators/matching/build_book.py:ffibuilder
# each hold one cffi FFI() with cdef(gateway.native.cdef("csrc/x.h", ...)) and
# set_source("gateway.lane._lane", '#include "x.h"', sources=["csrc/x.c"], include_dirs=["csrc"], py_limited_api=True);
# paths are relative to this folder. Nothing else is needed: setup.py finds them, and a *variant* is the same build with other
# flags, into build/VARIANT. At run time gateway.native.load("gateway.lane._lane") takes the one that PORTCULLIS_BUILD names:
#   unset  the release build, beside its package      asan  ASan and UBSan      tsan  ThreadSanitizer      crash  -DGW_CRASH_HOOKS, for `make crash`

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find csrc -name '*.[ch]' 2>/dev/null)
BUILD_FILES := $(wildcard setup.py gateway/codecs/build.py gateway/journal/build.py gateway/lane/build.py risk/build.py simulators/matching/build_book.py gateway/native.py)
LAYOUTS := $(shell find gateway -name '*.toml' 2>/dev/null)
CHECKED := gateway risk simulators
STRICT_C := -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -Wshadow -Werror -Icsrc

CFLAGS_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS_asan := -fsanitize=address,undefined
MEETS_C := tests/codecs tests/control tests/journal tests/lane tests/matching tests/risk tests/sim
CFLAGS_tsan := -O1 -g -fsanitize=thread -Wno-tsan
LDFLAGS_tsan := -fsanitize=thread
THREADS := tests/lane/test_driver.py tests/journal/test_journal.py tests/kill/test_engage.py tests/kill/test_drain.py tests/kill/test_disconnect.py
TSAN_ENV = LD_PRELOAD="$$($(CC) -print-file-name=libtsan.so)" PORTCULLIS_BUILD=tsan
CFLAGS_crash := -DGW_CRASH_HOOKS=1
ASAN_ENV = LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
	UBSAN_OPTIONS=print_stacktrace=1 PORTCULLIS_BUILD=asan

# A name that is both a folder and a command must always run.
.PHONY: build build-asan build-crash test test-all more-runs more-others sanitized test-threads crash demo bench lint lock clean

build: build/.release examples/demo.key

.venv/.locked: requirements.lock
	@sh tools/preflight.sh $(PYTHON)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml setup.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

build/.release: .venv/.installed $(SOURCES) $(BUILD_FILES) $(LAYOUTS)
	@mkdir -p build
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

build/.asan build/.tsan build/.crash: build/.%: build/.release
	CFLAGS="$(CFLAGS_$*)" LDFLAGS="$(LDFLAGS_$*)" $(BIN)/python setup.py --quiet build_ext --build-lib build/$* --build-temp build/temp-$*
	@touch $@

build-asan: build/.asan
build-crash: build/.crash

# The key of the strategy DEMO, for the demo and the first order: random, this machine's alone, never committed.
examples/demo.key:
	@umask 077 && $(PYTHON) -c 'import base64, os; print("DEMO:" + base64.b64encode(os.urandom(32)).decode())' > $@

lint: build
	$(BIN)/ruff check .
	$(BIN)/mypy $(CHECKED)
	@for c in $(wildcard csrc/*.c); do $(CC) $(STRICT_C) -c $$c -o /dev/null || exit 1; done

test: lint build/.crash
	$(BIN)/python -m pytest

# What `make test` leaves out: the tests that do more when asked for all (200 seeds instead of 30, longer fuzzing), then those that
# meet the C with ASan and UBSan in it, whole folders of them: about three minutes, none of their tests so slow that the release build
# has to do. Not among them are tests that meet the C only through other processes' command lines (demo, crash, kill) or not at all.
# Nothing else is run again. They go side by side, two at a time, so what they need is built before.
test-all: test build/.asan
	$(MAKE) --no-print-directory -j2 --output-sync=target more-others more-runs sanitized

# Whole runs: the seeds, and the model of the seam.
RUNS := tests/sim tests/seam
more-runs: build
	PORTCULLIS_TESTS=all $(BIN)/python -m pytest -m more $(RUNS)

more-others: build
	PORTCULLIS_TESTS=all $(BIN)/python -m pytest -m more $(RUNS:%=--ignore=%)

sanitized: build/.asan
	$(ASAN_ENV) $(BIN)/python -m pytest $(MEETS_C)

# The lane's thread, the writer's and control, with ThreadSanitizer in the C: real gateways in real processes.
test-threads: build/.tsan
	$(TSAN_ENV) $(BIN)/python -m pytest $(THREADS)

crash: build build/.crash
	PORTCULLIS_BUILD=crash $(BIN)/python -m tests.crash $(CRASH)

demo: build
	$(BIN)/gateway demo

bench: build
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.bench_matching
	$(if $(PORTCULLIS_OUTSIDE),$(BIN)/python -m tests.bench --outside)

# Resolve requirements.in anew; the hashes cover every file of a version, so one lock serves all machines and Pythons.
lock: .venv/.locked
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet pip-tools
	build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.lock requirements.in

clean:
	rm -rf build .venv *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find csrc gateway risk simulators tests \( -name __pycache__ -o -name '*.so' -o -name '*.o' \) -prune -exec rm -rf {} + 2>/dev/null || true
