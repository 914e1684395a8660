# SPDX-License-Identifier: Apache-2.0
# Targets for people; `make help` lists them. Nothing but Go is needed, except
# where a target says so.

SHELL := /bin/bash
BINARY := velero-plugin-alibabacloud
IMAGE ?= velero-plugin-alibabacloud:dev
PLATFORMS ?= linux/amd64,linux/arm64
GOFLAGS_STATIC := -buildvcs=auto -ldflags "-s -w -buildid="
# As the plugin is built, so are the programs around it, and what they share is built
# once. Only the race detector needs cgo.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(GOFLAGS) -trimpath)
GOLANGCI_LINT = $(shell go run ./tests/tools/cmd/toolpath golangci-lint)

.DEFAULT_GOAL := build

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/velero-plugin-alibabacloud, static and reproducible
	go build $(GOFLAGS_STATIC) -o bin/$(BINARY) .

.PHONY: demo
demo: ## The main job on this machine: back up, delete, restore, compare (KEEP=1 leaves it running)
	go run ./tests/demo

.PHONY: tools
tools: ## Build the programs that tests run, into a cache (minutes the first time; says what it does)
	go run ./tests/tools/cmd/toolpath etcd kube-apiserver kube-controller-manager velero >/dev/null

# Where the plugins and all that they stand on are; the rest is tests/ and main.
PLUGINS := ./objectstore/... ./volumesnapshotter/... ./backupitemaction/... ./restoreitemaction/... ./internal/...

unit integration test-short test-old-versions e2e e2e-full: export CGO_ENABLED := 1

.PHONY: test
test: unit integration ## Unit and integration tests with the real Velero and kube-apiserver (needs a C compiler for the race detector)

.PHONY: unit
unit: tools ## Unit tests, with coverage for `make cover`
	mkdir -p bin
	go test -race -timeout 30m -covermode=atomic -coverpkg=$(subst $(space),$(comma),$(PLUGINS)) -coverprofile=bin/coverage.out $(PLUGINS)

# -count=1: Go does not know what the plugin that they build is made of, and would answer from its cache. The package that
# takes longest is the first, so that the others run beside it.
.PHONY: integration
integration: tools ## Integration tests, which mostly wait for Velero
	go test -count=1 -race -timeout 30m -parallel 8 ./tests/integration . ./tests/...

# One after the other also with -j; and fuzz and e2e tests beside what waits: make -j3 test fuzz e2e.
ifneq ($(filter test,$(MAKECMDGOALS)),)
integration fuzz e2e: | unit
endif

.PHONY: test-old-versions
test-old-versions: tools ## What a kube-apiserver of Kubernetes 1.24 serves, restored today (five minutes the first time; `make test` has it from then on)
	go run ./tests/tools/cmd/toolpath kube-apiserver-1.24 >/dev/null
	go test -count=1 -race -v -run 'TestVelero/case/objects_of_API_versions' ./tests/integration

.PHONY: test-short
test-short: ## Unit tests alone
	go test -race -short ./...

.PHONY: cover
cover: ## Statement coverage in the last `make test`: at least 85 % of each package of the plugins
	./tests/coverage.sh bin/coverage.out

# What reads settings, image rules, old objects, and the ids that Velero keeps.
PARSERS ?= ./restoreitemaction ./backupitemaction ./volumesnapshotter/hbr ./internal/settings ./internal/imagemapping ./internal/storageclass ./internal/flexvolume ./internal/apiversion ./internal/companion ./internal/volume

.PHONY: content
content: ## 5,000 files of 1 GiB through each way of Cloud Backup and back (minutes, 4 GiB; `make test` has fewer, with the race detector)
	go test -count=1 -v -run 'TestContentComesBack' ./volumesnapshotter/hbr

FUZZTIME ?= 60s

.PHONY: fuzz
fuzz: ## Fuzz tests of what reads settings and objects, each for FUZZTIME
	nice ./tests/fuzz.sh $(FUZZTIME) $(PARSERS)

.PHONY: bench
bench: tools ## What the plugin costs, measured in the real Velero; results in tests/bench/results
	go test -timeout 30m -run '^$$' -bench . -benchtime 1x -v ./tests/bench

.PHONY: cluster-up
cluster-up: ## Two real Kubernetes clusters on this machine, of a node each (root on Linux; tests/cluster/README.md)
	go run ./tests/cluster/cmd/cluster up

.PHONY: cluster-down
cluster-down: ## End them, and remove all that is left of them, also after a crash
	go run ./tests/cluster/cmd/cluster down

# The tests of clusters and of the CSI driver's double are among the others of ./tests/...; this runs what needs a node.
# Scenarios mostly wait.
E2E := go test -tags e2e -count=1 -race -timeout 60m -parallel 8

.PHONY: e2e-packages
e2e-packages: tools
	go run ./tests/cluster/cmd/cluster packages
	./tests/e2e/packages.sh

.PHONY: e2e
e2e: e2e-packages ## On real clusters: installed as users do, real Pods and data; a few of upstream's suites (root on Linux; tests/e2e/README.md)
	$(E2E) -v -run TestE2E ./tests/e2e
	go run ./tests/e2e/upstream --suites fast

.PHONY: e2e-full
e2e-full: e2e-packages ## e2e, what docs/reliability.md tells, the doubles themselves, and all of upstream's suites that can run
	$(E2E) -v -run '^TestCluster$$|^TestPodsWriteToTheCloud$$' ./tests/cluster ./tests/csidriver
	$(E2E) -v ./tests/e2e
	go run ./tests/e2e/upstream --suites all

.PHONY: lint
lint: ## Static analysis and formatting
	$(GOLANGCI_LINT) run ./...

.PHONY: format
format: ## Format the code
	$(GOLANGCI_LINT) fmt ./...

.PHONY: schemas
schemas: ## The JSON Schemas of the settings of restores and backups, in deploy/settings/schema
	go run ./tests/tools/cmd/schemas docs/restore-settings.md docs/backup-actions.md deploy/settings/schema

.PHONY: conformance
conformance: ## The simulated cloud against independent clients (needs Node.js 20 and npm)
	./tests/conformance/run.sh

.PHONY: binaries
binaries: ## The binaries of the image's platforms, in bin/linux-<arch>
	for platform in $(subst $(comma), ,$(PLATFORMS)); do \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} \
			go build $(GOFLAGS_STATIC) -o bin/$${platform/\//-}/$(BINARY) . || exit 1; \
	done

.PHONY: image
image: binaries ## The container image, with docker or buildah (IMAGE=, PLATFORMS=)
	./tests/image/build.sh "$(IMAGE)" "$(PLATFORMS)"

.PHONY: clean
clean: ## Remove what was built here; built tools stay in their cache
	rm -rf bin

comma := ,
empty :=
space := $(empty) $(empty)
