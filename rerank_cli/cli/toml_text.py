"""Values as TOML has them, harmless to a terminal: for messages and for --show-config."""

import json
import re

from rerank_cli.core.printable import ACTING

SURROGATE = re.compile("[\ud800-\udfff]")  # from names of files that are not UTF-8; TOML cannot have them


def toml_text(value: bool | int | float | str | list[str]) -> str:
    r"""One value as TOML. U+FFFD stands for bytes that are not UTF-8.

    >>> toml_text(["a\n", "é\x7f"])
    '["a\\n", "é\\u007f"]'
    >>> toml_text(True), toml_text(0.5), toml_text(3)
    ('true', '0.5', '3')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, str):
        text = json.dumps(SURROGATE.sub("\ufffd", value), ensure_ascii=False)
        return ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return repr(value)
