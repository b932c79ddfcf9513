-- The core of AEGIS moves from v10 to v13: three tables, one transaction.
-- Indexes, owned sequences, foreign keys and privileges follow by themselves;
-- the roles that may use the tables must be able to enter the new schema.
BEGIN;
SET LOCAL lock_timeout = '2s';
CREATE SCHEMA IF NOT EXISTS data;
-- All locks first: lock_timeout counts for each lock, and nothing is half moved.
LOCK TABLE public.stocks, public.prices, public.fundamentals IN ACCESS EXCLUSIVE MODE;
ALTER TABLE public.stocks SET SCHEMA data;
ALTER TABLE public.prices SET SCHEMA data;
ALTER TABLE public.fundamentals SET SCHEMA data;
DO $$
DECLARE grantee text;
BEGIN
  FOR grantee IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid IN ('data.stocks'::regclass, 'data.prices'::regclass, 'data.fundamentals'::regclass)
  LOOP
    EXECUTE 'GRANT USAGE ON SCHEMA data TO ' || grantee;
  END LOOP;
END $$;
COMMIT;
