"""The engine: drives sessions over a transport.

In: a transport, the phases of a plan, each with its sessions and its pace. Out: one record for each request, given to a
sink when the request ends. Between the send of a request and its last byte nothing is decoded. The engine does not know
sockets, metrics, files or reports.
"""
