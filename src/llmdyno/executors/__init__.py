"""Where the driving happens. One file a place; :mod:`executor` is the contract."""
