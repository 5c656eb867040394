"""What a password must be. Checking one is `mosaic.crypto.password`'s."""

from mosaic.core.errors import Refused

SHORTEST = 8
LONGEST = 256


class PasswordTooWeak(Refused):
    """The password is too short or too long."""

    code = "password-too-weak"

    def __init__(self) -> None:
        super().__init__(
            f"a password has {SHORTEST}–{LONGEST} characters", hint="take a longer one; length is what counts"
        )


def check_strength(password: str) -> None:
    """Return when the password may be one. Raises PasswordTooWeak."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordTooWeak
