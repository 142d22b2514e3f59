"""Values and arithmetic, with the standard library alone; and the contract of an engine."""
