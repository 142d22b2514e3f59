"""Lines and records: one file a format. `registry` chooses one."""
