# The one door. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

MODULES := . envelope skrclient lab e2e
CACHE := .cache
LINTER := $(CACHE)/golangci-lint
TOOL := GOWORK=off go tool -modfile=tools/go.mod

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-16s %s\n", $$1, $$2 }'

.PHONY: generate
generate: ## Write the generated files anew
	$(TOOL) templ generate -path web

$(LINTER): tools/go.sum
	mkdir -p $(CACHE)
	GOWORK=off go build -modfile=tools/go.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: lint
lint: $(LINTER) ## Check style and common mistakes
	$(LINTER) run $$(go list -m -f '{{.Dir}}/...')

.PHONY: lint-dir
lint-dir: $(LINTER)
	$(LINTER) run $(DIR)/...
