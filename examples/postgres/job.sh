#!/bin/sh
# Both services listen before this begins: loads 100,000 rows, asks for sums, keeps the answer in Redis and in the result.
set -eu
export PGHOST=db PGUSER=postgres PGPASSWORD="$POSTGRES_PASSWORD"
psql -q -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE customers (id int PRIMARY KEY, region text NOT NULL);
INSERT INTO customers SELECT i, (ARRAY['north','east','south','west'])[1 + i % 4] FROM generate_series(0, 999) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, cents int NOT NULL);
SQL
seq 0 99999 | awk '{ print $1 "," $1 % 1000 "," ($1 * 7919) % 10007 }' | psql -q -v ON_ERROR_STOP=1 -c "COPY orders FROM STDIN CSV"
redis-cli -h cache PING
psql -q -v ON_ERROR_STOP=1 --csv -o /out/by-region.csv \
    -c "SELECT region, count(*) AS orders, sum(cents) AS cents FROM orders JOIN customers c ON c.id = customer GROUP BY region ORDER BY region"
redis-cli -h cache -x SET by-region < /out/by-region.csv
redis-cli -h cache --raw GET by-region
