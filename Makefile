# Needs Go, a C compiler, python3 with pip, and the package registries; make test
# also cmake and a C++ compiler. What make test has fetched once, it needs no
# network for again.

SHELL   := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
PYTHON   ?= python3
FUZZTIME ?= 30s
BENCH    ?= .
ROUNDS   ?= 3
SECONDS  ?= 0.5
WORKS    ?= tied-ae,deep-ae,tiny-ae,rbm,conv-ae,resnet20
PARTS    ?= train,bf16,batches,gemm,encode
OUT      ?= out/demo
RELEASE  ?= out/release
WITHIN   ?= 60m
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# Tests with several workers that the race detector runs in seconds; it does not
# see into assembly, so the kernels are those in Go.
RACED := TestWorkersGiveTheSameBits TestNetConcurrently TestLiveSwaps TestWorkersWake \
  TestSameBitsForAnyWorkers TestSecondTrainingInOneProcess TestFreeze TestGroups TestRanksTrainTheSame \
  TestLengths TestBelowCapacity TestSpan TestClaims TestAbsentWorkers TestStalledWorker

EMPTY   :=
SPACE   := $(EMPTY) $(EMPTY)
MODULE  := github.com/lamina-ml/lamina
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STAMPED  = -X $(MODULE)/internal/command.version=$(VERSION)
VENV    := $(CURDIR)/.cache/python
REQS    := examples/consumers/python/requirements.txt
# The stamp carries the hash of the pins, so that editing them installs again
# and a fresh checkout of the same pins, with newer file times, does not.
STAMP   := $(VENV)/.installed-$(shell cksum < $(REQS) | cut -d' ' -f1)

# What make bench compares with, none of it a part of the tests. GoMLX wants a
# newer Go than Lamina.
PEERS      := $(CURDIR)/.cache/peers
PEER_VENVS := torch jax keras blas sklearn
PEER_GO    := go1.27.4
COMPARE     = --rounds $(ROUNDS) --seconds $(SECONDS) --works $(WORKS) --parts $(PARTS) $(if $(RESUME),--resume) $(if $(RENDER),--render)

ifeq ($(origin DATA),command line)
export LAMINA_DATA := $(abspath $(DATA))
endif
ifeq ($(origin DATASETS),command line)
export LAMINA_DATASETS := $(abspath $(DATASETS))
endif

.PHONY: help build release deps test test-arm64 run-arm64 demo bench bench-readme bench-go bench-peers $(PEER_VENVS:%=peer-%) $(PEER_VENVS:%=venv-%) peer-gomlx peer-gemm yardstick fuzz page chromium clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/lamina and bin/laminabench
	$(GO) build -ldflags '$(STAMPED)' -o bin/ ./cmd/...

release: ## build the static command for every platform, with checksums (PLATFORMS= RELEASE=out/release)
	mkdir -p $(RELEASE)
	rm -f $(RELEASE)/lamina-* $(RELEASE)/SHA256SUMS
	for p in $(PLATFORMS); do \
	  os=$${p%/*} arch=$${p#*/} exe=; \
	  if [[ $$os == windows ]]; then exe=.exe; fi; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -trimpath -ldflags '$(STAMPED)' \
	    -o $(RELEASE)/lamina-$(VERSION)-$$os-$$arch$$exe ./cmd/lamina; \
	done
	cd $(RELEASE) && if command -v sha256sum >/dev/null; then sha256sum lamina-*; else shasum -a 256 lamina-*; fi >SHA256SUMS

deps: $(STAMP) ## install the pinned onnxruntime, onnx and numpy into .cache/python

# venv makes a Python environment in $(1) with what $(2) pins. Debian splits
# ensurepip off: without it the outer pip fills the environment.
define venv
rm -rf $(1)
if $(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(1); then \
  $(1)/bin/python -m pip install --quiet --disable-pip-version-check -r $(2); \
else \
  rm -rf $(1); \
  $(PYTHON) -m venv --without-pip $(1); \
  $(PYTHON) -m pip install --quiet --disable-pip-version-check -r $(2) \
    --target "$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"; \
fi
endef

$(STAMP):
	$(call venv,$(VENV),$(REQS))
	$(VENV)/bin/python -c 'import onnx, onnxruntime; print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__)'
	touch $@

test bench fuzz: export LAMINA_ONNXRUNTIME ?= $(VENV)
test: export LAMINA_REQUIRE_ORT := 1
test: export LAMINA_REQUIRE_PYTHON := 1
test: export LAMINA_REQUIRE_CPP := 1
test: deps ## every test, the real onnxruntime and the consumers in Python and C++ included
	$(GO) vet ./...
	$(GO) test -vet=off -timeout 30m ./...
	$(GO) test -vet=off -race -tags noasm -run '^($(subst $(SPACE),|,$(RACED)))$$' ./compiler ./runtime/engine ./runtime/train

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

# The pages of reports in a browser. Its driver is a module of its own.
page: export LAMINA_REQUIRE_CHROMIUM := 1
page: export LAMINA_SCREENSHOTS ?= $(CURDIR)/out/page
page: chromium ## open pages of reports in headless Chromium (Debian's chromium), with screenshots in out/page (PAGES=a.html:b.html for more)
	cd internal/lab/browser && LAMINA_PAGES='$(PAGES)' $(GO) test -count=1 -timeout 30m ./...

chromium:
	if ! command -v chromium chromium-browser google-chrome chrome >/dev/null; then \
	  if [[ $$(id -u) == 0 ]] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	  else echo 'page needs Chromium: apt-get install chromium' >&2; exit 1; fi; \
	fi

demo: build deps ## train, export and verify the demo (DATA=DIR for the full IDX files)
	bin/lamina demo --out $(OUT)

bench: build deps ## Lamina beside every installed peer, alternating (ROUNDS=3 SECONDS=0.5 WORKS= PARTS=; RESUME=1 goes on, RENDER=1 only writes)
	$(GO) run ./internal/lab/peers/compare $(COMPARE)

bench-readme: COMPARE += --readme cmd/laminabench/README.md --front README.md
bench-readme: bench ## the same, with this CPU's tables in cmd/laminabench/README.md and README.md written anew

bench-go: ## run the benchmarks of the Go packages (BENCH=regexp)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

# A peer that cannot be had leaves the reason in a file, which the table shows.
# PyTorch brings 5 GB of libraries that a CPU does not use, and does not start
# without them.
bench-peers: ## install the pinned peers of make bench into .cache/peers (10 GB)
	@mkdir -p $(PEERS); \
	for p in $(PEER_VENVS) gomlx gemm; do \
	  echo "$$p"; \
	  if $(MAKE) --no-print-directory "peer-$$p" >$(PEERS)/$$p.log 2>&1; then rm -f $(PEERS)/$$p.missing; \
	  else \
	    rm -rf $(PEERS)/$$p; \
	    { grep -E '^ERROR|error:' $(PEERS)/$$p.log || echo "see .cache/peers/$$p.log"; } | tail -n 1 | \
	      sed -E 's/^ERROR: //; s/[(].*//; s/(OSError|Error): .*/\1/' | tee $(PEERS)/$$p.missing; \
	  fi; \
	done

# The copy of the pins, written last, says that the environment is whole.
$(PEER_VENVS:%=peer-%): peer-%:
	if ! cmp -s internal/lab/peers/python/requirements-$*.txt $(PEERS)/$*/pins.txt; then \
	  $(MAKE) --no-print-directory venv-$*; \
	fi

$(PEER_VENVS:%=venv-%): venv-%:
	$(call venv,$(PEERS)/$*,internal/lab/peers/python/requirements-$*.txt)
	cp internal/lab/peers/python/requirements-$*.txt $(PEERS)/$*/pins.txt

peer-gomlx:
	mkdir -p $(PEERS)/gomlx
	cd internal/lab/peers/gomlx && GOTOOLCHAIN=$(PEER_GO) GOEXPERIMENT=simd $(GO) build -trimpath -o $(PEERS)/gomlx/gomlx .

peer-gemm:
	mkdir -p $(PEERS)/gemm
	$(CC) -O3 -march=native -ffp-contract=fast -o $(PEERS)/gemm/gemm internal/lab/peers/gemm/gemm.c -ldl

yardstick: build ## measure what is not measured and fits an hour (DATA=DIR: the full MNIST; DATASETS=DIR: above the other data sets; goes on; WITHIN=2h; AGAIN=1: all anew; ROW=keras-tied: one anew)
	@[[ -n "$${LAMINA_DATA:-}" ]] || { echo 'make yardstick: DATA=DIR, the folder of the full MNIST, is wanted' >&2; exit 1; }
	bin/laminabench yardstick $(if $(ROW),$(ROW) --again,all --within $(WITHIN) $(if $(AGAIN),--again)) --results testdata/yardsticks --work out/yardsticks
	bin/laminabench yardstick --table cmd/laminabench/README.md --results testdata/yardsticks
	bin/laminabench yardstick --table internal/lab/yardstick/README.md --results testdata/yardsticks
	bin/laminabench yardstick --table runtime/rates/README.md --results testdata/yardsticks

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
