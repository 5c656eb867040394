"""The ways through the Console that many tests walk."""

from playwright.sync_api import Page

from mosaic.wire.api import Installation
from support.running_hive import PASSWORD, SETUP_CODE, Owner, RunningHive

NAME = "ada"


def become_owner(page: Page, hive: RunningHive) -> None:
    """Make the account; ends on the page that sets the passphrase."""
    page.goto(f"{hive.url}/")
    page.get_by_label("Set-up code").fill(SETUP_CODE)
    page.get_by_label("Your name").fill(NAME)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("The same password again").fill(PASSWORD)
    page.get_by_role("button", name="Go on to the passphrase").click()
    page.wait_for_url("**/setup/passphrase")


def choose_six_words(page: Page) -> list[str]:
    """Take the generated words and prove to have them; ends where the recovery code is shown."""
    page.get_by_role("heading", name="Your passphrase").wait_for()
    words = page.locator("[data-words] li").all_inner_texts()
    for field in ("word-a", "word-b"):
        label = page.locator(f"label[for={field}]").inner_text()
        page.locator(f"#{field}").fill(words[int(label.split()[1]) - 1])
    page.get_by_role("button", name="Make my keys").click()
    page.get_by_role("heading", name="Recovery code").wait_for()
    return words


def log_in(page: Page, hive: RunningHive, *, then: str = "/") -> None:
    """Log in as the owner; ends on `then`."""
    page.goto(f"{hive.url}{then}")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{hive.url}{then}")


def owner_has_nothing(owner: Owner) -> bool:
    """Say whether nothing is installed."""
    with owner.client() as client:
        return client.get("/api/installations", list[Installation]) == []
