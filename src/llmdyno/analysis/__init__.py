"""Analysis: what figures mean in money and copies. PURE; prices are dated data beside the code, not code."""
