"""Protocols: bytes to events and requests to bytes, one file a dialect. PURE.

In: an envelope and a turn's messages, or the bytes of a response's body in any pieces. Out: an
:class:`~llmdyno.protocols.dialect.HttpRequest`, or :class:`~llmdyno.protocols.events.Event` values.
Nothing here awaits, reads a clock or opens a socket, and however the bytes were split, the events
are the same. :mod:`dialect` is the contract; a target names the dialect that it speaks.
"""
