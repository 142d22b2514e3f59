"""The command line as it was typed, for reports."""

import shlex
import sys
from datetime import UTC, datetime

from rerank_cli.display.page_footer import Making


def typed_now() -> Making:
    """The command of this process, quoted for a shell, and the time in UTC."""
    return Making(shlex.join(["rerank", *sys.argv[1:]]), datetime.now(UTC))
