-- Written with old names; tests/equivalence/README.md describes the format.
SELECT * FROM stocks ORDER BY code;
SELECT *, prices.* FROM prices ORDER BY code, date;
SELECT active, count(*), sum(shares) FROM stocks GROUP BY active ORDER BY 1;
SELECT s.code, p.close, first || last FROM stocks s JOIN prices p USING (code) LEFT JOIN spans ON spans.code = s.code WHERE active AND close > 110 ORDER BY p.id;
SELECT row_to_json(spans), spans::text, (spans).first, spans.*::text FROM spans ORDER BY id;
SELECT scores -> 'i', scores ->> 'stocks', rank, weight FROM results WHERE scores @> '{"i": 3}' ORDER BY id;
SELECT * FROM (SELECT * FROM flags f WHERE twice > 4) x NATURAL JOIN legs ORDER BY id;
SELECT kind, note, twice, quantity FROM ONLY public.flags ORDER BY id FOR UPDATE;
SELECT DISTINCT ON (code) code, date, close FROM prices ORDER BY code, date DESC;
SELECT code, sum(close) OVER (PARTITION BY code ORDER BY date) FROM prices ORDER BY code, date LIMIT 5;
WITH p AS (SELECT code, max(close) AS top FROM prices GROUP BY code) SELECT stocks.*, top FROM stocks, p WHERE p.code = stocks.code AND EXISTS (SELECT FROM spans WHERE span > top) ORDER BY stocks.code;
WITH gone AS (DELETE FROM spans WHERE span > 0 RETURNING *) SELECT span, first, (SELECT count(*) FROM spans) FROM gone ORDER BY 1;
TABLE legs ORDER BY id;
SELECT s.code, name, active, listed, count(p.id), max(p.close) FROM stocks s LEFT JOIN prices p USING (code) GROUP BY s.code HAVING shares > 2000 ORDER BY s.shares;
SELECT p.*, s.name FROM prices p, stocks s WHERE s.code = p.code GROUP BY p.code, p.date, s.code ORDER BY p.id;
SELECT id, scores, (SELECT max(code) FROM legs WHERE legs.id = results.rank) FROM results GROUP BY 1 ORDER BY weight;
INSERT INTO stocks (code, name, active) VALUES ('x', 'X', false), ('y', 'Y', DEFAULT) RETURNING *;
INSERT INTO stocks VALUES ('z', 'Z', NULL, 3) RETURNING active, shares, listed;
INSERT INTO prices (code, date, close) SELECT code, date + 100, close * 2 FROM prices WHERE close > 120 RETURNING *;
INSERT INTO flags (id) VALUES (100) RETURNING kind, note, quantity, twice;
INSERT INTO flags (id, kind, quantity) VALUES (100, DEFAULT, 3), (101, 'k', DEFAULT) RETURNING id, kind, note, quantity, twice;
INSERT INTO spans (id, span, last) VALUES (100, -77, 'z') RETURNING *;
INSERT INTO results (date, code) VALUES ('2024-01-01', 'x') RETURNING *;
INSERT INTO prices AS p (code, date, close) VALUES ('001001', '2023-01-02', 7), ('new', '2023-01-02', 8) ON CONFLICT (code, date) DO UPDATE SET close = p.close + excluded.close, volume = 1 WHERE p.id < 200 RETURNING p.close, volume;
INSERT INTO results (date, code, scores) VALUES ('2023-01-02', '001001', '{"b": 1}') ON CONFLICT (date, code) DO UPDATE SET (scores, rank) = (SELECT results.scores || excluded.scores, 9) RETURNING scores, rank;
UPDATE stocks SET active = NOT active, shares = shares + 1 WHERE active RETURNING *;
UPDATE stocks SET (active, name, shares) = (false, upper(name), DEFAULT) WHERE code < '001004' RETURNING *;
UPDATE stocks SET (active, shares) = (SELECT close > 110, count(*) FROM prices WHERE prices.code = stocks.code GROUP BY close ORDER BY close LIMIT 1) RETURNING code, active, shares;
UPDATE spans SET first = last, last = first, span = span + id WHERE id < 5 RETURNING *;
UPDATE prices SET close = close * 1.1 FROM stocks s WHERE s.code = prices.code AND s.active RETURNING prices.*, s.name;
UPDATE results SET scores = scores || '{"k": [1]}', weight = weight * 2, rank = DEFAULT WHERE scores ->> 'i' < '4' RETURNING *;
UPDATE flags SET kind = DEFAULT, quantity = DEFAULT, note = DEFAULT RETURNING *;
DELETE FROM prices USING stocks s WHERE s.code = prices.code AND NOT s.active RETURNING prices.*, s.active;
MERGE INTO spans USING legs ON spans.id = legs.id WHEN MATCHED AND span > 0 THEN UPDATE SET span = legs.amount, first = leg WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, span, last) VALUES (legs.id, 3, leg);
MERGE INTO prices p USING legs l ON p.id = l.id + 13 WHEN MATCHED THEN UPDATE SET (close, volume) = (l.amount, l.id) WHEN NOT MATCHED THEN INSERT (code, date, close, volume) VALUES ('m' || l.id, '2023-01-01', l.amount / 2, DEFAULT);
UPDATE stocks SET active = 'maybe' WHERE code = 'x';
UPDATE prices SET close = -1;
UPDATE stocks SET name = 'é', active = nosuch;
SELECT 'é', close, nosuch FROM prices;
SELECT cents FROM prices;
INSERT INTO stocks (code, name, active) VALUES ('longer than ten', 'X', true);
INSERT INTO flags (id, kind) VALUES (100, repeat('x', 41));
INSERT INTO stocks (code, name, active) VALUES ('é', 'X', 'maybe');
COPY prices TO STDOUT;
COPY flags TO STDOUT;
COPY stocks (active, code) TO STDOUT (FORMAT csv, HEADER);
COPY (SELECT * FROM spans ORDER BY id) TO STDOUT;
-- case: data goes into columns that are there
COPY legs FROM STDIN;
-- stdin
-- 30	1.5	x	c
SELECT * FROM legs ORDER BY id;
-- case: cursors and prepared statements
PREPARE p (boolean) AS SELECT * FROM stocks WHERE active = $1 ORDER BY code;
EXECUTE p (false);
PREPARE i (numeric, text) AS INSERT INTO prices (code, date, close) VALUES ($2, '2024-01-01', $1) RETURNING close;
EXECUTE i (12.5, 'c');
DECLARE c CURSOR FOR SELECT * FROM spans ORDER BY id;
FETCH 3 FROM c;
CLOSE c;
-- case: what is written is read
CREATE TEMP TABLE t AS SELECT * FROM prices;
UPDATE prices SET close = 1 WHERE code = '001001';
SELECT t.close, p.close FROM t JOIN prices p USING (code, date) ORDER BY t.id;
-- case: the row that a cursor stands at
DECLARE c CURSOR FOR SELECT * FROM stocks ORDER BY code FOR UPDATE;
FETCH 2 FROM c;
UPDATE stocks SET active = NOT active WHERE CURRENT OF c RETURNING code, active;
DECLARE d CURSOR FOR SELECT id, first FROM spans;
FETCH 3 FROM d;
DELETE FROM spans WHERE CURRENT OF d RETURNING (spans).last, spans::text;
-- case: rows as values, samples and lists
SELECT count(DISTINCT p), max(p::text), bool_and(p = p) FROM prices p TABLESAMPLE bernoulli (100) REPEATABLE (2);
UPDATE spans s SET (last, span, first) = (SELECT s.first, max(rank), (s).last FROM results WHERE results.code = s.code) RETURNING s.*, to_jsonb(s);
DELETE FROM spans USING (SELECT spans.span AS top FROM spans ORDER BY 1 DESC LIMIT 1) x WHERE span = top RETURNING ROW(spans.*)::text, spans IS NULL;
-- case: a target and an inner table of one name
UPDATE stocks legs SET active = false WHERE EXISTS (SELECT FROM legs WHERE legs.code = '001001' AND active) AND legs.code < '001005' RETURNING legs.code, active;
SELECT code, active FROM stocks ORDER BY code;
