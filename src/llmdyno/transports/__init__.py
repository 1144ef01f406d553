"""What sends a request and stamps its answer.

In: prepared requests. Out: raw facts of each exchange, and the record made from them. :mod:`transport` is the
contract; ``http1/`` are our own sockets, :mod:`library` is a client library in their place.
"""
