-- Written with new names, for code that is ahead of the schema.
SELECT * FROM data.prices ORDER BY code, date;
SELECT data.prices.code, count(*) FROM data.prices GROUP BY 1 ORDER BY 1;
SELECT p.code, s.name, i.foreigner FROM prices p JOIN stocks s USING (code) LEFT JOIN investor_flow i ON (i.code, i.date) = (p.code, p.date) ORDER BY p.id;
SELECT data.prices.close, prices_archive.close FROM data.prices JOIN prices_archive ON data.prices.code = data.prices_archive.code ORDER BY 1, 2;
SELECT "Journal", "Journal".notes, "Journal".* FROM "Journal" ORDER BY id;
SELECT order_book."Side", data.order_book."é" FROM order_book WHERE "select" > 3 ORDER BY "Order";
SELECT left_leg.leg, right_leg.leg FROM left_leg FULL JOIN right_leg USING (id) ORDER BY id;
WITH prices AS (SELECT code FROM prices LIMIT 3) SELECT * FROM prices ORDER BY 1;
WITH gone AS (DELETE FROM public.labels WHERE weight > 1 RETURNING *) SELECT tag FROM gone ORDER BY 1;
INSERT INTO "Journal" (notes, stocks) VALUES ('n', '001001'), (DEFAULT, DEFAULT) RETURNING *;
INSERT INTO prices AS p (code, date, close) SELECT code, '2023-01-02', 7 FROM stocks ON CONFLICT (code, date) DO UPDATE SET close = p.close + excluded.close WHERE p.id > 2 RETURNING p.id, p.close;
UPDATE positions SET quantity = quantity + 1 FROM stocks WHERE stocks.code = positions.code RETURNING positions.*;
MERGE INTO left_leg USING right_leg ON left_leg.id = right_leg.id WHEN MATCHED THEN UPDATE SET amount = right_leg.amount WHEN NOT MATCHED THEN INSERT VALUES (right_leg.id, 0, 'new');
SELECT 'é삼성' FROM prices WHERE prices.nosuch = 1;
INSERT INTO stocks (code, name) VALUES ('001001', 'twice');
COPY data.prices (code, close) TO STDOUT;
SELECT nextval('data.prices_id_seq'), pg_relation_size('data.order_book') > 0;
-- case: a temporary table hides the table, until it is dropped
CREATE TEMP TABLE prices AS SELECT 1 AS one;
SELECT * FROM prices;
SELECT count(*) FROM data.prices;
DROP TABLE prices;
SELECT count(*) FROM prices;
-- case: cursors and prepared statements
PREPARE p (text) AS SELECT * FROM prices WHERE code = $1 ORDER BY id;
EXECUTE p ('001003');
DECLARE c CURSOR FOR SELECT * FROM "Journal" ORDER BY id FOR UPDATE;
FETCH 2 FROM c;
UPDATE "Journal" SET notes = 'current' WHERE CURRENT OF c RETURNING *;
