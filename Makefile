# Needs Go, a C compiler, python3 with pip, and the package registries; make test
# also cmake and a C++ compiler. Once deps has run, everything here works offline.

SHELL   := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
PYTHON   ?= python3
FUZZTIME ?= 30s
BENCH    ?= .
OUT      ?= out/demo

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
VENV    := $(CURDIR)/.cache/python
REQS    := examples/consumers/python/requirements.txt
# The stamp carries the hash of the pins, so that editing them installs again
# and a fresh checkout of the same pins, with newer file times, does not.
STAMP   := $(VENV)/.installed-$(shell cksum < $(REQS) | cut -d' ' -f1)

ifeq ($(origin DATA),command line)
export LAMINA_DATA := $(abspath $(DATA))
endif

.PHONY: help build deps test test-arm64 run-arm64 demo bench yardstick fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/lamina
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/lamina ./cmd/lamina

deps: $(STAMP) ## install the pinned onnxruntime, onnx and numpy into .cache/python

$(STAMP):
	rm -rf $(VENV)
	@# Debian splits ensurepip off: without it the outer pip fills the venv.
	if $(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV); then \
	  $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(REQS); \
	else \
	  rm -rf $(VENV); \
	  $(PYTHON) -m venv --without-pip $(VENV); \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check -r $(REQS) \
	    --target "$$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"; \
	fi
	$(VENV)/bin/python -c 'import onnx, onnxruntime; print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__)'
	touch $@

test bench fuzz: export LAMINA_ONNXRUNTIME ?= $(VENV)
test: export LAMINA_REQUIRE_ORT := 1
test: export LAMINA_REQUIRE_PYTHON := 1
test: export LAMINA_REQUIRE_CPP := 1
test: deps ## every test, the real onnxruntime and the consumers in Python and C++ included
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) build ./...
	$(GO) test ./...

# The kernels of arm64, emulated where the machine is another one.
QEMU = $(shell command -v qemu-aarch64-static || command -v qemu-aarch64)
test-arm64: export LAMINA_REQUIRE_KERNELS := neon
test-arm64: ## the tests of the kernels and the engine on arm64, in user-mode emulation (Debian's qemu-user-static)
	if [[ $$($(GO) env GOHOSTARCH) != arm64 && -z "$(QEMU)" ]]; then \
	  if [[ $$(id -u) == 0 ]]; then apt-get update -qq && apt-get install -qq -y --no-install-recommends qemu-user-static >/dev/null; \
	  else echo 'test-arm64 needs qemu-aarch64: apt-get install qemu-user-static' >&2; exit 1; fi; \
	fi
	$(MAKE) --no-print-directory run-arm64

run-arm64:
	GOARCH=arm64 CGO_ENABLED=0 $(GO) test -count=1 $(if $(QEMU),-exec $(QEMU)) ./kernels/simd/ ./runtime/engine

demo: build deps ## train, export and verify the demo (DATA=DIR for the full IDX files)
	bin/lamina demo --out $(OUT)

bench: ## run the benchmarks (BENCH=regexp)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

yardstick: build ## measure the published numbers (DATA=DIR: the full MNIST; goes on; ROW=keras-tied: anew)
	bin/lamina yardstick $(or $(ROW),all) $(if $(ROW),--again) --results testdata/yardsticks --work out/yardsticks
	bin/lamina yardstick --table README.md --results testdata/yardsticks

# Up to Go 1.26 the end of FUZZTIME itself may be reported as a failure, without a
# failing input: go.dev/issue/75804.
fuzz: ## run every fuzz target for FUZZTIME (30s)
	log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	for pkg in $$($(GO) list ./...); do \
	  targets=$$($(GO) test -list '^Fuzz' "$$pkg"); \
	  for f in $$(grep '^Fuzz' <<<"$$targets" || true); do \
	    echo "$$pkg $$f"; \
	    $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) "$$pkg" 2>&1 | tee "$$log" || \
	      { grep -q '^ *context deadline exceeded$$' "$$log" && ! grep -q 'Failing input' "$$log"; } || exit 1; \
	  done; \
	done

clean: ## remove bin, out and the installed Python packages
	rm -rf bin out .cache
