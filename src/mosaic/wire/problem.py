"""The body of every refused API request (RFC 9457 problem details, with Mosaic's code and hint)."""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """`type` is `/errors/<code>`; `detail` says what is true; `hint` what to type or do next."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
