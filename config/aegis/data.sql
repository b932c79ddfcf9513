-- AEGIS v10, sample data: 400 stocks, 250 trading days, 100,000 prices. The same
-- rows on every machine: no random(), no now().
BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL timezone = 'Asia/Seoul';

INSERT INTO public.stocks (code, name, market, sector, listed_on, shares, active, updated_at)
SELECT code, name, market, sector, listed_on, shares, true, '2023-12-29 18:00'
FROM (VALUES
  ('005930', '삼성전자',           'KOSPI',  '반도체',   '1975-06-11'::date, 5969782550),
  ('000660', 'SK하이닉스',         'KOSPI',  '반도체',   '1996-12-26', 728002365),
  ('373220', 'LG에너지솔루션',     'KOSPI',  '이차전지', '2022-01-27', 234000000),
  ('207940', '삼성바이오로직스',   'KOSPI',  '바이오',   '2016-11-10', 71174000),
  ('005380', '현대차',             'KOSPI',  '자동차',   '1974-06-28', 211531506),
  ('000270', '기아',               'KOSPI',  '자동차',   '1973-07-21', 402044203),
  ('005490', 'POSCO홀딩스',        'KOSPI',  '철강',     '1988-06-10', 84571230),
  ('035420', 'NAVER',              'KOSPI',  '인터넷',   '2008-11-28', 162408594),
  ('035720', '카카오',             'KOSPI',  '인터넷',   '2017-07-10', 444548484),
  ('051910', 'LG화학',             'KOSPI',  '화학',     '2001-04-25', 70592343),
  ('006400', '삼성SDI',            'KOSPI',  '이차전지', '1979-02-27', 68764530),
  ('068270', '셀트리온',           'KOSPI',  '바이오',   '2018-02-09', 146402770),
  ('105560', 'KB금융',             'KOSPI',  '은행',     '2008-10-10', 403511072),
  ('055550', '신한지주',           'KOSPI',  '은행',     '2001-09-10', 512759471),
  ('012330', '현대모비스',         'KOSPI',  '자동차',   '1989-09-05', 93620000),
  ('028260', '삼성물산',           'KOSPI',  '건설',     '2014-12-18', 185591184),
  ('066570', 'LG전자',             'KOSPI',  '전자',     '2002-04-22', 163647814),
  ('096770', 'SK이노베이션',       'KOSPI',  '정유',     '2007-07-25', 101289000),
  ('015760', '한국전력',           'KOSPI',  '전력',     '1989-08-10', 641964077),
  ('017670', 'SK텔레콤',           'KOSPI',  '통신',     '1989-11-07', 218833144),
  ('030200', 'KT',                 'KOSPI',  '통신',     '1998-12-23', 257860760),
  ('033780', 'KT&G',               'KOSPI',  '식품',     '1999-10-08', 133822497),
  ('009150', '삼성전기',           'KOSPI',  '전자',     '1979-02-27', 74693696),
  ('032830', '삼성생명',           'KOSPI',  '보험',     '2010-05-12', 200000000),
  ('011200', 'HMM',                'KOSPI',  '해운',     '1995-10-05', 689039496),
  ('259960', '크래프톤',           'KOSPI',  '게임',     '2021-08-10', 48367518),
  ('036570', '엔씨소프트',         'KOSPI',  '게임',     '2003-05-22', 21954022),
  ('247540', '에코프로비엠',       'KOSDAQ', '이차전지', '2019-03-05', 97801344),
  ('086520', '에코프로',           'KOSDAQ', '이차전지', '2007-07-20', 26627668),
  ('066970', '엘앤에프',           'KOSDAQ', '이차전지', '2003-01-03', 36249000),
  ('028300', 'HLB',                'KOSDAQ', '바이오',   '1996-07-31', 127000000),
  ('035760', 'CJ ENM',             'KOSDAQ', '미디어',   '1999-11-19', 21929000),
  ('293490', '카카오게임즈',       'KOSDAQ', '게임',     '2020-09-10', 82000000),
  ('263750', '펄어비스',           'KOSDAQ', '게임',     '2017-09-14', 64247000),
  ('041510', '에스엠',             'KOSDAQ', '미디어',   '2000-04-27', 23834000),
  ('035900', 'JYP Ent.',           'KOSDAQ', '미디어',   '2001-08-30', 35532000),
  ('112040', '위메이드',           'KOSDAQ', '게임',     '2009-12-18', 33800000),
  ('145020', '휴젤',               'KOSDAQ', '바이오',   '2015-12-24', 12385000),
  ('196170', '알테오젠',           'KOSDAQ', '바이오',   '2014-12-12', 52000000),
  ('214150', '클래시스',           'KOSDAQ', '의료기기', '2017-12-28', 64780000)
) AS well_known (code, name, market, sector, listed_on, shares);

-- 360 more, with made-up names.
INSERT INTO public.stocks (code, name, market, sector, listed_on, shares, active, updated_at)
SELECT to_char(g * 1170 + 1040, 'FM000000'),
       (ARRAY['대한','한국','동양','신세','태평','고려','미래','세종','백두','한라',
              '서울','부산','제일','우리','금강','남해','동해','청룡'])[1 + g % 18]
       || (ARRAY['전자','화학','제약','건설','증권','철강','식품','물산','통신','기계',
                 '섬유','해운','항공','제지','유리','산업','정밀','에너지','소재','바이오'])[1 + (g / 18) % 20],
       CASE WHEN g % 5 < 3 THEN 'KOSDAQ' ELSE 'KOSPI' END,
       (ARRAY['반도체','이차전지','바이오','자동차','철강','인터넷','화학','은행','건설','식품'])[1 + g * 7 % 10],
       '1990-01-04'::date + (g * 31),
       1000000::bigint * (5 + g * 37 % 300),
       g % 60 <> 0,
       '2023-12-29 18:00'
FROM generate_series(0, 359) AS g;

-- Weekdays from 2 January 2023 on; each stock swings around its own level.
CREATE TEMP TABLE days ON COMMIT DROP AS
SELECT day::date AS date, row_number() OVER (ORDER BY day)::int AS n
FROM generate_series('2023-01-02'::date, '2023-12-15'::date, '1 day') AS day
WHERE extract(isodow FROM day) < 6;

CREATE TEMP TABLE levels ON COMMIT DROP AS
SELECT code, (row_number() OVER (ORDER BY code))::int AS k,
       CASE code WHEN '005930' THEN 68000 WHEN '000660' THEN 118000 WHEN '035420' THEN 204000
       ELSE 1000 * (3 + (row_number() OVER (ORDER BY code)) * 7919 % 250) END AS level
FROM public.stocks;

INSERT INTO public.prices (code, date, open, high, low, close, volume, created_at)
SELECT code, date, prev, greatest(prev, last) + tick, least(prev, last) - tick, last,
       10000 + (k * 7919::bigint + n * 104729::bigint) % 900000, (date + time '18:00') AT TIME ZONE 'Asia/Seoul'
FROM (SELECT code, date, k, n, (level / 200)::numeric AS tick,
             round((level * (1 + 0.15 * sin((n + k) / 17.0) + 0.02 * sin(n * (k % 7 + 1))))::numeric, -1) AS last,
             round((level * (1 + 0.15 * sin((n - 1 + k) / 17.0) + 0.02 * sin((n - 1) * (k % 7 + 1))))::numeric, -1) AS prev
      FROM levels CROSS JOIN days) AS walk
ORDER BY code, date;

INSERT INTO public.fundamentals (code, quarter_end, per, pbr, eps, roe, debt_ratio, revenue, operating_profit, raw, created_at)
SELECT code, quarter::date, 4 + (k * 13 + q) % 40, 0.3 + (k * 7 + q) % 50 / 10.0, level / 10 + q * 25, (k * 3 + q) % 30 - 4,
       20 + (k * 11) % 200, 1000000::bigint * (50 + k * 17 % 900), 1000000::bigint * (k * 5 % 90 - 10),
       jsonb_build_object('source', 'DART', 'quarter', q), quarter + interval '45 days'
FROM levels, LATERAL (VALUES (1, timestamptz '2023-03-31'), (2, '2023-06-30'), (3, '2023-09-30')) AS quarters (q, quarter)
ORDER BY code, quarter;

INSERT INTO public.investor (code, date, foreigner, institution, individual, priority, created_at)
SELECT code, date, net, inst, -net - inst, CASE WHEN k % 10 = 0 THEN 1 + n % 3 END, (date + time '18:10') AT TIME ZONE 'Asia/Seoul'
FROM (SELECT code, date, k, n, (k * 31 + n * 17) % 2000 - 1000 AS net, (k * 13 + n * 29) % 1400 - 700 AS inst
      FROM levels JOIN days ON n > 210) AS flows
ORDER BY code, date;

INSERT INTO brain.analysis_results (date, code, scores, created_at)
SELECT date, code,
       jsonb_build_object('momentum', (k * 7 + n) % 100 / 100.0, 'value', (k * 3 + n) % 100 / 100.0,
                          'quality', (k * 11) % 100 / 100.0, 'flow', (k + n * 5) % 100 / 100.0,
                          'event', CASE WHEN k % 9 = 0 THEN 0.5 END),
       (date + time '19:00') AT TIME ZONE 'Asia/Seoul'
FROM levels JOIN days ON n > 230
ORDER BY date, code;

INSERT INTO brain.stage_outputs (run_date, stage, code, rank, score, payload, created_at)
SELECT date, stage, code, rank, score, jsonb_build_object('stage', stage, 'passed', rank <= 50), (date + time '19:30') AT TIME ZONE 'Asia/Seoul'
FROM (SELECT date, code, (row_number() OVER (PARTITION BY date ORDER BY (k * 7 + n) % 100 DESC, code))::int AS rank,
             (k * 7 + n) % 100 / 100.0 AS score
      FROM levels JOIN days ON n > 240) AS ranking,
     (VALUES ('screen'), ('rank')) AS stages (stage)
WHERE rank <= 100
ORDER BY date, stage, rank;

INSERT INTO brain.ai_analysis_log (asked_at, code, model, tokens, answer)
SELECT timestamptz '2023-12-01 09:00' + g * interval '7 minutes', code, 'aegis-large', 400 + g * 17 % 900, name || ': 관망'
FROM generate_series(1, 300) AS g JOIN (SELECT code, name, row_number() OVER (ORDER BY code) AS k FROM public.stocks) AS s ON k = 1 + g % 400
ORDER BY g;

INSERT INTO execution.orders (code, side, quantity, limit_price, status, placed_at, note)
SELECT code, CASE WHEN g % 3 = 0 THEN 'SELL' ELSE 'BUY' END, 10 + g * 7 % 90, level,
       (ARRAY['FILLED','FILLED','FILLED','PARTIAL','CANCELLED','NEW'])[1 + g % 6],
       timestamptz '2023-10-02 09:00' + g * interval '41 minutes', CASE WHEN g % 50 = 0 THEN 'rebalancing of prices at open' END
FROM generate_series(1, 2000) AS g JOIN levels ON k = 1 + g * 13 % 400
ORDER BY g;

INSERT INTO execution.executions (order_id, quantity, price, fee, executed_at)
SELECT id, CASE status WHEN 'PARTIAL' THEN 5 ELSE quantity END, limit_price, round(limit_price * quantity * 0.00015, 2), placed_at + interval '90 seconds'
FROM execution.orders WHERE status IN ('FILLED', 'PARTIAL')
ORDER BY id;

INSERT INTO execution.positions (code, quantity, avg_price, realized, updated_at)
SELECT code, 50 + k % 70, level, k * 1000, '2023-12-15 18:00' FROM levels WHERE k % 10 = 0 ORDER BY code;

INSERT INTO portfolio.holdings (code, quantity, avg_price, opened_on, updated_at)
SELECT code, 50 + k % 70, level, '2023-03-02'::date + k % 180, '2023-12-15 18:00'
FROM levels WHERE k % 10 = 0 OR code IN ('005930', '000660', '035420') ORDER BY code;

INSERT INTO portfolio.balance_snapshots (date, cash, stocks, created_at)
SELECT date, 50000000 + n * 1000, 150000000 + n * 70000, (date + time '18:30') AT TIME ZONE 'Asia/Seoul' FROM days ORDER BY date;

INSERT INTO feedback.learning_data (date, code, features, label)
SELECT date, code, jsonb_build_array(k % 10, n % 10), (k + n) % 100 / 100.0 FROM levels JOIN days ON n > 245 AND k % 4 = 0 ORDER BY date, code;

INSERT INTO feedback.performance (date, strategy, trades, wins, profit, created_at)
SELECT date, strategy, 10 + n % 7, 4 + n % 5, (n % 21 - 8) * 125000, (date + time '20:00') AT TIME ZONE 'Asia/Seoul'
FROM days, (VALUES ('momentum'), ('value')) AS strategies (strategy) ORDER BY date, strategy;

INSERT INTO forecast.predictions (code, made_on, horizon_days, predicted_close, confidence)
SELECT code, date, 5, round((level * (1 + (n % 11 - 5) / 100.0))::numeric, 2), 0.5 + (k % 40) / 100.0
FROM levels JOIN days ON n > 240 AND k % 5 = 0 ORDER BY date, code;

INSERT INTO forecast.events (code, date, type, impact, source, detail, created_at)
SELECT code, date, (ARRAY['earnings','dividend','split','disclosure'])[1 + (k + n) % 4], (k * 3 + n) % 21 - 10, 'DART',
       jsonb_build_object('seq', k), (date + time '08:00') AT TIME ZONE 'Asia/Seoul'
FROM levels JOIN days ON n % 25 = 0 AND k % 4 = 0 ORDER BY date, code;

COMMIT;
ANALYZE public.stocks, public.prices, public.fundamentals, public.investor, brain.analysis_results,
  brain.stage_outputs, brain.ai_analysis_log, execution.orders, execution.executions,
  execution.positions, portfolio.holdings, portfolio.balance_snapshots, feedback.learning_data,
  feedback.performance, forecast.predictions, forecast.events;
