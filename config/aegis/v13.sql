-- AEGIS v13, the new layout, by pipeline stage, as it is once every table has
-- moved. data.stocks, data.prices and data.fundamentals are what move-core.sql
-- makes of v10's tables (tests/aegis compares the two, column by column).

CREATE SCHEMA data;
CREATE SCHEMA signals;
CREATE SCHEMA selection;
CREATE SCHEMA portfolio;
CREATE SCHEMA execution;
CREATE SCHEMA audit;

-- data: what the market says -------------------------------------------------

CREATE TABLE data.stocks (
  code        varchar(10) PRIMARY KEY,
  name        varchar(100) NOT NULL,
  market      varchar(10) NOT NULL CHECK (market IN ('KOSPI', 'KOSDAQ')),
  sector      varchar(50),
  listed_on   date,
  shares      bigint NOT NULL DEFAULT 0 CHECK (shares >= 0),
  active      boolean NOT NULL DEFAULT true,
  updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stocks_market_sector_idx ON data.stocks (market, sector);

CREATE TABLE data.prices (
  id          serial PRIMARY KEY,
  code        varchar(10) NOT NULL REFERENCES data.stocks (code) ON UPDATE CASCADE,
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
CREATE INDEX prices_date_idx ON data.prices (date);

CREATE TABLE data.fundamentals (
  id                serial PRIMARY KEY,
  code              varchar(10) NOT NULL REFERENCES data.stocks (code) ON UPDATE CASCADE,
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

CREATE TABLE data.investor_flow (
  id           serial PRIMARY KEY,
  stock_code   varchar(10) NOT NULL REFERENCES data.stocks (code) ON UPDATE CASCADE,
  date         date NOT NULL,
  foreign_net  bigint NOT NULL DEFAULT 0,
  inst_net     bigint NOT NULL DEFAULT 0,
  individual   bigint NOT NULL DEFAULT 0,
  priority     smallint,
  created_at   timestamptz NOT NULL DEFAULT now(),
  UNIQUE (stock_code, date)
);
CREATE INDEX investor_flow_date_idx ON data.investor_flow (date);

CREATE TABLE data.quality_snapshots (
  id          serial PRIMARY KEY,
  date        date NOT NULL UNIQUE,
  rows_seen   bigint NOT NULL,
  rows_bad    bigint NOT NULL DEFAULT 0,
  findings    jsonb NOT NULL DEFAULT '[]',
  created_at  timestamptz DEFAULT now()
);

CREATE TABLE data.universe_snapshots (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  code        varchar(10) NOT NULL,
  tradable    boolean NOT NULL DEFAULT true,
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, code)
);

-- signals: what is made of it ------------------------------------------------

CREATE TABLE signals.factor_scores (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  code        varchar(10) NOT NULL,
  momentum    numeric(8,4),
  value       numeric(8,4),
  quality     numeric(8,4),
  flow        numeric(8,4),
  event       numeric(8,4),
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, code)
);

CREATE TABLE signals.flow_details (
  id               serial PRIMARY KEY,
  date             date NOT NULL,
  stock_code       varchar(10) NOT NULL,
  foreign_net_5d   bigint,
  foreign_net_20d  bigint,
  inst_net_5d      bigint,
  inst_net_20d     bigint,
  flow_score       numeric(8,4),
  created_at       timestamptz DEFAULT now(),
  UNIQUE (date, stock_code)
);

CREATE TABLE signals.events (
  id          serial PRIMARY KEY,
  code        varchar(10) NOT NULL,
  event_date  date NOT NULL,
  event_type  varchar(50),
  score       numeric(5,2),
  source      varchar(30),
  raw_data    jsonb,
  created_at  timestamptz DEFAULT now()
);

CREATE TABLE signals.signal_snapshots (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  code        varchar(10) NOT NULL,
  signal      numeric(8,4) NOT NULL,
  parts       jsonb NOT NULL DEFAULT '{}',
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, code)
);

-- selection: what is chosen --------------------------------------------------

CREATE TABLE selection.screened (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  code        varchar(10) NOT NULL,
  passed      boolean NOT NULL,
  reason      text,
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, code)
);

CREATE TABLE selection.ranked (
  id           serial PRIMARY KEY,
  date         date NOT NULL,
  code         varchar(10) NOT NULL,
  rank         integer,
  total_score  numeric(8,4),
  created_at   timestamptz DEFAULT now()
);
CREATE INDEX ranked_date_rank_idx ON selection.ranked (date, rank);

-- portfolio: what is wanted and held -----------------------------------------

CREATE TABLE portfolio.targets (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  code        varchar(10) NOT NULL,
  weight      numeric(8,6) NOT NULL CHECK (weight BETWEEN 0 AND 1),
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, code)
);

CREATE TABLE portfolio.holdings (
  id          serial PRIMARY KEY,
  code        varchar(10) NOT NULL REFERENCES data.stocks (code) ON UPDATE CASCADE,
  quantity    integer NOT NULL,
  avg_price   numeric(12,2) NOT NULL,
  opened_on   date NOT NULL,
  updated_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (code)
);

-- execution: what was bought and sold ----------------------------------------

CREATE TABLE execution.orders (
  id           bigserial PRIMARY KEY,
  code         varchar(10) NOT NULL REFERENCES data.stocks (code) ON UPDATE CASCADE,
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

-- audit: how it went ---------------------------------------------------------

CREATE TABLE audit.daily_snapshots (
  id            serial PRIMARY KEY,
  date          date NOT NULL UNIQUE,
  cash          numeric(18,2) NOT NULL,
  stocks_value  numeric(18,2) NOT NULL,
  total_value   numeric(18,2) NOT NULL,
  daily_return  numeric(10,6),
  drawdown      numeric(10,6),
  created_at    timestamptz DEFAULT now()
);

CREATE TABLE audit.performance_reports (
  id           serial PRIMARY KEY,
  report_date  date NOT NULL,
  strategy     varchar(30) NOT NULL,
  trades       integer NOT NULL DEFAULT 0,
  wins         integer NOT NULL DEFAULT 0,
  losses       integer NOT NULL DEFAULT 0,
  pnl          numeric(18,2) NOT NULL DEFAULT 0,
  win_rate     numeric(6,4),
  created_at   timestamptz DEFAULT now(),
  UNIQUE (report_date, strategy)
);

CREATE TABLE audit.attributions (
  id          serial PRIMARY KEY,
  date        date NOT NULL,
  factor      varchar(30) NOT NULL,
  pnl         numeric(18,2) NOT NULL,
  created_at  timestamptz DEFAULT now(),
  UNIQUE (date, factor)
);
