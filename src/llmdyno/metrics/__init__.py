"""Metrics: functions of a timeline. PURE and vectorised.

In: a :class:`~llmdyno.timeline.columns.Timeline`. Out: figures, each under one definition. A changed
definition is computed from the files of an old run; nothing here needs a new one.
"""
