# Everything a developer types. CONTRIBUTING.md says when.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 20s

.PHONY: build test check lint demo fuzz torture bench bench-quick pgo install-tools

build: ## bin/edge and bin/replay
	go build -o bin/ ./cmd/...

test: lint ## all tests; what they need from Debian is installed if root runs it, else named
	.ci/tools
	go test -race -timeout 20m ./...
	go test -race -timeout 10m -tags portable ./edge/...

check: lint build ## the quick round before a commit: no integration tests
	go test -race -timeout 20m $$(go list ./... | grep -v /integration_test)

lint:
	@test -z "$$(gofmt -l .)" || { echo "not formatted (gofmt -w .):"; gofmt -l .; exit 1; }
	go vet ./... && go run $(STATICCHECK) ./...

demo: build ## the accident and its repair, on loopback
	./bin/edge demo

fuzz: ## every fuzz target for FUZZTIME each
	FUZZTIME=$(FUZZTIME) .ci/fuzz

bench: ## this beside nginx, haproxy and Caddy; about twenty minutes, on a machine with nothing else to do
	.ci/tools
	go build -o bin/ ./bench
	./bin/bench -json bin/bench.json $(BENCHFLAGS)

bench-quick: ## the same in three minutes, less exact and without Caddy
	.ci/tools
	go build -o bin/ ./bench
	./bin/bench -duration 1s -rounds 2 -against edge,nginx,haproxy $(BENCHFLAGS)

torture: ## the torture tests at the sizes their issues name; about half an hour
	HOLDFAST_TORTURE=full go test -count=1 -p 1 -timeout 180m -v ./accesslog ./replay ./integration_test/...
	HOLDFAST_TLS=1 go test -count=1 -p 1 -timeout 60m -v ./integration_test/dataplane ./integration_test/desync
	HOLDFAST_TAGS=portable go test -count=1 -p 1 -timeout 60m -v ./integration_test/dataplane ./integration_test/desync ./integration_test/recovery

install-tools: ## the programs the integration tests drive; needs root
	.ci/tools install

pgo: ## the profile that the compiler is given, from requests through the whole edge; on a machine with nothing else to do
	go test -run '^$$' -bench Forward -benchtime 10s -cpuprofile cmd/edge/default.pgo -o /dev/null ./edge
