"""The workload: lengths, prompts and, from one seed, the plan of every request. PURE.

In: a spec. Out: a :class:`~llmdyno.workload.plan.Plan`. All of the project's randomness on the
client's side lives in this room. It knows no wire format, no clock and no socket.
"""
