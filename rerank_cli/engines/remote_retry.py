"""Whether a request is sent again, and when: what servers say in headers, else a random wait that grows.

Sources: RFC 9110 (Retry-After); the client libraries of Cohere (`retry-after-ms`, `X-RateLimit-Reset` in Unix seconds)
and of Stainless (`x-should-retry`); the "full jitter" of the AWS Architecture Blog, "Exponential Backoff And Jitter".
"""

import random
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})  # statuses after which a request is sent again
TOO_MANY = 429
ATTEMPTS = 6
ATTEMPTS_TOO_MANY = 12  # after 429 without a wait: about three minutes, since quotas are of a minute
FIRST_S, LONGEST_S = 1.0, 60.0  # of waits that no server asked for
DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
RESETS = ("x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
UNIX_TIME = 1e9  # a larger reset is a point in time, a smaller one a number of seconds


def forbids_retry(headers: Mapping[str, str]) -> bool:
    """Whether the server says that the same request will fail again."""
    return headers.get("x-should-retry", "").strip().lower() == "false"


def asks_for_retry(headers: Mapping[str, str]) -> bool:
    """Whether the server says that the same request may succeed."""
    return headers.get("x-should-retry", "").strip().lower() == "true"


def most_attempts(status: int) -> int:
    """How often a request is sent that was answered with this status at last; 0 for no answer."""
    return ATTEMPTS_TOO_MANY if status == TOO_MANY else ATTEMPTS


def requested_wait(headers: Mapping[str, str], now: float, *, too_many: bool = True) -> float | None:
    """The seconds that the server asks for; None if it asks for none, or for nothing that can be read.

    `now` is in Unix seconds; `headers` have names in lower case. A reset of limits counts only after `too_many`
    requests, and one that is over by our clock does not count.

    >>> requested_wait({"retry-after-ms": "1500"}, 0)
    1.5
    >>> requested_wait({"retry-after": "Thu, 01 Jan 1970 00:00:09 GMT"}, 5)
    4.0
    >>> requested_wait({"x-ratelimit-reset": "1800000030"}, 1800000000)
    30.0
    >>> requested_wait({"x-ratelimit-reset-requests": "1m2s"}, 0)
    62.0
    """
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        return seconds / 1000
    if (after := headers.get("retry-after")) is not None:
        seconds = _number(after)
        return _until(after, now) if seconds is None else seconds
    for name in RESETS if too_many else ():
        if (reset := headers.get(name)) is not None:
            seconds = _number(reset)
            if seconds is None:
                return _duration(reset)
            seconds = seconds - now if seconds > UNIX_TIME else seconds
            return seconds if seconds > 0 else None
    return None


def own_wait(attempt: int, chance: random.Random) -> float:
    """Seconds to wait after the attempt with this number, from 0, where the server asks for none."""
    return chance.uniform(0, min(LONGEST_S, FIRST_S * 2**attempt))


def _number(text: str | None) -> float | None:
    """A plain number of at least 0. Words such as inf or 1e9 are none."""
    return float(text) if text is not None and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text := text.strip()) else None


def _until(text: str, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _duration(text: str) -> float | None:
    """A duration such as 6m0s or 120ms, as OpenAI's servers write it."""
    found = DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    hours, minutes, seconds, thousandths = (float(each or 0) for each in found.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
