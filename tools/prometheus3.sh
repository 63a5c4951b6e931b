#!/usr/bin/env bash
# Prometheus 3, promtool, Alertmanager and amtool of the versions in docker-compose.yml, built from their Go modules: minutes with both
# cores, once. They are kept outside of the clone; prints the directory. Without Go (1.25 or newer) it says so in one line.
set -euo pipefail

prometheus=v0.316.0 # Prometheus 3.16
alertmanager=v0.35.0
kept="${OTEL_LLM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-llm/tools}"
bin="$kept/prometheus-$prometheus-alertmanager-$alertmanager"

whole() {
  for name in prometheus promtool alertmanager amtool; do
    [ -x "$bin/$name" ] || return 1
  done
}

if ! whole; then
  if ! command -v go >/dev/null; then
    echo "Prometheus 3 is not in $bin, and there is no Go (1.25 or newer) to build it with" >&2
    exit 1
  fi
  mkdir -p "$bin"
  exec 9>"$kept/.lock"
  flock 9 # another run may be building it
fi
if ! whole; then
  building="$(mktemp -d "$kept/.building.XXXXXX")"
  trap 'rm -rf "$building"' EXIT
  export GOBIN="$building" GOFLAGS=-buildvcs=false CGO_ENABLED=0
  # without the clients of the clouds' discovery services, which are most of what there is to build
  go install -trimpath -tags remove_all_sd -ldflags "-s -w" \
    "github.com/prometheus/prometheus/cmd/prometheus@$prometheus" "github.com/prometheus/prometheus/cmd/promtool@$prometheus" >&2
  # its module does not hold the built page of its web interface, which embedding asks for: an empty one
  go mod download "github.com/prometheus/alertmanager@$alertmanager" >&2
  cp -r "$(go env GOMODCACHE)/github.com/prometheus/alertmanager@$alertmanager" "$building/source"
  chmod -R u+w "$building/source"
  mkdir -p "$building/source/ui/app/dist"
  touch "$building/source/ui/app/dist/index.html"
  (cd "$building/source" && go install -trimpath -ldflags "-s -w" ./cmd/alertmanager ./cmd/amtool) >&2
  rm -rf "$building/source"
  ln -s alertmanager "$building/prometheus-alertmanager" # as Debian calls it
  mv "$building"/* "$bin"
fi
echo "$bin"
