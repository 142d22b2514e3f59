"""`rerank` begins here: quiet about an interrupt while the rest is being imported."""

import os
import signal


def main() -> None:
    """Import the command line, then run it; never returns. Nothing else is imported before the handler is there."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, _frame: os._exit(128 + number))
    from rerank_cli.cli import process

    process.main()


if __name__ == "__main__":
    main()
