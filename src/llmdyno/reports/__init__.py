"""Reports: a run as text, pictures or bytes. One file an output.

Takes a run, or the report that a command left beside it. Gives lines on a console, a progress line, or files as bytes.
A report computes no figure: it shows those that the summary, the timeline's metrics or the command's report hold.
"""
