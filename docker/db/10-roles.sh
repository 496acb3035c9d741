#!/bin/sh
# Runs once, when the data volume is made: two roles beside the superuser, who has nothing to do with the application.
# `onestep_owner` owns the database: migrations, backups, restores. `onestep` serves: it reads and writes rows.
set -eu
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
  --set=database="$POSTGRES_DB" <<'SQL'
-- Read by psql, which so has them in no argument.
\set owner_password `cat /run/secrets/db_owner_password`
\set password `cat /run/secrets/db_password`
CREATE ROLE onestep_owner LOGIN CREATEDB PASSWORD :'owner_password';
CREATE ROLE onestep LOGIN PASSWORD :'password';
ALTER DATABASE :"database" OWNER TO onestep_owner;
-- What everybody may do by default: connect, make temporary tables, use the schema.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO onestep;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO onestep;
ALTER DEFAULT PRIVILEGES FOR ROLE onestep_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO onestep;
ALTER DEFAULT PRIVILEGES FOR ROLE onestep_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO onestep;
SQL
# From the next start on the socket asks for a password too; until then only the server's own user passes (peer).
sed -i 's/^\(local .*\)peer$/\1scram-sha-256/' "$PGDATA/pg_hba.conf"
