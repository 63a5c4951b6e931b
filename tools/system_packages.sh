#!/usr/bin/env bash
# The programs that the tests need beside Python: looked for first, installed with apt where that is allowed, else named in one line.
# `system_packages.sh kill` is for `make kill`: packages that start no service.
set -euo pipefail

# program:Debian package
needed=(prometheus:prometheus prometheus-alertmanager:prometheus-alertmanager amtool:prometheus-alertmanager chromium:chromium tmux:tmux
        valgrind:valgrind cc:gcc redis-check-rdb:redis-tools docker-compose:docker-compose mkfs.btrfs:btrfs-progs unshare:util-linux)
# files of packages that bring no program
files=(/usr/include/stdlib.h:libc6-dev)
if [ "${1:-}" = kill ]; then
  needed=(redis-check-rdb:redis-tools uwsgi:uwsgi-core apache2:apache2-bin)
  files=(/usr/lib/uwsgi/plugins/python3_plugin.so:uwsgi-plugin-python3 /usr/lib/apache2/modules/mod_wsgi.so:libapache2-mod-wsgi-py3)
fi

missing=()
for pair in "${needed[@]}"; do
  command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
for pair in "${files[@]}"; do
  [ -e "${pair%%:*}" ] || missing+=("${pair##*:}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

command=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive "${command[@]}" -q
else
  echo "make ${1:-test} needs programs that are not here. Install them first: sudo ${command[*]}" >&2
  exit 1
fi
