-- Written with new names, for code that is ahead of the schema.
SELECT * FROM data.instruments ORDER BY code;
SELECT inactive, share_count, listed, label FROM instruments i WHERE NOT inactive AND listed > '2020-02-01' ORDER BY code;
SELECT *, quotes::text FROM quotes ORDER BY code, date;
SELECT code, cents, turnover / volume FROM quotes WHERE volume > 0 AND cents > 11000 ORDER BY code, date LIMIT 4;
SELECT hi, lo, pair, pair[1], data.spans.* FROM data.spans ORDER BY id;
SELECT scores::jsonb -> 'i', rank FROM scores ORDER BY id;
SELECT * FROM quotes NATURAL JOIN legs ORDER BY id;
WITH gone AS (DELETE FROM data.legs WHERE amount > 20 RETURNING *) SELECT * FROM gone ORDER BY id;
INSERT INTO instruments (code, label, inactive) VALUES ('x', 'X', true), ('y', 'Y', DEFAULT) RETURNING code, label, inactive, share_count;
INSERT INTO quotes (code, date, cents) VALUES ('x', '2024-01-01', 1234) RETURNING *;
INSERT INTO quotes AS q (code, date, cents, volume) VALUES ('001001', '2023-01-02', 700, 5) ON CONFLICT (code, date) DO UPDATE SET cents = q.cents + excluded.cents RETURNING cents, turnover;
UPDATE instruments SET inactive = NOT inactive RETURNING *;
UPDATE quotes SET cents = cents + 1, volume = NULL WHERE code < '001004' RETURNING *;
UPDATE quotes SET (cents, volume) = (SELECT max(amount), 3 FROM legs) RETURNING cents, volume, turnover;
MERGE INTO quotes q USING legs l ON q.id = l.id WHEN MATCHED THEN UPDATE SET cents = l.amount WHEN NOT MATCHED THEN INSERT (code, date, cents) VALUES (l.code, '2024-01-01', 3);
SELECT 'é', close FROM quotes;
COPY data.quotes TO STDOUT;
