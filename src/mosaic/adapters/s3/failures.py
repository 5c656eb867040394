"""What the failures of an S3 store mean.

The library hands them over as text, with the store's answer inside. Stores
repeat key ids and signed strings in there, so nothing of the text gets into
an error but the status and the S3 code, which is a word of letters.
"""

import re

from mosaic.adapters.blobs import ObjectDamaged, ObjectMissing, StoreFull, StoreUnavailable
from mosaic.core.errors import Conflict, MosaicError, Refused

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>\s*([A-Za-z]{1,48})\s*</Code>")
_FULL_CODES = frozenset({"QuotaExceeded", "XMinioStorageFull", "XMinioBucketQuotaExceeded", "InsufficientStorage"})
_REGION_CODES = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "IncorrectEndpoint"})
# What a connection that failed says, and what that means; the first that fits.
_CONNECTION_WORDS = (
    ("ConnectionRefused", "nothing listens there"),
    ("dns error", "its name is not known here"),
    ("InvalidCertificate", "its certificate is not trusted here"),
    ("InvalidContentType", "it does not answer in HTTPS"),
    ("TimedOut", "it was silent for too long"),
    ("Timeout", "it was silent for too long"),
    ("UnexpectedEof", "it ended the connection in the middle"),
    ("Incomplete", "it ended the connection in the middle"),
    ("ConnectionReset", "it ended the connection in the middle"),
    ("BrokenPipe", "it ended the connection in the middle"),
    ("Canceled", "it ended the connection in the middle"),
    ("MissingEtag", "its answers are not those of an S3 store"),
    ("Parse(", "its answers are not those of an S3 store"),
)


class CredentialsRefused(Refused):
    """The S3 store does not accept the key, or the key may not do this."""

    code = "store-credentials-refused"

    def __init__(self, where: str, answer: str) -> None:
        super().__init__(
            f"{where} does not accept the key ({answer})",
            hint="check the key's id and secret, and that it may read, write and list in this bucket",
        )


class BucketMissing(Refused):
    """The S3 store has no bucket of this name."""

    code = "bucket-missing"

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} does not exist", hint="make the bucket there, or correct its name")


class ClockDiffers(Refused):
    """The S3 store refuses requests because its clock and this machine's differ."""

    code = "store-clock-differs"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} refuses requests because this machine's clock and its own differ",
            hint="set this machine's clock: `timedatectl set-ntp true` keeps it right",
        )


class StoreRefused(Refused):
    """The S3 store refuses the request, for a reason that only it knows."""

    code = "store-refused"

    def __init__(self, where: str, answer: str, *, hint: str = "the store's own pages explain this answer") -> None:
        super().__init__(f"{where} refused with {answer}", hint=hint)


class ConditionsUnknown(StoreRefused):
    """The store does not take conditional writes at all."""


class ConditionFailed(Conflict):
    """The object is not as the condition of the write says. Nothing was written."""


class RangeIgnored(Refused):
    """The store sends the whole object whatever is asked."""


def meaning(text: str, *, where: str, name: str | None) -> MosaicError:
    """Return the error that a failure means. `name` is the object's; None when all were asked for."""
    status, code = _first(_STATUS, text), _first(_CODE, text)
    if status:
        return _of_answer(int(status), code or "", where=where, name=name)
    if "NotPartial" in text:
        return RangeIgnored(f"{where} does not send parts of objects", hint="nothing has to be done")
    if "BareRedirect" in text:
        return _wrong_region(where, "a redirect")
    reason = next((reason for word, reason in _CONNECTION_WORDS if word in text), "the request failed")
    return StoreUnavailable(where, reason)


def _of_answer(status: int, code: str, *, where: str, name: str | None) -> MosaicError:
    answer = f"{status} {code}".rstrip()
    if code in _REGION_CODES or status in (301, 307, 308):
        return _wrong_region(where, answer)
    if code in _FULL_CODES or status == 507:
        return StoreFull(where)
    if code == "RequestTimeTooSkewed":
        return ClockDiffers(where)
    if status == 404:
        return BucketMissing(where) if code == "NoSuchBucket" or name is None else ObjectMissing(name)
    if status in (401, 403):
        return CredentialsRefused(where, answer)
    if status in (409, 412):
        return ConditionFailed(f"{where} refused with {answer}", hint="look again; somebody else wrote this object")
    if status == 416:
        return ObjectDamaged(name or "", "it ends before the range that was asked")
    if status == 501:
        return ConditionsUnknown(where, answer, hint="the store has to be tested again before it is used")
    if status >= 500 or status in (408, 425, 429):
        return StoreUnavailable(where, f"it answered {answer}")
    return StoreRefused(where, answer)


def _wrong_region(where: str, answer: str) -> StoreRefused:
    return StoreRefused(where, answer, hint="check the store's address and region: the bucket is in another one")


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1) if found else None
