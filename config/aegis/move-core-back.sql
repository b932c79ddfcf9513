-- The way back: the core of AEGIS returns from v13 to v10. The schema data
-- stays, since other tables may live there by now.
BEGIN;
SET LOCAL lock_timeout = '2s';
LOCK TABLE data.stocks, data.prices, data.fundamentals IN ACCESS EXCLUSIVE MODE;
ALTER TABLE data.stocks SET SCHEMA public;
ALTER TABLE data.prices SET SCHEMA public;
ALTER TABLE data.fundamentals SET SCHEMA public;
COMMIT;
