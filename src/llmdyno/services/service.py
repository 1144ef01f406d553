"""The contract of a managed service: how it refuses, what it knows of a model, what it bills.

A service is a folder here with a module ``service`` whose ``SERVICE`` fulfils :class:`Service`. The folder's listing is
the list of services; nothing registers. Callers hold a :class:`Service` and know no service by name.
"""

from __future__ import annotations
