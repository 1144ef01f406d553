"""Protocols: from messages to the bytes of a request, and from the bytes of a response to events.

Each dialect is one file; :mod:`dialect` is their contract, and a target names the dialect that it speaks. A dialect
takes an envelope and a turn's messages, or the bytes of a response's body in any pieces. It gives an
:class:`~llmdyno.protocols.dialect.HttpRequest`, or :class:`~llmdyno.protocols.events.Event` values, the same ones for
every split of the bytes. It is pure: it does not wait, read a clock or open a socket.
"""
