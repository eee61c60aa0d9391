#!/bin/sh
# Creates the cluster once, then becomes the server.
# A cluster is initialised beside its final place and moved there whole: a kill in between leaves nothing half made.
set -eu

fail() {
  echo "howdah-postgres: $1" >&2
  exit 78
}

if [ -s "$PGDATA/PG_VERSION" ]; then
  found=$(cat "$PGDATA/PG_VERSION")
  [ "$found" = 15 ] || fail "$PGDATA holds a PostgreSQL $found cluster; this image runs 15. Migrate it with pg_upgrade first."
elif [ -d "$PGDATA" ] && [ -n "$(ls -A "$PGDATA")" ]; then
  fail "$PGDATA is neither empty nor a PostgreSQL cluster; nothing was changed. Move its contents away first."
else
  rm -rf "$PGDATA.init"
  mkdir -p "$(dirname "$PGDATA")"
  # C.UTF-8 orders text by code point, as SQLite's BINARY does, and does not change with the C library.
  initdb --pgdata="$PGDATA.init" --username=postgres --data-checksums --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=peer --auth-host=scram-sha-256
  [ ! -d "$PGDATA" ] || rmdir "$PGDATA"
  mv "$PGDATA.init" "$PGDATA"
fi

exec postgres -D "$PGDATA" "$@"
