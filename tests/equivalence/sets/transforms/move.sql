-- The rows go to the new tables; the old ones stay, empty, so that a statement that still reads them shows.
INSERT INTO data.instruments (code, label, sector, share_count, inactive, listed)
  SELECT code, name, sector, shares, NOT active, listed FROM public.stocks;
INSERT INTO data.quotes (id, code, date, cents, volume) SELECT id, code, date, close * 100, volume FROM public.prices;
SELECT setval('data.quotes_id_seq', last_value, is_called) FROM public.prices_id_seq;
INSERT INTO data.spans (id, code, hi, lo, pair) SELECT id, code, span / 10, span % 10, ARRAY[first, last] FROM public.spans;
INSERT INTO signals.scores (id, code, date, rank, weight, scores) SELECT id, code, date, rank, weight, scores::text FROM brain.results;
SELECT setval('signals.scores_id_seq', last_value, is_called) FROM brain.results_id_seq;
INSERT INTO data.flags (id, kind, note, quantity) SELECT id, kind, note, quantity FROM public.flags;
INSERT INTO data.legs (id, amount, leg, code) SELECT id, amount, leg, code FROM public.legs;
TRUNCATE public.stocks, public.prices, public.spans, brain.results, public.flags, public.legs;
ALTER TABLE public.plain SET SCHEMA data;
ANALYZE;
