"""Transports: each sends requests and stamps their answers.

In: prepared requests. Out: the raw facts of each exchange, and the record made from them. :mod:`transport` is the
contract. ``http1/`` uses our own sockets. :mod:`library` uses a client library instead.
"""
