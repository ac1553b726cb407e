#!/bin/bash
# Entry point of the postgres image, with the contract of Docker Hub's:
# POSTGRES_PASSWORD (or POSTGRES_HOST_AUTH_METHOD=trust), POSTGRES_USER,
# POSTGRES_DB, POSTGRES_INITDB_ARGS, each also as NAME_FILE; PGDATA;
# /docker-entrypoint-initdb.d/*.{sh,sql,sql.gz} run once, on an empty folder.
set -Eeo pipefail

from_file() {   # NAME [default]: the variable, or the content of the file it names
  local file=$1_FILE
  if [ -n "${!1:-}" ] && [ -n "${!file:-}" ]; then
    echo >&2 "error: both $1 and $file are set (but are exclusive)"; exit 1
  fi
  local value=${!1:-}
  [ -z "${!file:-}" ] || value=$(<"${!file}")
  export "$1=${value:-${2:-}}"
  unset "$file"
}

need_password() {
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
    cat >&2 <<'T'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".
T
    exit 1
  fi
}

create() {
  # initdb looks its user up: one that the cluster made up gets a name
  local name_of_user=()
  if ! getent passwd "$(id -u)" >/dev/null; then
    echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" >/tmp/passwd
    echo "postgres:x:$(id -g):" >/tmp/group
    name_of_user=(env LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group)
  fi
  # --no-sync: it starts in a second; a pod's own disk does not outlive it
  eval '"${name_of_user[@]}" initdb --no-sync --username="$POSTGRES_USER" \
    --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS" '"$@"'
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}" \
    >>"$PGDATA/pg_hba.conf"
}

query() { PGHOST= PGHOSTADDR= psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc "$@"; }

fill() {   # on a server that only this script can reach
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -w start -o "-c listen_addresses='' -c fsync=off -p 5432" >/dev/null
  if [ "$POSTGRES_DB" != postgres ]; then
    query --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        if [ -x "$file" ]; then
          echo "$0: running $file"; "$file"
        else
          echo "$0: sourcing $file"; . "$file"
        fi ;;
      *.sql) echo "$0: running $file"; query --dbname "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) echo "$0: running $file"; gunzip -c "$file" | query --dbname "$POSTGRES_DB" ;;
      */\*) ;;
      *) echo "$0: ignoring $file" ;;
    esac
  done
  PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
[ "${1:-}" = postgres ] || exec "$@"
for option in "$@"; do
  case $option in '-?' | --help | --describe-config | -V | --version) exec "$@" ;; esac
done

mkdir -p "$PGDATA"
if [ "$(id -u)" = 0 ]; then
  mkdir -p /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  exec gosu postgres "$BASH_SOURCE" "$@"
fi
chmod 700 "$PGDATA" 2>/dev/null || true   # a mounted folder may be somebody else's

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS
  : "${POSTGRES_HOST_AUTH_METHOD:=}"
  need_password
  create
  PGPASSWORD=$POSTGRES_PASSWORD fill
  echo
  echo 'PostgreSQL init process complete; ready for start up.'
  echo
else
  echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
fi
exec "$@"
