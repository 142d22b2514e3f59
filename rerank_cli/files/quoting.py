"""Where a row of CSV ends: a newline inside a quoted field does not end it.

The states are those of Python's csv module, not strict: a quote opens a field only where the field begins, two quotes
in a quoted field are one, and what stands behind the closing quote belongs to the field. They go on over pieces of any
size, so that a row is never held whole to find its end.
"""

from enum import IntEnum

QUOTE = b'"'


class State(IntEnum):
    """Where in a row a piece ends."""

    BEGIN = 0  # of a field
    FIELD = 1  # in one without quotes, or behind the closing one
    INSIDE = 2  # in a quoted field
    CLOSED = 3  # behind a quote in a quoted field


def state_after(piece: bytes, state: State, delimiter: bytes) -> State:
    """The state at the end of a piece of a row that begins in `state`; `delimiter` is one byte.

    >>> [state_after(piece, State.BEGIN, b",").name for piece in (b'a,b', b'a,"b', b'a,"b"', b'a"b,c', b'"a""b')]
    ['FIELD', 'INSIDE', 'CLOSED', 'FIELD', 'INSIDE']
    """
    place, end = 0, len(piece)
    if state is State.BEGIN and QUOTE not in piece:
        return State.BEGIN if piece.endswith(delimiter) or not end else State.FIELD
    while place < end:
        if state is State.INSIDE:
            place = piece.find(QUOTE, place) + 1
            if not place:
                return State.INSIDE
            state = State.CLOSED
        elif state is State.FIELD:
            place = piece.find(delimiter, place) + 1
            if not place:
                return State.FIELD
            state = State.BEGIN
        else:
            first = piece[place : place + 1]
            if first == QUOTE:
                state, place = State.INSIDE, place + 1
            else:
                state = State.FIELD
    return state
