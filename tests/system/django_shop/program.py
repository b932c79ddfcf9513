"""A small Django application. `program.py PORT DATABASE STEP...`: one JSON document on standard output."""
import datetime
import io
import json
import os
import sys

import django
from django.conf import settings
from django.core.management import call_command

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
settings.configure(
    DATABASES={'default': {'ENGINE': 'django.db.backends.postgresql', 'HOST': '127.0.0.1', 'PORT': sys.argv[1],
                           'NAME': sys.argv[2], 'USER': 'postgres', 'OPTIONS': {'sslmode': 'disable'}}},
    INSTALLED_APPS=['shop'], DEFAULT_AUTO_FIELD='django.db.models.BigAutoField', USE_TZ=True)
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.db.models import SET_NULL, Count, F, ForeignKey, Max, Sum  # noqa: E402
from django.db.utils import DatabaseError, IntegrityError  # noqa: E402
from shop.models import Price, Stock  # noqa: E402


def day(n):
    return datetime.date(2024, 1, 1) + datetime.timedelta(days=n)


def migrate():
    out = io.StringIO()
    call_command('migrate', interactive=False, no_color=True, stdout=out)
    return out.getvalue()


def fake_initial():
    out = io.StringIO()
    call_command('migrate', fake_initial=True, interactive=False, no_color=True, stdout=out)
    return out.getvalue()


def inspectdb():
    out = io.StringIO()
    call_command('inspectdb', 'stocks', 'prices', no_color=True, stdout=out)
    return out.getvalue()


def introspect():
    with connection.cursor() as cursor:
        look = connection.introspection
        return {'tables': sorted(look.get_table_list(cursor)),
                'columns': {t: look.get_table_description(cursor, t) for t in ('stocks', 'prices')},
                'sequences': look.get_sequences(cursor, 'prices'),
                'relations': look.get_relations(cursor, 'prices'),
                'primary key': look.get_primary_key_column(cursor, 'prices'),
                'constraints': look.get_constraints(cursor, 'prices')}


def clear():
    with connection.cursor() as cursor:
        cursor.execute('truncate stocks, prices restart identity')


def refused(action):
    try:
        with transaction.atomic():
            action()
    except IntegrityError as e:
        return str(e)
    return 'not refused'


def work():
    samsung = Stock.objects.create(code='005930', name='Samsung Electronics')
    hynix = Stock.objects.create(code='000660', name='SK hynix', listed=False)
    first = Price.objects.create(stock=samsung, date=day(0), close='79600.50')
    made = Price.objects.bulk_create(
        [Price(stock=hynix, date=day(i), close=130000 + i) for i in range(300)], batch_size=100)
    with transaction.atomic():
        Price.objects.bulk_create([Price(stock=samsung, date=day(i), close=79000 + i) for i in range(1, 200)])
    return {
        'generated': [first.pk, made[-1].pk],
        'sums': list(Stock.objects.annotate(n=Count('price'), total=Sum('price__close')).order_by('code').values()),
        'updated': Price.objects.filter(date__lt=day(3)).update(volume=F('volume') + 7),
        'get_or_create': Price.objects.get_or_create(stock=hynix, date=day(500), defaults={'close': 1})[1],
        'ignored': len(Price.objects.bulk_create([Price(stock=hynix, date=day(1), close=1)], ignore_conflicts=True)),
        'deleted': Price.objects.filter(date__gte=day(290)).delete(),
        'joined': [[p.pk, p.stock.name, p.close, p.volume]
                   for p in Price.objects.select_related('stock').order_by('date', 'pk')[:20]],
        'newest': list(Price.objects.values('stock').annotate(newest=Max('date')).order_by('stock')),
        'raw': [[p.pk, p.date] for p in Price.objects.raw('select * from prices where code = %s order by id limit 3',
                                                          ['005930'])],
        'twice': refused(lambda: Price.objects.create(stock=samsung, date=day(0), close=1)),
        'check': refused(lambda: Price.objects.create(stock=samsung, date=day(900), close=-1)),
        'iterator': sum(p.close for p in Price.objects.all().iterator(chunk_size=50)),
    }


def add_and_remove_foreign_key():
    """Django names constraints of its own, and checks them at once: SET CONSTRAINTS … IMMEDIATE."""
    field = ForeignKey(Stock, null=True, on_delete=SET_NULL, related_name='+', db_column='other_code')
    field.set_attributes_from_name('other')
    field.model = Price
    with connection.schema_editor() as editor:
        editor.add_field(Price, field)
    with connection.cursor() as cursor:
        name, = [k for k, v in connection.introspection.get_constraints(cursor, 'prices').items()
                 if v['foreign_key'] and v['columns'] == ['other_code']]
    with connection.schema_editor() as editor:
        editor.execute(editor._delete_fk_sql(Price, name))
        sent = [str(sql) for sql in editor.deferred_sql]
    with connection.cursor() as cursor:
        return [name, sent, sorted(connection.introspection.get_constraints(cursor, 'prices'))]


def query():
    try:
        return Price.objects.count()
    except DatabaseError as e:
        diag = e.__cause__.diag
        return [diag.sqlstate, diag.message_primary, diag.message_hint]


json.dump([globals()[step]() for step in sys.argv[3:]], sys.stdout, default=str, indent=1)
