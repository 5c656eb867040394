/* Admitting a Device: the passphrase opens the owner key here, which signs; only the signature goes into the form.

   The field with the passphrase has no name, so that no browser ever sends it. */

import { ask, tell } from "./ask.js";

const form = document.querySelector("[data-admit]");
const passphrase = form.querySelector("#passphrase");
const box = form.querySelector("[data-refusal]");
const button = form.querySelector("[data-go]");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { account, device, wrappingKey, keys } = form.dataset;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  tell(box, null);
  try {
    const question = { job: "admit", passphrase: passphrase.value, accountKeys: JSON.parse(keys), account, device, wrappingKey };
    form.querySelector("#admission").value = JSON.stringify(await ask(question));
    passphrase.value = "";
    form.submit();
  } catch (refusal) {
    tell(box, refusal);
    button.disabled = false;
  }
  button.removeAttribute("aria-busy");
});

for (const part of form.querySelectorAll("[data-script]")) part.hidden = false;
