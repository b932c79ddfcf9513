-- The application as it was written for v10: run by psql, it answers the same
-- questions every day. demo.sh runs it before and after its tables have moved.
\echo closes of 005930
SELECT date, close FROM prices WHERE code = '005930' ORDER BY date DESC LIMIT 3;

\echo change since July, by market
WITH ends AS (SELECT code, min(date) AS first, max(date) AS last FROM prices WHERE date >= '2023-07-01' GROUP BY code)
SELECT stocks.market, to_char(avg(b.close / a.close - 1) * 100, 'S990.00') || ' %'
FROM stocks JOIN ends USING (code)
     JOIN public.prices a ON a.code = ends.code AND a.date = ends.first
     JOIN public.prices b ON b.code = ends.code AND b.date = ends.last
GROUP BY stocks.market ORDER BY 1;

\echo worth of the portfolio
SELECT to_char(sum(h.quantity * prices.close), 'FM999,999,999,990')
FROM portfolio.holdings h JOIN prices ON prices.code = h.code AND prices.date = (SELECT max(date) FROM prices);

\echo cheap and profitable
SELECT s.code, f.per, f.roe FROM stocks s JOIN fundamentals f USING (code)
WHERE f.quarter_end = '2023-09-30' AND s.active ORDER BY f.per / nullif(greatest(f.roe, 0), 0), s.code LIMIT 3;

\echo a corrected price
INSERT INTO prices (code, date, open, high, low, close) VALUES ('005930', '2023-12-18', 72000, 73500, 71800, 73300)
ON CONFLICT (code, date) DO UPDATE SET close = excluded.close RETURNING prices.date, close;
DELETE FROM prices USING stocks WHERE stocks.code = prices.code AND stocks.name = '삼성전자' AND date = '2023-12-18';

\echo export for the accountants
COPY (SELECT code, quarter_end, eps FROM fundamentals WHERE code = '000660' ORDER BY 2) TO STDOUT (FORMAT csv);
