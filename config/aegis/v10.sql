-- AEGIS v10, the old layout: an equities system whose tables grew where they
-- were needed. The sample behind demo.sh and tests/aegis; any pair of schemas
-- can take its place. Load it into an empty database, then data.sql.

CREATE SCHEMA brain;
CREATE SCHEMA execution;
CREATE SCHEMA feedback;
CREATE SCHEMA forecast;
CREATE SCHEMA portfolio;

-- public: what the market says -----------------------------------------------

CREATE TABLE public.stocks (
  code        varchar(10) PRIMARY KEY,
  name        varchar(100) NOT NULL,
  market      varchar(10) NOT NULL CHECK (market IN ('KOSPI', 'KOSDAQ')),
  sector      varchar(50),
  listed_on   date,
  shares      bigint NOT NULL DEFAULT 0 CHECK (shares >= 0),
  active      boolean NOT NULL DEFAULT true,
  updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stocks_market_sector_idx ON public.stocks (market, sector);

CREATE TABLE public.prices (
  id          serial PRIMARY KEY,
  code        varchar(10) NOT NULL REFERENCES public.stocks (code) ON UPDATE CASCADE,
  date        date NOT NULL,
  open        numeric(12,2) NOT NULL,
  high        numeric(12,2) NOT NULL,
  low         numeric(12,2) NOT NULL,
  close       numeric(12,2) NOT NULL,
  volume      bigint NOT NULL DEFAULT 0,
  turnover    numeric(20,2) GENERATED ALWAYS AS (close * volume) STORED,
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (code, date),
  CHECK (high >= low)
);
CREATE INDEX prices_date_idx ON public.prices (date);

CREATE TABLE public.fundamentals (
  id                serial PRIMARY KEY,
  code              varchar(10) NOT NULL REFERENCES public.stocks (code) ON UPDATE CASCADE,
  quarter_end       date NOT NULL,
  per               numeric(10,2),
  pbr               numeric(10,2),
  eps               numeric(14,2),
  roe               numeric(8,2),
  debt_ratio        numeric(8,2),
  revenue           bigint,
  operating_profit  bigint,
  raw               jsonb NOT NULL DEFAULT '{}',
  created_at        timestamptz NOT NULL DEFAULT now(),
  UNIQUE (code, quarter_end)
);

CREATE TABLE public.investor (
  id           serial PRIMARY KEY,
  code         varchar(10) NOT NULL REFERENCES public.stocks (code) ON UPDATE CASCADE,
  date         date NOT NULL,
  foreigner    bigint NOT NULL DEFAULT 0,
  institution  bigint NOT NULL DEFAULT 0,
  individual   bigint NOT NULL DEFAULT 0,
  priority     smallint,
  created_at   timestamptz NOT NULL DEFAULT now(),
  UNIQUE (code, date)
);
CREATE INDEX investor_date_idx ON public.investor (date);

-- brain: what the models make of it ------------------------------------------

CREATE TABLE brain.analysis_results (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  code        varchar(10) NOT NULL,
  scores      jsonb NOT NULL DEFAULT '{}',
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, code)
);

CREATE TABLE brain.stage_outputs (
  id          serial PRIMARY KEY,
  run_date    date NOT NULL,
  stage       varchar(20) NOT NULL,
  code        varchar(10) NOT NULL,
  rank        integer,
  score       numeric(8,4),
  payload     jsonb,
  created_at  timestamptz DEFAULT now()
);
CREATE INDEX stage_outputs_run_date_stage_idx ON brain.stage_outputs (run_date, stage);

CREATE TABLE brain.ai_analysis_log (
  id          bigserial PRIMARY KEY,
  asked_at    timestamptz NOT NULL DEFAULT now(),
  code        varchar(10),
  model       varchar(40) NOT NULL,
  tokens      integer,
  answer      text
);

-- execution: what was bought and sold ----------------------------------------

CREATE TABLE execution.orders (
  id           bigserial PRIMARY KEY,
  code         varchar(10) NOT NULL REFERENCES public.stocks (code) ON UPDATE CASCADE,
  side         varchar(4) NOT NULL CHECK (side IN ('BUY', 'SELL')),
  quantity     integer NOT NULL CHECK (quantity > 0),
  limit_price  numeric(12,2),
  status       varchar(12) NOT NULL DEFAULT 'NEW',
  placed_at    timestamptz NOT NULL DEFAULT now(),
  note         text
);
CREATE INDEX orders_code_placed_at_idx ON execution.orders (code, placed_at);

CREATE TABLE execution.executions (
  id           bigserial PRIMARY KEY,
  order_id     bigint NOT NULL REFERENCES execution.orders (id) ON DELETE CASCADE,
  quantity     integer NOT NULL CHECK (quantity > 0),
  price        numeric(12,2) NOT NULL,
  fee          numeric(12,2) NOT NULL DEFAULT 0,
  executed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX executions_order_id_idx ON execution.executions (order_id);

CREATE TABLE execution.positions (
  id          serial PRIMARY KEY,
  code        varchar(10) NOT NULL UNIQUE,
  quantity    integer NOT NULL,
  avg_price   numeric(12,2) NOT NULL,
  realized    numeric(18,2) NOT NULL DEFAULT 0,
  updated_at  timestamptz NOT NULL DEFAULT now()
);

-- feedback: how it went ------------------------------------------------------

CREATE TABLE feedback.learning_data (
  id        bigserial PRIMARY KEY,
  date      date NOT NULL,
  code      varchar(10) NOT NULL,
  features  jsonb NOT NULL,
  label     numeric(10,6)
);

CREATE TABLE feedback.performance (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  strategy    varchar(30) NOT NULL,
  trades      integer NOT NULL DEFAULT 0,
  wins        integer NOT NULL DEFAULT 0,
  profit      numeric(18,2) NOT NULL DEFAULT 0,
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, strategy)
);

-- forecast: what may come ----------------------------------------------------

CREATE TABLE forecast.predictions (
  id               serial PRIMARY KEY,
  code             varchar(10) NOT NULL,
  made_on          date NOT NULL,
  horizon_days     smallint NOT NULL,
  predicted_close  numeric(12,2) NOT NULL,
  confidence       numeric(5,4)
);

CREATE TABLE forecast.events (
  id          serial PRIMARY KEY,
  code        varchar(10) NOT NULL,
  date        date NOT NULL,
  type        varchar(50),
  impact      integer,
  source      varchar(30),
  detail      jsonb,
  created_at  timestamptz DEFAULT now()
);

-- portfolio: what is held ----------------------------------------------------

CREATE TABLE portfolio.holdings (
  id          serial PRIMARY KEY,
  code        varchar(10) NOT NULL REFERENCES public.stocks (code) ON UPDATE CASCADE,
  quantity    integer NOT NULL,
  avg_price   numeric(12,2) NOT NULL,
  opened_on   date NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (code)
);

-- The column "stocks" is money held in stocks: a name that is not the table's.
CREATE TABLE portfolio.balance_snapshots (
  id          serial PRIMARY KEY,
  date        date NOT NULL UNIQUE,
  cash        numeric(18,2) NOT NULL,
  stocks      numeric(18,2) NOT NULL,
  created_at  timestamptz DEFAULT now()
);
