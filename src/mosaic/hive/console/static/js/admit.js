/* Admitting a Device: the passphrase opens the owner key here, which signs; only the signature goes into the form.

   First the Device is recognised: by the line that was made in this browser, or by a person who compares its
   fingerprint, which is made here of the very keys that are signed for and wrapped to.

   The field with the passphrase has no name, so that no browser ever sends it. */

import { ask, tell } from "./ask.js";
import { fingerprint, forgetBinding, isOfToken } from "./recognise.js";

const form = document.querySelector("[data-admit]");
const passphrase = form.querySelector("#passphrase");
const box = form.querySelector("[data-refusal]");
const button = form.querySelector("[data-go]");
const { account, device, signingKey, wrappingKey, keys } = form.dataset;
const proof = JSON.parse(form.dataset.proof);

async function recognise() {
  // The owner's key that is named here is that which the passphrase opens, or it opens nothing.
  const named = { device, signingKey, wrappingKey, ownerKey: JSON.parse(keys).owner_key };
  form.querySelector("[data-fingerprint]").textContent = await fingerprint(named);
  const had = await isOfToken(named, proof);
  form.querySelector("[data-had-line]").hidden = !had;
  for (const part of form.querySelectorAll("[data-compare]")) part.hidden = had;
  form.querySelector("#compared").required = !had;
  for (const part of form.querySelectorAll("[data-script]")) part.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  tell(box, null);
  try {
    const question = { job: "admit", passphrase: passphrase.value, accountKeys: JSON.parse(keys), account, device, wrappingKey };
    form.querySelector("#admission").value = JSON.stringify(await ask(question));
    passphrase.value = "";
    if (proof) forgetBinding(proof.token);
    form.submit();
  } catch (refusal) {
    tell(box, refusal);
    button.disabled = false;
  }
  button.removeAttribute("aria-busy");
});

recognise().catch((refusal) => tell(box, { message: refusal.message, hint: refusal.hint ?? "Reload the page and try again." }));
