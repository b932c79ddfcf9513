-- The same application, rewritten for v13 ahead of its schema: new names only.
-- Through crossfade it works before the tables have moved as well as after.
\echo closes of 005930
SELECT date, close FROM data.prices WHERE code = '005930' ORDER BY date DESC LIMIT 3;

\echo change since July, by market
WITH ends AS (SELECT code, min(date) AS first, max(date) AS last FROM data.prices WHERE date >= '2023-07-01' GROUP BY code)
SELECT stocks.market, to_char(avg(b.close / a.close - 1) * 100, 'S990.00') || ' %'
FROM data.stocks JOIN ends USING (code)
     JOIN data.prices a ON a.code = ends.code AND a.date = ends.first
     JOIN data.prices b ON b.code = ends.code AND b.date = ends.last
GROUP BY stocks.market ORDER BY 1;

\echo worth of the portfolio
SELECT to_char(sum(h.quantity * prices.close), 'FM999,999,999,990')
FROM portfolio.holdings h JOIN data.prices ON prices.code = h.code AND prices.date = (SELECT max(date) FROM data.prices);

\echo cheap and profitable
SELECT s.code, f.per, f.roe FROM data.stocks s JOIN data.fundamentals f USING (code)
WHERE f.quarter_end = '2023-09-30' AND s.active ORDER BY f.per / nullif(greatest(f.roe, 0), 0), s.code LIMIT 3;

\echo a corrected price
INSERT INTO data.prices (code, date, open, high, low, close) VALUES ('005930', '2023-12-18', 72000, 73500, 71800, 73300)
ON CONFLICT (code, date) DO UPDATE SET close = excluded.close RETURNING prices.date, close;
DELETE FROM data.prices USING data.stocks WHERE stocks.code = prices.code AND stocks.name = '삼성전자' AND date = '2023-12-18';

\echo export for the accountants
COPY (SELECT code, quarter_end, eps FROM data.fundamentals WHERE code = '000660' ORDER BY 2) TO STDOUT (FORMAT csv);
