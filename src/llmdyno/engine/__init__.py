"""The engine: drives a load through sockets and records what happened.

In: prepared requests, an origin, a load. Out: a record for each request, handed to a sink as it ends.
Between a request's send and its last byte the engine stamps, appends and nothing else; bytes become
events only afterwards. The only async and socket code on the
client's side; it knows no metrics, no files and no reports.
"""
