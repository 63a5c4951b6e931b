# Two commands for newcomers: `make demo` (the main job, embedded) and `make test` (everything). Each sets up its own environment.
PYTHON ?= python3
VENV := .venv-test
DEMO := .venv-demo
BIN := $(VENV)/bin
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test system lint unit covered matrix engines fuzz prometheus3 printed kill docs generate bench package clean gateway-senders gateway-collector gateway-kills

demo: $(DEMO)/.stamp
	$(DEMO)/bin/otel-llm demo $(ARGS)

test: system lint docs package covered matrix printed

# What the tests need beside Python, before anything else takes its time.
system:
	tools/system_packages.sh

lint: $(VENV)/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/otel-llm generate --check

unit: $(VENV)/.stamp
	$(BIN)/python -m pytest -n 4 $(ARGS)

# All tests once, and the floors of coverage.
covered: $(VENV)/.stamp
	$(BIN)/python -m pytest -n 4 --cover
	$(BIN)/python tests/covered.py

# The oldest client libraries that are supported, under the same contract.
matrix: $(VENV)/.stamp
	$(BIN)/python tests/matrix.py $(ARGS)

# Everything about rules, alerts, routes and boards again, on Prometheus 3 and Alertmanager 0.35 instead of Debian's, and agents
# that push their metrics to it: about ten minutes.
prometheus3: $(VENV)/.stamp
	PATH="$$(tools/prometheus3.sh):$$PATH" $(BIN)/python -m pytest -q tests/ops tests/ops/on_prometheus3.py tests/ops/on_prometheus3_native.py tests/exposition/test_exposition_prometheus.py
	PATH="$$(tools/prometheus3.sh):$$PATH" $(BIN)/python tests/matrix.py runs-agents-outlets runs-own-spans-outlets runs-hooks-outlets runs-kernels-outlets

# Every shell block of README and docs as printed, in an environment that has what its page installs.
printed: $(VENV)/.stamp
	$(BIN)/python tests/printed.py $(ARGS)

# Engines that run in the process, as they are: 6 GB of packages, and llama.cpp built from its source.
engines: $(VENV)/.stamp
	$(BIN)/python tests/matrix.py engines-transformers engines-llama-cpp engines-vllm

# The fuzz of the wire formats for longer: 1000 changed replies for each way of asking, about 20 minutes.
fuzz: $(VENV)/.stamp
	$(BIN)/python -m pytest -q tests/contract/test_contract_fuzz.py --rounds 1000 --timeout 3600

# For nightly runs: 2,000 kills over all servers and queues, nothing lost. It installs Redis, uWSGI and mod_wsgi with apt.
kill: $(VENV)/.stamp
	tools/system_packages.sh kill
	$(BIN)/python tests/kill.py $(ARGS)

docs: $(VENV)/.stamp
	$(BIN)/mkdocs build --strict --quiet

generate: $(VENV)/.stamp
	$(BIN)/otel-llm generate

bench: $(VENV)/.stamp
	$(BIN)/python -m benchmarks.run $(ARGS)

# What would be published: built, checked, installed into a fresh environment without extras, and used there.
package: $(VENV)/.stamp
	$(BIN)/python tests/package.py

$(VENV)/.stamp: pyproject.toml
	@echo "Installing what the tests need into $(VENV), once: some minutes, over the network."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --group dev -e '.[cli,yaml,notify,otlp]'
	touch $@

$(DEMO)/.stamp: pyproject.toml
	@echo "Installing otel-llm with the openai and anthropic clients into $(DEMO), once: about a minute, over the network."
	@echo "Then a demo runs in this terminal: a service on this machine, six chapters of trouble, no keys. End it with q."
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install --quiet --upgrade pip
	$(DEMO)/bin/pip install --quiet -e '.[cli]' openai anthropic
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) .venv-matrix dist build site

gateway-senders: $(VENV)/.stamp ## real senders in Node, Go, Java and Python against the gateway; some minutes, caches outside of the clone
	$(BIN)/python -m pytest -q -p no:cacheprovider --timeout 1800 tests/gateway/senders/check_senders.py $(ARGS)

gateway-collector: $(VENV)/.stamp ## three gateways behind a real Collector, one killed and back; Go builds the Collector once, outside of the clone
	$(BIN)/python -m pytest -q -p no:cacheprovider --timeout 3600 tests/gateway/senders/check_collector.py $(ARGS)

gateway-kills: $(VENV)/.stamp ## a gateway that is killed a hundred times; about seven minutes
	GATEWAY_KILLS=100 $(BIN)/python -m pytest -q -p no:cacheprovider --timeout 3000 tests/gateway/test_gateway_restart.py -k killed
