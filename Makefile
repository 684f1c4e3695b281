# `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory --warn-undefined-variables

MODULES := . envelope skrclient lab e2e tools/release
CACHE := .cache
LINTER := $(CACHE)/golangci-lint
# Each checkout has its own cache, because the linter's shared one confuses checkouts of the same module.
export GOLANGCI_LINT_CACHE := $(abspath $(CACHE))/lint
TOOL := GOWORK=off go tool -modfile=tools/go.mod
RELEASE_BUILD := GOWORK=off go build -C tools/release -trimpath -buildvcs=false -o '$(abspath $(CACHE))/'

# Options of the targets, for example: make demo PORT=8080
PORT ?= 3333
FORMAT ?= rsa
SCENARIO ?=
DATA ?=
BROKER ?=
METRICS ?=
FORGET ?=
REQUIRE_ALL ?=
BENCH ?= .
FAULT ?= .*
HEADERS ?= lean
SOAK ?= 30m
FUZZTIME ?= 5s
IMAGES ?=
CONFIRM ?=
NAMESPACE ?= kafka-e2ee-test
TAG ?= dev
KAFKA_IMAGE ?=
WAIT ?= 5m
REGISTRY ?=
COSIGN_KEY ?=
export VULNDB ?=

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
STAMP := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-16s %s\n", $$1, $$2 }'

.PHONY: demo
demo: ## Run the demo on this computer: pages at PORT (3333), the next two ports and, attested, PORT+10, metrics at PORT+11 to 13; FORMAT rsa, envelope-unsigned, envelope or jwe; DATA msg or payments; SCENARIO=help lists the scenarios; BROKER=localhost:9094 uses the Kafka of make up
	@echo 'Building; the first time takes a minute or two.' >&2; go build -o $(CACHE)/lab ./lab/cmd/lab && exec $(CACHE)/lab -port '$(PORT)' -format '$(FORMAT)' -scenario '$(SCENARIO)' -data '$(DATA)' -broker '$(BROKER)'

.PHONY: attacks
attacks: ## Attack records as Kafka's operator can, print what each format makes of it, and write docs/attacks.md
	go run ./lab/cmd/attacks -write docs/attacks.md,docs/attacks.ja.md

.PHONY: setup
setup: ## Install and start what make up and the container and browser tests need
	@tools/setup

.PHONY: up
up: images ## Run the demo with Kafka in containers: pages at PORT (3333) and the next two ports; FORMAT, DATA and SCENARIO as for demo; METRICS=1 adds Grafana
	@PORT=$(PORT) FORMAT='$(FORMAT)' SCENARIO='$(SCENARIO)' DATA='$(DATA)' METRICS=$(METRICS) deploy/compose/up

.PHONY: down
down: ## Stop the demo that make up started; FORGET=1 also deletes Kafka's data and the keys
	@deploy/compose/compose --profile metrics down --remove-orphans $(if $(FORGET),--volumes)

# Without the workspace, like the images: the workspace could choose other versions of the dependencies.
.PHONY: build
build: verify ## Build the programs into bin/
	GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w $(STAMP)' -o bin/ ./cmd/produce ./cmd/consume
	cd lab && GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w $(STAMP)' -o ../bin/ ./cmd/lab

.PHONY: verify
verify: ## Build bin/verify, which checks from outside who serves an attested page (docs/attested-page.md)
	@GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w $(STAMP)' -o bin/ ./cmd/verify

.PHONY: test
test: ## Run every test that this machine supports and list those it skipped or left out; REQUIRE_ALL=1 makes a skipped test a failure
	@REQUIRE_ALL=$(REQUIRE_ALL) tools/test

.PHONY: test-alerts
test-alerts: ## Make each alert fire, and evaluate each query of the dashboards, with the built programs and the real Prometheus (three minutes; make test does it, too)
	go test -count=1 -v ./e2e/alerts

AZURE_CLI := $(CACHE)/azure-cli
$(AZURE_CLI)/bin/az:
	python3 -m venv $(AZURE_CLI)
	$(AZURE_CLI)/bin/pip install --quiet azure-cli==2.91.0

.PHONY: check-azure-cli
check-azure-cli: $(AZURE_CLI)/bin/az ## Let the real azure-cli (0.7 GB, installed into .cache) parse the commands of deploy/azure
	AZURE_CLI_PYTHON=$(abspath $(AZURE_CLI))/bin/python go test -count=1 -run TestAzureCLI -v ./e2e/azure

.PHONY: images
images: ## Build the container images, tagged TAG (dev)
	@VERSION=$(VERSION) COMMIT=$(COMMIT) deploy/images

.PHONY: cluster-test
cluster-test: ## Try the manifests on the Kubernetes cluster of the current context and print a table; IMAGES=kind, k3d, minikube, k3s, present or REGISTRY/PATH; CONFIRM=CONTEXT (deploy/kubernetes/README.md)
	@go build -o $(CACHE)/cluster-test ./e2e/cluster/cmd/cluster-test && exec $(CACHE)/cluster-test -images '$(IMAGES)' -confirm '$(CONFIRM)' -namespace '$(NAMESPACE)' -tag '$(TAG)' -kafka-image '$(KAFKA_IMAGE)' -wait '$(WAIT)'

CONTROL_PLANE := $(CACHE)/kubernetes
$(CONTROL_PLANE): tools/kubernetes/go.sum tools/kubernetes/main.go
	@echo 'Building etcd and Kubernetes; the first time takes ten minutes.' >&2
	cd tools/kubernetes && GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$$(GOWORK=off go list -m -f '{{.Version}}' k8s.io/kubernetes)" -o $(abspath $@) .

.PHONY: test-kubernetes
test-kubernetes: $(CONTROL_PLANE) ## Let a real API server admit every overlay and refuse what is wrong, and try make cluster-test on it; without nodes
	go test -count=1 -v -timeout 60m -run 'TestAPIServer|TestCluster' ./e2e/manifests ./e2e/cluster -kubernetes $(abspath $(CONTROL_PLANE))

.PHONY: bench
bench: ## Measure speed and memory against plaintext baselines, and write docs/performance.md; BENCH=Scaling runs only those
	go test -run '^$$' -bench '$(BENCH)' -benchtime 1x -timeout 60m ./e2e/bench -performance

.PHONY: screenshots
screenshots: ## Retake the pictures in docs/screenshots with Chromium
	@mkdir -p docs/screenshots
	go test -v -count=1 -run 'Screenshots$$' ./e2e/browser -screenshots ../../docs/screenshots

.PHONY: faults
faults: ## Inject every fault (about an hour), and write docs/reliability.md; FAULT=A_broker.* injects only those, HEADERS=full with a header in every record
	go test -v -count=1 -timeout 4h -run 'TestFaults/($(FAULT))|TestPoisonTopic' ./e2e/faults -faults $(if $(filter full,$(HEADERS)),-full-headers)

.PHONY: soak
soak: ## Inject random faults for SOAK (30m), and write the growth of memory and files to docs/reliability.md
	go test -v -count=1 -timeout 4h -run TestSoak ./e2e/faults -soak $(SOAK) $(if $(filter full,$(HEADERS)),-full-headers)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (5s) on one processor
	@tools/fuzz $(FUZZTIME)

.PHONY: fuzz-long
fuzz-long: ## Run each fuzz target for ten minutes
	@tools/fuzz 10m

.PHONY: licenses
licenses: ## Check the licences of the programs' dependencies; list them and, separately, those of tests only
	@tools/licenses

.PHONY: sbom
sbom: build ## Write and validate bin/*.cdx.json, the programs' CycloneDX bills of materials
	@VERSION=$(VERSION) tools/sbom bin/produce bin/consume bin/verify bin/lab
	@SBOM=$(abspath bin) go test -count=1 -run '^TestSBOM$$' ./e2e/docs

.PHONY: release
release: ## Make a release of this commit in dist/ (docs/release.md): VERSION=v1.2.3; REGISTRY=registry.example/team is the one that its manifests name
	@$(RELEASE_BUILD) ./cmd/release
	@$(CACHE)/release -version '$(VERSION)' -registry '$(REGISTRY)'

.PHONY: pin
pin: ## Name third-party images (the compiler's, the sidecar's) by the digests that their tags have now (docs/release.md)
	@$(RELEASE_BUILD) ./cmd/pin
	@$(CACHE)/pin

.PHONY: publish
publish: ## Push the release in dist/ to REGISTRY=registry.example/team, the one that it was made for, and sign it if cosign is installed; COSIGN_KEY is its key
	@$(RELEASE_BUILD) ./cmd/publish
	@$(CACHE)/publish -from dist -registry '$(REGISTRY)' -version '$(if $(filter command,$(origin VERSION)),$(VERSION))' -key '$(COSIGN_KEY)'

.PHONY: vulncheck
vulncheck: ## Look up the programs' calls in Go's vulnerability database; VULNDB=file:///... names a copy of it
	@tools/vulncheck

.PHONY: generate
generate: ## Regenerate the generated files
	$(TOOL) templ generate -path web
	$(TOOL) templ generate -path lab/console
	go test -count=1 -run 'TestSettingsTables|TestReadmeShowsTheExample' ./e2e/docs -update
	go test -count=1 -run 'TestChartValuesAreDocumented|TestChartHasTheMonitoring' ./e2e/manifests -update

.PHONY: check-generated
check-generated: generate ## Fail if the generated files were out of date
	@git diff --exit-code -- '*_templ.go' docs/settings.md envelope/README.md deploy/helm || { echo 'generated files are out of date: commit what "make generate" wrote' >&2; exit 1; }

.PHONY: tidy-check
tidy-check: ## Fail if a go.mod is untidy or a module does not build without the workspace
	@cd tools/kubernetes && echo '== tools/kubernetes, not built' && GOWORK=off go mod tidy -diff
	@for module in $(MODULES) examples/go-franz; do ( cd $$module; echo "== $$module"; GOWORK=off go mod tidy -diff; GOWORK=off go build -o /dev/null ./... ); done

$(LINTER): tools/go.sum
	mkdir -p $(CACHE)
	GOWORK=off go build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: lint
lint: $(LINTER) ## Check style and common mistakes
	$(LINTER) run $$(go list -m -f '{{.Dir}}/...')
