"""Find the end of a row of CSV: a newline inside a quoted field does not end it.

The states are those of Python's csv module with `strict=False`. A quote opens a field only at the field's start. Two
quotes in a quoted field are one. Text after the closing quote belongs to the field. The state carries over from piece
to piece, so that the end of a row is found without holding all of it.
"""

from enum import IntEnum

QUOTE = b'"'


class State(IntEnum):
    """The position in a row at which a piece ends."""

    BEGIN = 0  # at the start of a field
    FIELD = 1  # in a field without quotes, or after the closing quote
    INSIDE = 2  # in a quoted field
    CLOSED = 3  # after a quote in a quoted field


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
