"""One file per command: it declares options, calls one function below, and prints."""
