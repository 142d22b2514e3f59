"""How hypothesis runs here: without a clock, without files of its own, the same examples each time."""

from hypothesis import settings

settings.register_profile("rerank", deadline=None, database=None, derandomize=True)
settings.load_profile("rerank")
