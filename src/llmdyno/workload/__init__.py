"""What will be sent: lengths, prompts, arrival times and the plan of every request, from one seed. PURE.

In: a spec. Out: a :class:`~llmdyno.workload.plan.Plan`. All randomness of the client is here. This folder opens no
file, and does not know wire formats, clocks or sockets.
"""
