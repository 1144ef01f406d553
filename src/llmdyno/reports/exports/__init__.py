"""The formats of ``llmdyno show RUN --format``. One module a format; the folder's listing is the list of formats.

A module here defines `EXPORT`, which takes a run and yields one file: its name and its bytes.
"""
