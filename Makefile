# Everything a developer runs. Each target installs what it needs.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
export RUST_BACKTRACE ?= 0

.PHONY: install install-dev browser tools kafka demo check format unit test bench lock sbom image

install: $(VENV)/installed

install-dev: $(VENV)/installed-dev

# The first Python from 3.10 to 3.12 that runs: Bytewax has wheels for these.
$(VENV)/bin/python:
	@for python in python3.12 python3.11 python3.10 python3; do \
	  if $$python -c 'import sys, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null; \
	  then exec $$python -m venv $(VENV); fi; done; \
	echo "no Python found: install Python 3.10, 3.11 or 3.12 with its venv module" >&2; exit 1

PIP_INSTALL := pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:

$(VENV)/installed: requirements.lock | $(VENV)/bin/python
	$(BIN)/$(PIP_INSTALL) -r $<
	@touch $@

$(VENV)/installed-dev: tests/requirements.lock requirements.lock | $(VENV)/bin/python
	$(BIN)/$(PIP_INSTALL) -r $<
	@touch $@ $(VENV)/installed

# requirements.txt says what the product uses; the locks, what of everything is installed, with its hashes.
SUPPLY := .cache/supply/bin
LOCK := $(SUPPLY)/uv pip compile --quiet --universal --generate-hashes --no-annotate --custom-compile-command "make lock"

.cache/supply/installed: tests/supply.lock | $(VENV)/bin/python
	rm -rf .cache/supply && $(BIN)/python -m venv .cache/supply
	.cache/supply/bin/$(PIP_INSTALL) -r $<
	@touch $@

lock: .cache/supply/installed
	$(LOCK) --python-version 3.10 --output-file requirements.lock requirements.txt
	$(LOCK) --python-version 3.11 --output-file tests/requirements.lock --constraints requirements.lock tests/requirements.txt
	$(LOCK) --python-version 3.10 --output-file tests/supply.lock tests/supply.txt

# What the image holds of Python packages: a bill of materials (CycloneDX) and the licences, in build/.
sbom: .cache/supply/installed
	rm -rf .cache/product && mkdir -p build && $(BIN)/python -m venv --without-pip .cache/product
	$(SUPPLY)/pip --python .cache/product/bin/python $(wordlist 2,9,$(PIP_INSTALL)) -r requirements.lock
	$(SUPPLY)/cyclonedx-py environment --spec-version 1.6 --output-reproducible -o build/sbom.json .cache/product/bin/python
	$(SUPPLY)/pip-licenses --python=.cache/product/bin/python --with-urls --format=markdown --output-file=build/licences.md

# The parts that tests run against and that no wheel carries: a Redis server, a browser, a compiler for a clock to set.
browser:
	@command -v redis-server >/dev/null && command -v chromium >/dev/null && command -v cc >/dev/null || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends redis-server chromium gcc libc6-dev >/dev/null; }

# What the tests of k8s/ run: a sandbox, the image's init, the tester of alert rules (of Debian's package only the one
# program, not the service), and Kustomize, which kubectl has too. Where one cannot be had its tests are skipped.
tools:
	@{ command -v bwrap && command -v tini; } >/dev/null || ! command -v apt-get >/dev/null || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends bubblewrap tini >/dev/null; }
	@command -v promtool >/dev/null || [ -x .cache/bin/promtool ] || ! command -v apt-get >/dev/null || { \
	  mkdir -p .cache/bin && cd .cache && apt-get download -qq -o APT::Sandbox::User=root prometheus && \
	  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x -C bin --strip-components=3 ./usr/bin/promtool; \
	  rm -f prometheus_*.deb; }
	@command -v kustomize >/dev/null || command -v kubectl >/dev/null || [ -x .cache/bin/kustomize ] || \
	  ! command -v go >/dev/null || GOBIN=$(CURDIR)/.cache/bin go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.0

# A real Apache Kafka, whose jars come from Maven Central. Where that cannot be had, tests do without.
kafka: .cache/kafka/installed

.cache/kafka/installed: tests/kafka/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends default-jre-headless maven >/dev/null; }; \
	rm -rf .cache/kafka; \
	if timeout 300 mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/.cache/kafka >/dev/null; \
	then touch $@; else echo "Apache Kafka cannot be had from Maven Central: the tests do without it"; fi

demo: install
	@$(BIN)/python -m dashboard.demo

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What needs no server, in some seconds.
unit: install-dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal tests/unit

# Compiled once, and not by each of the many processes that begin at the same time.
test: check browser tools kafka
	$(BIN)/python -m flows.compile
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

# The image, by whichever of these there is.
IMAGE := clicks:dev
image:
	@for tool in docker podman buildah; do \
	  if command -v $$tool >/dev/null; then exec $$tool build $(BUILD_OPTIONS) -f k8s/Dockerfile -t $(IMAGE) .; fi; done; \
	echo "no docker, podman or buildah found: install one of them" >&2; exit 1

bench: install-dev browser
	$(BIN)/python -m tests.bench.throughput
