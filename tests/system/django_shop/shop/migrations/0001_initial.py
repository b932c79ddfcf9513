import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel('Stock', [
            ('code', models.CharField(max_length=10, primary_key=True, serialize=False)),
            ('name', models.TextField()),
            ('listed', models.BooleanField(default=True)),
        ], {'db_table': 'stocks'}),
        migrations.CreateModel('Price', [
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False)),
            ('date', models.DateField(db_index=True)),
            ('close', models.DecimalField(max_digits=12, decimal_places=2)),
            ('volume', models.BigIntegerField(default=0)),
            ('stock', models.ForeignKey('shop.Stock', django.db.models.deletion.PROTECT, db_column='code')),
        ], {'db_table': 'prices'}),
        migrations.AddConstraint('price', models.UniqueConstraint(fields=['stock', 'date'],
                                                                  name='prices_code_date_key')),
        migrations.AddConstraint('price', models.CheckConstraint(check=models.Q(close__gte=0),
                                                                 name='prices_close_check')),
    ]
