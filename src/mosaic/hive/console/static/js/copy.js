/* Buttons that copy: `data-copy="#id"` copies that element's text and says so in the button. */

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trimEnd());
  const said = button.querySelector("[data-label]") ?? button;
  const before = said.textContent;
  said.textContent = "Copied";
  setTimeout(() => (said.textContent = before), 2000);
});
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
