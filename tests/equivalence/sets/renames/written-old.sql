-- Written with old names; tests/equivalence/README.md describes the format.
SELECT * FROM prices ORDER BY code, date;
SELECT * FROM prices p JOIN stocks s USING (code) ORDER BY p.id;
SELECT * FROM stocks NATURAL JOIN holdings ORDER BY code;
SELECT p.code, s.name, i.foreigner FROM prices p JOIN stocks s USING (code) LEFT JOIN investor i ON (i.code, i.date) = (p.code, p.date) ORDER BY p.id;
SELECT public.prices.code, count(*), sum(close) FROM public.prices GROUP BY 1 HAVING max(close) > 1 ORDER BY 1;
SELECT code, name, active, (SELECT max(close) FROM prices WHERE prices.code = stocks.code) FROM stocks GROUP BY code ORDER BY code;
SELECT a, b, c, d, pairs.*, pairs::text, row_to_json(pairs) FROM pairs ORDER BY id;
SELECT p.*::text, (p).a, p = p, p IS NULL FROM pairs p ORDER BY p.id;
SELECT x, y FROM pairs AS q (n, x, y) WHERE x <> y ORDER BY n;
SELECT tag, code, weight FROM tags t WHERE weight > 0.3 ORDER BY tag DESC LIMIT 3 OFFSET 1;
SELECT notes, notes.notes, notes.* FROM notes ORDER BY id;
SELECT "Order Book"."Side", "Order Book"."é", "select" FROM "Order Book" WHERE "select" > 3 ORDER BY "Order";
WITH tags AS (SELECT code FROM tags LIMIT 3) SELECT count(code) FROM tags;
WITH RECURSIVE t (n, code) AS (SELECT id, code FROM holdings WHERE id = 1 UNION ALL SELECT n + 1, h.code FROM t JOIN holdings h ON h.id = n + 1) SELECT * FROM t ORDER BY n;
WITH gone AS (DELETE FROM tags WHERE weight > 1 RETURNING *) SELECT tag, code, (SELECT count(*) FROM tags) FROM gone ORDER BY 1;
SELECT DISTINCT ON (code) code, date, close FROM prices ORDER BY code, date DESC;
SELECT code, close, sum(close) OVER w, lag(volume) OVER w FROM prices WINDOW w AS (PARTITION BY code ORDER BY date) ORDER BY code, date;
SELECT 1 FROM stocks WHERE EXISTS (SELECT FROM prices WHERE prices.code = stocks.code AND stocks.active) ORDER BY stocks.code FOR UPDATE OF stocks;
SELECT ctid IS NOT NULL, code FROM prices TABLESAMPLE system (100) ORDER BY id;
INSERT INTO notes (notes, stocks) VALUES ('n', '001001'), (DEFAULT, DEFAULT) RETURNING *;
INSERT INTO pairs VALUES (50, 1, 2, 'x') RETURNING *;
INSERT INTO pairs SELECT id + 60, b, a, d, c FROM pairs RETURNING id, a, d;
INSERT INTO prices AS p (code, date, close) SELECT code, '2023-01-02', 7 FROM stocks ON CONFLICT (code, date) DO UPDATE SET close = p.close + excluded.close WHERE p.id > 2 RETURNING p.id, p.close;
INSERT INTO tags VALUES ('tag1', 'x', 3) ON CONFLICT (tag) DO UPDATE SET (code, weight) = ROW (excluded.tag, tags.weight + excluded.weight) RETURNING *, tags::text;
UPDATE holdings SET quantity = quantity + 1 FROM stocks WHERE stocks.code = holdings.code RETURNING holdings.*;
UPDATE ONLY holdings SET (code, quantity) = (SELECT max(code), min(holdings.quantity) FROM prices) RETURNING *;
UPDATE pairs SET a = b, b = a, (c, d) = (d, c) WHERE a > 2 RETURNING *;
UPDATE stocks SET active = DEFAULT, shares = NULL FROM prices p WHERE p.code = stocks.code AND volume > 10 RETURNING stocks.code, stocks.active, volume IS NULL;
DELETE FROM events USING stocks WHERE events.id = 3 RETURNING events.*, events.type || 'x';
MERGE INTO pairs p USING holdings h ON p.id = h.id WHEN MATCHED AND p.a > 4 THEN DELETE WHEN MATCHED THEN UPDATE SET a = h.quantity, d = h.code WHEN NOT MATCHED THEN INSERT (id, b, c) VALUES (h.id, h.quantity, 'new');
SELECT 'é삼성', nosuch FROM prices;
SELECT 'é삼성' FROM prices WHERE prices.stock_code = 'x';
UPDATE pairs SET nosuch = 1;
INSERT INTO stocks (code, name) VALUES ('001001', 'twice');
INSERT INTO prices (code, date, close) VALUES ('none', '2023-01-01', 1);
INSERT INTO prices (code, date, close) VALUES ('001001', '2022-01-01', -1);
COPY prices (code, close) TO STDOUT;
COPY notes TO STDOUT;
COPY (SELECT * FROM notes ORDER BY 1) TO STDOUT CSV HEADER;
TABLE tags ORDER BY tag;
SELECT nextval('prices_id_seq'), nextval('public.notes_id_seq'), pg_relation_size('"Order Book"') > 0;
ANALYZE stocks (code, shares), prices (close);
SELECT s.to_jsonb, s.row_to_json FROM stocks s ORDER BY s.code;
SELECT public.stocks.to_jsonb FROM public.stocks ORDER BY code;
UPDATE pairs SET c = 'x' RETURNING xmlforest(a, b, pairs.c)::text, xmlelement(name a, xmlattributes(a, b AS z), c)::text;
UPDATE pairs SET c = (SELECT a FROM generate_series(a, b) a LIMIT 1)::text RETURNING c;
UPDATE pairs a SET c = (SELECT a FROM generate_series(a.b, 99) a LIMIT 1)::text RETURNING c;
UPDATE pairs SET c = (SELECT x.q FROM LATERAL (SELECT a AS q) x, (VALUES (5)) v(a))::text RETURNING c;
UPDATE pairs SET c = (SELECT x.q FROM (VALUES (5)) v(a), LATERAL (SELECT a AS q) x)::text RETURNING c;
UPDATE pairs SET c = (SELECT a FROM jsonb_to_record(jsonb_build_object('a', b)) AS x(a int)), d = (SELECT string_agg(key || a, ',' ORDER BY key) FROM jsonb_each_text(to_jsonb(pairs)) WHERE value > 'a') RETURNING c, d;
DELETE FROM prices USING other.prices WHERE other.prices.stock_code = 's1' AND other.prices.code = public.prices.code RETURNING *;
UPDATE prices SET close = other.prices.price FROM other.prices WHERE other.prices.code = public.prices.code RETURNING public.prices.code, close, price, stock_code;
DELETE FROM prices USING other.prices WHERE prices.code = 'x';
COPY BINARY pairs TO STDOUT;
COPY BINARY pairs (b, a) TO STDOUT (ENCODING 'utf8');
COPY stocks (code, code) TO STDOUT;
SELECT has_column_privilege('stocks', 'code', 'select'), has_column_privilege('postgres', 'public.stocks', 'shares', 'update'), pg_get_serial_sequence('notes', 'notes') IS NULL, pg_get_serial_sequence('prices', 'id') IS NULL;
SELECT has_column_privilege('stocks', 'nosuch', 'select');
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
UPDATE stocks SET name = 'current', shares = 3 WHERE CURRENT OF c RETURNING *;
CLOSE c;
-- case: objects made from a table
CREATE TEMP VIEW v AS SELECT prices.*, stocks.name FROM prices JOIN stocks USING (code);
SELECT * FROM v ORDER BY id;
CREATE TEMP TABLE t AS SELECT * FROM investor;
SELECT code, foreigner FROM t ORDER BY code, date;
TRUNCATE tags;
SELECT count(*) FROM tags;
-- case: an index and a comment
CREATE INDEX ON investor (foreigner, code) WHERE institution > 0;
COMMENT ON COLUMN investor.foreigner IS 'net';
SELECT count(*) FROM investor;
-- case: tables like them
CREATE TEMP TABLE made (LIKE stocks INCLUDING DEFAULTS);
INSERT INTO made (code, name) VALUES ('a', 'b');
SELECT * FROM made;
INSERT INTO made (code) VALUES ('a');
-- case: foreign keys to them
CREATE TABLE made (code varchar(10) REFERENCES stocks (code) ON UPDATE CASCADE, c2 varchar(10) REFERENCES stocks, date date, FOREIGN KEY (code, date) REFERENCES prices (code, date));
INSERT INTO made VALUES ('001001', 'nosuch', NULL);
-- case: columns that are added
ALTER TABLE holdings ADD COLUMN parent integer REFERENCES holdings (id);
UPDATE holdings SET parent = quantity, quantity = 7 WHERE id = 1 RETURNING *;
INSERT INTO holdings VALUES (100, 'x', 1, 77);
-- case: columns that COPY names
COPY investor (code, date, foreigner) FROM STDIN WITH (FORMAT csv, FORCE_NULL (foreigner, code)) WHERE foreigner > 3 OR investor.code = 'x';
-- stdin
-- x,2024-01-01,""
-- y,2024-01-01,3
SELECT * FROM investor ORDER BY code DESC LIMIT 2;
