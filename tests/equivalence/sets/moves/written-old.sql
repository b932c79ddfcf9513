-- Written with old names; tests/equivalence/README.md describes the format.
SELECT * FROM prices ORDER BY code, date;
SELECT public.prices.code, count(*) FROM public.prices GROUP BY 1 ORDER BY 1;
SELECT p.code, s.name, i.foreigner FROM prices p JOIN stocks s USING (code) LEFT JOIN investor i ON (i.code, i.date) = (p.code, p.date) ORDER BY p.id;
SELECT prices, archive.prices.reason FROM archive.prices, LATERAL (SELECT stocks.name AS prices FROM stocks WHERE stocks.code = archive.prices.code) x ORDER BY 2, 1;
SELECT public.prices.close, archive.prices.close FROM public.prices JOIN archive.prices ON public.prices.code = archive.prices.code ORDER BY 1, 2;
SELECT notes, notes.notes, notes.* FROM notes ORDER BY id;
SELECT "Order Book"."Side", "Order Book"."é" FROM "Order Book" WHERE "select" > 3 ORDER BY "Order";
SELECT left_leg.leg, right_leg.leg FROM left_leg FULL JOIN right_leg USING (id) ORDER BY id;
WITH prices AS (SELECT code FROM prices LIMIT 3) SELECT * FROM prices ORDER BY 1;
WITH RECURSIVE stocks(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM stocks WHERE n < 4) SELECT n, (SELECT count(*) FROM public.stocks) FROM stocks ORDER BY 1;
WITH gone AS (DELETE FROM tags WHERE weight > 1 RETURNING *) SELECT tag, (SELECT count(*) FROM tags) FROM gone ORDER BY 1;
SELECT 1 FROM stocks WHERE EXISTS (SELECT FROM prices WHERE prices.code = stocks.code AND stocks.active) ORDER BY stocks.code FOR UPDATE OF stocks;
INSERT INTO notes (notes, stocks) VALUES ('n', '001001'), (DEFAULT, DEFAULT) RETURNING *;
INSERT INTO prices AS p (code, date, close) SELECT code, '2023-01-02', 7 FROM stocks ON CONFLICT (code, date) DO UPDATE SET close = p.close + excluded.close WHERE p.id > 2 RETURNING p.id, p.close;
UPDATE holdings SET quantity = quantity + 1 FROM stocks WHERE stocks.code = holdings.code RETURNING holdings.*;
UPDATE ONLY holdings SET (code, quantity) = (SELECT max(code), min(holdings.quantity) FROM prices) RETURNING *;
DELETE FROM events USING stocks WHERE events.id = 3 RETURNING events;
MERGE INTO left_leg USING right_leg ON left_leg.id = right_leg.id WHEN MATCHED THEN UPDATE SET amount = right_leg.amount WHEN NOT MATCHED THEN INSERT VALUES (right_leg.id, 0, 'new');
SELECT 'é삼성', nosuch FROM prices;
SELECT 'é삼성' FROM prices WHERE prices.nosuch = 1;
INSERT INTO stocks (code, name) VALUES ('001001', 'twice');
INSERT INTO prices (code, date, close) VALUES ('none', '2023-01-01', 1);
INSERT INTO prices (code, date, close) VALUES ('001001', '2022-01-01', -1);
COPY prices (code, close) TO STDOUT;
COPY (SELECT * FROM notes ORDER BY 1) TO STDOUT CSV HEADER;
SELECT currval(pg_get_serial_sequence('prices', 'id')::regclass);
SELECT nextval('prices_id_seq'), nextval('public.notes_id_seq'), pg_relation_size('"Order Book"') > 0;
SELECT (NULL::prices).code, jsonb_populate_record(NULL::public.stocks, '{"code": "x"}');
TABLE tags;
SELECT"code"FROM"stocks"ORDER BY"code";
SELECT"stocks"."code"FROM"public"."stocks"ORDER BY 1;
SELECT 'pri'
'ces'::regclass IS NULL;
SELECT relkind FROM pg_class WHERE oid = regclass('public.stocks');
SELECT count(*) FROM pg_constraint WHERE conrelid::regclass = 'public.prices' AND conrelid::regclass IN ('prices', 'stocks') AND conrelid::regclass = ANY ('{prices}') AND conrelid::regclass <> ALL (ARRAY['stocks']);
SELECT relkind FROM pg_class WHERE oid = coalesce(to_regclass('nosuch'), 'public.stocks');
SELECT pg_partition_root('events_2022') = 'events'::regclass, count(*) FROM pg_partition_tree('events'), pg_partition_ancestors('public.events_2022');
SELECT pg_relation_is_publishable('public.stocks'), pg_get_replica_identity_index('prices') IS NULL;
SELECT public.prices.close FROM public.prices, archive.prices WHERE public.prices.code = archive.prices.code ORDER BY 1 FOR UPDATE OF prices;
-- case: a temporary table hides the table, until it is dropped
CREATE TEMP TABLE prices AS SELECT 1 AS one;
SELECT * FROM prices;
SELECT count(*) FROM public.prices;
DROP TABLE prices;
SELECT count(*) FROM prices;
-- case: search_path changes between texts and inside of one
SELECT reason FROM archive.prices ORDER BY 1;
SET LOCAL search_path = archive;
SELECT reason FROM prices ORDER BY 1;
-- text
SET LOCAL search_path = public; SELECT volume FROM prices ORDER BY 1; SET LOCAL search_path = other; SELECT price FROM prices ORDER BY 1
-- case: savepoints undo what hides a table
SAVEPOINT a;
CREATE TEMP TABLE stocks (x int);
SELECT * FROM stocks;
ROLLBACK TO a;
SELECT count(*) FROM stocks;
-- case: data goes in
COPY notes (notes, stocks, prices) FROM STDIN;
-- stdin
-- a	001001	1
-- b	001002	2
SELECT notes, twice FROM notes ORDER BY id;
-- case: cursors and prepared statements
PREPARE p (text) AS SELECT * FROM prices WHERE code = $1 ORDER BY id;
EXECUTE p ('001003');
DECLARE c CURSOR FOR SELECT * FROM stocks ORDER BY code FOR UPDATE;
FETCH 2 FROM c;
UPDATE stocks SET name = 'current' WHERE CURRENT OF c RETURNING *;
CLOSE c;
-- case: objects made from a table
CREATE TEMP VIEW v AS SELECT prices.*, stocks.name FROM prices JOIN stocks USING (code);
SELECT count(*) FROM v;
CREATE TEMP TABLE t (LIKE notes INCLUDING ALL);
INSERT INTO t (notes) VALUES ('x') RETURNING *;
TRUNCATE tags;
SELECT count(*) FROM tags;
-- case: an index that the transaction has made
CREATE INDEX made ON prices (close);
ALTER INDEX made SET (fillfactor = 60);
ALTER INDEX public.made SET (fillfactor = 50);
COMMENT ON INDEX made IS 'x';
REINDEX INDEX public.made;
DROP INDEX made;
DROP INDEX IF EXISTS public.made;
-- case: a table goes with its schema when that is renamed
CREATE SCHEMA nn;
CREATE TABLE nn.stocks (c int);
SET LOCAL search_path = mm, public;
SELECT count(stocks.code) FROM stocks;
ALTER SCHEMA nn RENAME TO mm;
SELECT count(stocks.c) FROM stocks;
