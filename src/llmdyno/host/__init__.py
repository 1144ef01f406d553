"""What the machine gives: child processes, memory, timers, signals, limits. It knows nothing of a run."""
