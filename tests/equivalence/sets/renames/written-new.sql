-- Written with new names, for code that is ahead of the schema.
SELECT * FROM data.prices ORDER BY stock_code, date;
SELECT * FROM prices p JOIN stocks s USING (stock_code) ORDER BY p.id;
SELECT data.prices.stock_code, count(*) FROM data.prices GROUP BY 1 ORDER BY 1;
SELECT p.stock_code, s.name, i.foreign_net FROM prices p JOIN stocks s USING (stock_code) LEFT JOIN investor_flow i ON (i.stock_code, i.date) = (p.stock_code, p.date) ORDER BY p.id;
SELECT a, b, c, d, data.pairs.*, pairs::text FROM data.pairs ORDER BY id;
SELECT label, tag, code, labels.code FROM labels ORDER BY label;
SELECT order_book, order_book.order_book, order_book.side, data.order_book.note FROM order_book ORDER BY ordinal;
SELECT "Journal", "Journal"."The Text", "Journal".* FROM "Journal" ORDER BY id;
SELECT event_type, sum(points) FROM events GROUP BY ROLLUP (event_type) ORDER BY 1, 2;
WITH gone AS (DELETE FROM public.labels WHERE code > 1 RETURNING *) SELECT label FROM gone ORDER BY 1;
INSERT INTO "Journal" ("The Text", code, "order") VALUES ('n', '001001', 2), (DEFAULT, DEFAULT, 3) RETURNING *;
INSERT INTO prices AS p (stock_code, date, last_price) SELECT stock_code, '2023-01-02', 7 FROM stocks ON CONFLICT (stock_code, date) DO UPDATE SET last_price = p.last_price + excluded.last_price WHERE p.id > 2 RETURNING p.id, p.last_price;
UPDATE positions SET units = units + 1 FROM stocks WHERE stocks.stock_code = positions.code RETURNING positions.*;
UPDATE pairs SET a = b, b = a, (c, d) = (SELECT d, c) RETURNING *;
MERGE INTO labels l USING positions p ON l.tag = p.code WHEN MATCHED THEN UPDATE SET code = units WHEN NOT MATCHED THEN INSERT VALUES ('new' || p.id, p.code);
SELECT 'é삼성' FROM prices WHERE prices.close = 1;
INSERT INTO stocks (stock_code, name) VALUES ('001001', 'twice');
COPY data.prices (stock_code, last_price) TO STDOUT;
SELECT nextval('data.prices_id_seq'), pg_relation_size('data.order_book') > 0;
-- case: cursors and prepared statements
PREPARE p (text) AS SELECT * FROM prices WHERE stock_code = $1 ORDER BY id;
EXECUTE p ('001003');
DECLARE c CURSOR FOR SELECT * FROM "Journal" ORDER BY id FOR UPDATE;
FETCH 2 FROM c;
UPDATE "Journal" SET "The Text" = 'current' WHERE CURRENT OF c RETURNING *;
