"""Sources of prompts, one file each. PURE but for readers that are handed a file's text."""
