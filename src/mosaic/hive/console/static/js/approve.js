/* Approving a version of an app: the passphrase opens the owner key here, which signs; only the signature is sent.

   The field with the passphrase has no name, so that no browser ever sends it. Where it may stay
   empty, the form goes as it is then. */

import { ask, tell } from "./ask.js";

const form = document.querySelector("[data-approve]");
const passphrase = form.querySelector("#passphrase");
const box = form.querySelector("[data-refusal]");
const button = form.querySelector("[data-go]");

form.addEventListener("submit", async (event) => {
  if (passphrase.value === "" && !passphrase.required) return;
  event.preventDefault();
  const { account, app, digest, keys } = form.dataset;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  tell(box, null);
  try {
    const question = { job: "approve", passphrase: passphrase.value, accountKeys: JSON.parse(keys), account, app, digest };
    form.querySelector("#approval").value = JSON.stringify(await ask(question));
    passphrase.value = "";
    form.submit();
  } catch (refusal) {
    tell(box, refusal);
    button.disabled = false;
  }
  button.removeAttribute("aria-busy");
});

for (const part of form.querySelectorAll("[data-script]")) part.hidden = false;
