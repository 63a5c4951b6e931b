#!/usr/bin/env bash
# The Collector of deploy/gateway/builder-routing.yml, built from its Go modules: some minutes with both cores, once. It is kept outside of
# the clone; prints its path. Without Go (1.25 or newer) it says so in one line.
set -euo pipefail

release=v0.149.0 # as in builder-routing.yml
kept="${OTEL_LLM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-llm/tools}"
binary="$kept/otelcol-gateway-$release/otelcol-gateway"
here="$(cd "$(dirname "$0")/.." && pwd)"

if [ ! -x "$binary" ]; then
  if ! command -v go >/dev/null; then
    echo "$binary is not there, and there is no Go (1.25 or newer) to build it with" >&2
    exit 1
  fi
  mkdir -p "$(dirname "$binary")"
  exec 9>"$kept/.lock-otelcol"
  flock 9 # another run may be building it
fi
if [ ! -x "$binary" ]; then
  building="$(mktemp -d "$kept/.building.XXXXXX")"
  trap 'rm -rf "$building"' EXIT
  cp "$here/deploy/gateway/builder-routing.yml" "$building/builder.yml"
  export GOFLAGS=-buildvcs=false CGO_ENABLED=0
  (cd "$building" && go run "go.opentelemetry.io/collector/cmd/builder@$release" --config builder.yml) >&2
  mv "$building/build/otelcol-gateway" "$binary"
fi
echo "$binary"
