# The one door. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

MODULES := . envelope skrclient lab e2e
CACHE := .cache
# A cache of its own: the linter's common one mixes up checkouts of the same module.
LINTER := $(CACHE)/golangci-lint
export GOLANGCI_LINT_CACHE := $(abspath $(CACHE))/lint
TOOL := GOWORK=off go tool -modfile=tools/go.mod

PORT ?= 3333
SCENARIO ?=
FORMAT ?= rsa
FUZZTIME ?= 5s
VULNDB ?=
export VULNDB
SOAK ?= 30m
# The race detector needs a C compiler; without one the tests run all the same.
RACE := $(if $(shell command -v gcc || command -v clang),-race)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
STAMP := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-16s %s\n", $$1, $$2 }'

.PHONY: demo
demo: ## Run the whole story on this computer: pages at PORT (3333) and the next one, FORMAT rsa, envelope or jwe; SCENARIO=help lists what can happen
	@go build -o $(CACHE)/lab ./lab/cmd/lab && exec $(CACHE)/lab -port $(PORT) -format $(FORMAT) -scenario '$(SCENARIO)'

.PHONY: setup
setup: ## Install and start what the container and browser tests and make up need
	@e2e/setup

.PHONY: up
up: images ## Run the demo on real Kafka in containers: pages at PORT (3333) and the next one; METRICS=1 adds Grafana
	@PORT=$(PORT) METRICS=$(METRICS) deploy/compose/up

.PHONY: down
down: ## End what make up started; FORGET=1 also deletes Kafka's data and the key
	@deploy/compose/compose --profile metrics down --remove-orphans $(if $(FORGET),--volumes)

# Each module by itself, as the images are built: the workspace could choose other versions of what they import.
.PHONY: build
build: ## Build the programs into bin/
	GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w $(STAMP)' -o bin/ ./cmd/produce ./cmd/consume
	cd lab && GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w $(STAMP)' -o ../bin/ ./cmd/lab

.PHONY: test
test: ## Run every test that this machine can; REQUIRE_ALL=1 makes leaving one out a failure
	go vet work
	# -parallel 4: the tests of containers and faults wait more than they work.
	# -count=1: tests read README.md and deploy/, whose changes the test cache does not see from another module.
	@mkdir -p $(CACHE); export LEFT_OUT=$$(mktemp $(abspath $(CACHE))/left-out.XXXXXX) REQUIRE_ALL=$(REQUIRE_ALL); \
	trap 'rm -f "$$LEFT_OUT"' EXIT; status=0; go test $(RACE) -count=1 -parallel 4 -timeout 40m work || status=$$?; \
	if [[ -s $$LEFT_OUT ]]; then echo 'Left out, for lack of something on this machine ("make setup" gets it):'; sort "$$LEFT_OUT" | sed 's/^/  /'; \
	else echo 'No test was left out.'; fi; exit $$status

AZURE_CLI := $(CACHE)/azure-cli
$(AZURE_CLI)/bin/az:
	python3 -m venv $(AZURE_CLI)
	$(AZURE_CLI)/bin/pip install --quiet azure-cli==2.91.0

.PHONY: check-azure-cli
check-azure-cli: $(AZURE_CLI)/bin/az ## Have the real azure-cli (0.7 GB, installed into .cache) parse the commands of deploy/azure
	AZURE_CLI_PYTHON=$(abspath $(AZURE_CLI))/bin/python go test -count=1 -run TestAzureCLI -v ./e2e

.PHONY: images
images: ## Build the container images, tagged TAG (dev)
	@VERSION=$(VERSION) COMMIT=$(COMMIT) deploy/images

.PHONY: bench
bench: ## Measure speed and memory, each against its plain baseline in the same run, and write docs/performance.md; BENCH=Scaling only some
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchtime 1x -timeout 60m ./e2e -performance

.PHONY: screenshots
screenshots: ## Take the pictures in docs/screenshots anew, with Chromium
	@mkdir -p docs/screenshots
	go test -v -count=1 -run '^TestScreenshots$$' ./e2e -screenshots ../docs/screenshots

.PHONY: faults
faults: ## Let every fault happen, about an hour, and write docs/reliability.md; FAULT=A_broker.* only some
	go test -v -count=1 -timeout 4h -run 'TestFaults/($(or $(FAULT),.*))|TestPoisonTopic' ./e2e -faults

.PHONY: soak
soak: ## Let random faults happen for SOAK (30m), and write into docs/reliability.md what grew
	go test -v -count=1 -timeout 4h -run TestSoak ./e2e -soak $(SOAK)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (5s) of a processor, one on each processor
	@tools/fuzz $(FUZZTIME)

.PHONY: fuzz-long
fuzz-long: ## Run each fuzz target for ten minutes
	@tools/fuzz 10m

.PHONY: licenses
licenses: ## Check the licences of what the programs link; list them, and apart those of what only tests use
	@tools/licenses

.PHONY: sbom
sbom: build ## Write bin/*.cdx.json, CycloneDX bills of materials of the programs, and validate them
	@VERSION=$(VERSION) tools/sbom bin/produce bin/consume bin/lab
	@SBOM=$(abspath bin) go test -count=1 -run '^TestSBOM$$' ./e2e

.PHONY: vulncheck
vulncheck: ## Look up what the programs call in Go's vulnerability database; VULNDB=file:///... is a copy of it
	@tools/vulncheck

.PHONY: generate
generate: ## Write the generated files anew
	$(TOOL) templ generate -path web
	go test -count=1 -run TestREADMESettings ./e2e -update

.PHONY: check-generated
check-generated: generate ## Fail if the generated files were not up to date
	@git diff --exit-code -- '*_templ.go' README.md || { echo 'generated files are out of date: commit what "make generate" wrote' >&2; exit 1; }

.PHONY: tidy-check
tidy-check: ## Fail if a go.mod is untidy, or a module does not build alone
	@for module in $(MODULES); do ( cd $$module; echo "== $$module"; GOWORK=off go mod tidy -diff; GOWORK=off go build ./... ); done

$(LINTER): tools/go.sum
	mkdir -p $(CACHE)
	GOWORK=off go build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: lint
lint: $(LINTER) ## Check style and common mistakes
	$(LINTER) run $$(go list -m -f '{{.Dir}}/...')
