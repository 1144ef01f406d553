"""Sources of prompts, one file each. PURE: a source that needs a file gets its text."""
