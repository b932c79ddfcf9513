"""SQLAlchemy's program of a small model, unchanged, before and after its tables move."""
import datetime
import decimal
import warnings

import pytest

from orm import layouts  # noqa: F401 (a fixture)

sa = pytest.importorskip('sqlalchemy')
orm = pytest.importorskip('sqlalchemy.orm')
warnings.filterwarnings('ignore', category=sa.exc.SAWarning)

DATABASE = 'orm_sqlalchemy'
Base = orm.declarative_base()


class Stock(Base):
    __tablename__ = 'stocks'
    code = sa.Column(sa.String(10), primary_key=True)
    name = sa.Column(sa.Text, nullable=False)
    listed = sa.Column(sa.Boolean, server_default=sa.true())
    prices = orm.relationship('Price', back_populates='stock', order_by='Price.date')


class Price(Base):
    __tablename__ = 'prices'
    __table_args__ = (sa.UniqueConstraint('code', 'date', name='prices_code_date_key'),
                      sa.CheckConstraint('close >= 0', name='prices_close_check'),
                      sa.Index('prices_date_idx', 'date'))
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.String(10), sa.ForeignKey('stocks.code'), nullable=False)
    date = sa.Column(sa.Date, nullable=False)
    close = sa.Column(sa.Numeric(12, 2), comment='at the end of the day')
    volume = sa.Column(sa.BigInteger, server_default='0')
    stock = orm.relationship('Stock', back_populates='prices')


CATALOG = "select string_agg(oid::regclass::text, ',' order by oid) from pg_class where oid > 16384"


def day(n):
    return datetime.date(2024, 1, 1) + datetime.timedelta(days=n)


def engine_of(endpoint, database):
    return sa.create_engine(f'postgresql+psycopg2://postgres@{endpoint.host}:{endpoint.port}/{database}')


@pytest.fixture
def engines(layouts):  # noqa: F811
    made = engine_of(layouts.proxy, layouts.name), engine_of(layouts.pg, layouts.reference)
    yield made
    for engine in made:
        engine.dispose()


def start_up(engine):
    """What an application does first; a second time it must find everything in place."""
    Base.metadata.create_all(engine)


def work(engine, log):
    """Create, query, update, bulk insert, delete; everything seen goes to the log."""
    with orm.Session(engine) as s:
        s.add(Stock(code='005930', name='Samsung Electronics'))
        s.add(Stock(code='000660', name='SK hynix', listed=False))
        s.flush()
        one = Price(code='005930', date=day(0), close=decimal.Decimal('79600.50'))
        s.add(one)
        s.commit()
        log.append(('generated', one.id, one.volume))
        s.bulk_save_objects([Price(code='000660', date=day(i), close=130000 + i) for i in range(300)])
        s.execute(sa.insert(Price), [{'code': '005930', 'date': day(i), 'close': 79000 + i} for i in range(1, 200)])
        s.commit()
        log.append(s.query(Price.code, sa.func.count(), sa.func.sum(Price.close)).group_by(Price.code)
                   .order_by(Price.code).all())
        stock = s.query(Stock).options(orm.joinedload(Stock.prices)).filter_by(code='005930').one()
        log.append((stock.name, stock.listed, [(p.id, p.date, p.close) for p in stock.prices]))
        for p in stock.prices[:5]:
            p.close += 10
        s.commit()
        log.append(s.execute(sa.update(Price).where(Price.date < day(3)).values(volume=Price.volume + 7)
                             .returning(Price.id, Price.volume)).all())
        log.append(s.execute(sa.delete(Price).where(Price.date >= day(290))).rowcount)
        s.commit()
        newest = sa.select(Price.code, sa.func.max(Price.date).label('newest')).group_by(Price.code).subquery()
        log.append(s.execute(sa.select(Price.code, Price.close).join(
            newest, sa.and_(Price.code == newest.c.code, Price.date == newest.c.newest)).order_by(Price.code)).all())
        p = s.query(Price).with_for_update().filter_by(id=one.id).one()
        with pytest.raises(sa.exc.IntegrityError) as e:
            with s.begin_nested():
                s.add(Price(code='005930', date=day(0)))
                s.flush()
        log.append((p.id, str(e.value.orig), e.value.orig.diag.schema_name, e.value.orig.diag.table_name))
        s.rollback()
        with pytest.raises(sa.exc.IntegrityError) as e:
            s.delete(s.get(Stock, '000660'))
            s.flush()
        log.append(str(e.value.orig))


def look(engine, log, schema=None):
    """All that SQLAlchemy can be asked about tables, by itself and through reflection."""
    inspector = sa.inspect(engine)
    log.append(sorted(inspector.get_table_names(schema)))
    log.append(sorted(inspector.get_sequence_names(schema)))
    for table in ('stocks', 'prices', 'nowhere'):
        log.append((table, inspector.has_table(table, schema)))
    for table in ('stocks', 'prices'):
        log.append([{**c, 'type': repr(c['type'])} for c in inspector.get_columns(table, schema)])
        log.append(inspector.get_pk_constraint(table, schema))
        log.append(inspector.get_foreign_keys(table, schema))
        log.append(inspector.get_unique_constraints(table, schema))
        log.append(inspector.get_check_constraints(table, schema))
        log.append(sorted(inspector.get_indexes(table, schema), key=lambda i: i['name']))
    metadata = sa.MetaData()
    metadata.reflect(engine, schema=schema)
    log.append(sorted(metadata.tables))
    log.append([str(sa.schema.CreateTable(t).compile(engine)) for t in metadata.sorted_tables])
    price = sa.Table('prices', sa.MetaData(), schema=schema, autoload_with=engine)
    log.append(str(sa.select(price)))
    with engine.connect() as c:
        log.append(c.execute(sa.select(price).order_by(price.c.id).limit(3)).all())


def clear(engine):
    with engine.begin() as c:
        c.execute(sa.text('truncate stocks, prices restart identity'))


def both(engines, step):
    through, direct = [], []
    step(engines[0], through)
    step(engines[1], direct)
    assert through == direct


def works_alike(engines):
    for engine in engines:
        clear(engine)
    both(engines, work)


def test_the_program_works_before_after_and_back(layouts, engines):  # noqa: F811
    for engine in engines:
        start_up(engine)
    for stage in ('old', 'live', 'old'):
        layouts.set_stage(stage)
        start_up(engines[0])
        works_alike(engines)
        both(engines, look)


def test_starting_up_after_the_move_creates_nothing(layouts, engines):  # noqa: F811
    start_up(engines[1])
    start_up(engines[0])
    layouts.set_stage('live')
    before = layouts.run(layouts.name, CATALOG)
    start_up(engines[0])
    assert layouts.run(layouts.name, CATALOG) == before
    assert [layouts.where(t) for t in ('stocks', 'prices')] == ['data', 'data']


def test_new_code_finds_its_names_before_the_move(layouts, engines):  # noqa: F811
    for engine in engines:
        start_up(engine)
    for table in ('stocks', 'prices'):
        layouts.run(layouts.reference, f'alter table {table} set schema data')
    layouts.set_stage('old')
    for engine in engines:
        inspector = sa.inspect(engine)
        assert inspector.has_table('prices', 'data') and sorted(inspector.get_table_names('data')) == ['prices', 'stocks']
        assert [c['name'] for c in inspector.get_columns('prices', 'data')][:3] == ['id', 'code', 'date']
    path = [sa.create_engine(e.url, connect_args={'options': '-c search_path=data,public'}) for e in engines]
    both(path, look)
    both(path, lambda engine, log: look(engine, log, 'data'))
    for engine in path:
        engine.dispose()


def test_a_retired_table_is_refused_clearly(layouts, engines):  # noqa: F811
    for engine in engines:
        start_up(engine)
    layouts.set_stage('complete')
    with orm.Session(engines[0]) as s:
        with pytest.raises(sa.exc.ProgrammingError) as e:
            s.query(Price).first()
        diag = e.value.orig.diag
        assert diag.sqlstate == '42P01' and diag.message_primary == 'table public.prices has been retired'
        assert diag.message_hint == 'Write data.prices instead.'
        s.rollback()
        assert s.execute(sa.text('select count(*) from data.prices')).scalar() == 0
