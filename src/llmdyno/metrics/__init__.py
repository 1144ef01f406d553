"""Metrics: pure functions of a timeline, computed on whole columns.

They take a :class:`~llmdyno.timeline.columns.Timeline` and give figures, each under one definition. The figures of the
requests are computed once, by :func:`~llmdyno.metrics.request.request_metrics`, and handed to every other function. A
new definition can be computed from the files of an old run: nothing here needs a new run.
"""
