#!/bin/sh
# Writes dump.sql.gz: a database as the last commit of the former chain of migrations left it, with
# data of all rooms. It was made once, by
#
#   git worktree add /tmp/former 9b95880 && (cd /tmp/former && npm ci)
#   sh test/database/former/make_dump.sh /tmp/former postgres://postgres@localhost:5432/former
#
# on an empty database of PostgreSQL 15, so that 15 to 18 can read it.
set -eu
former=$1
url=$2
here=$(cd "$(dirname "$0")" && pwd)
echo "import { migrate } from '$former/src/migrate.ts'; await migrate('$url');" |
  node --input-type=module-typescript -
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --output /dev/null --file "$here/fill.sql" "$url"
# Statements and no COPY, so that a driver can run it; without psql's own commands.
pg_dump --inserts --rows-per-insert 100 "$url" | grep -v '^\\\(un\)\?restrict' |
  gzip -9n >"$here/dump.sql.gz"
