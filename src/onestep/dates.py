"""Dates in queries: today as the database has it, and periods without an end."""

from __future__ import annotations

from datetime import date

from django.db.models import DateField, Func, Value
from django.db.models.functions import Coalesce

# What an open end is ordered as: later than every date that is one.
END_KEY = Coalesce("end_date", Value(date.max, output_field=DateField()))


class CurrentDate(Func):
    """Today, as the database has it (sessions are in UTC). Documents derive from it what they say of dates."""

    template = "CURRENT_DATE"
    output_field = DateField()
    arity = 0
