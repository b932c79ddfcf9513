from django.db import models


class Stock(models.Model):
    code = models.CharField(max_length=10, primary_key=True)
    name = models.TextField()
    listed = models.BooleanField(default=True)

    class Meta:
        db_table = 'stocks'


class Price(models.Model):
    stock = models.ForeignKey(Stock, models.PROTECT, db_column='code')
    date = models.DateField(db_index=True)
    close = models.DecimalField(max_digits=12, decimal_places=2)
    volume = models.BigIntegerField(default=0)

    class Meta:
        db_table = 'prices'
        constraints = [models.UniqueConstraint(fields=['stock', 'date'], name='prices_code_date_key'),
                       models.CheckConstraint(check=models.Q(close__gte=0), name='prices_close_check')]
