"""One command's work each, from a config to a result; prints nothing."""
