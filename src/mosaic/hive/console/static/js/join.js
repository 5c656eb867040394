/* A join token: its secret is made here and put into the line to paste; the Hive is told its SHA-256 only.

   Decides: what the token holds (mosaic.wire.enrol.JoinToken). With the passphrase
   the owner's admission goes with it, so that the Device gets work at once. */

import { ask, tell } from "./ask.js";
import { hex, random, sha256, unhex } from "./keys.js";

const form = document.querySelector("[data-join]");
const box = form.querySelector("[data-refusal]");
const button = form.querySelector("[data-go]");
const line = document.querySelector("[data-line]");
const MINUTES = 15;

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function admission(secretHash) {
  const passphrase = form.querySelector("#passphrase");
  if (!passphrase?.value) return null;
  const { keys, account } = form.dataset;
  const question = { job: "admitToken", passphrase: passphrase.value, accountKeys: JSON.parse(keys), account, secretHash };
  const answer = await ask(question);
  passphrase.value = "";
  return answer.admission;
}

/* Who the Hive is, and where other machines reach it: a browser on its own machine may have it open at a loopback address. */
async function theHive() {
  const identity = await (await fetch(`/api/hive?nonce=${hex(random(16))}`)).json();
  return { url: identity.public_url ?? location.origin, hive_fingerprint: hex(await sha256(unhex(identity.key))) };
}

async function register(token) {
  const answer = await fetch("/api/devices/join-tokens", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Mosaic-CSRF": form.dataset.csrf },
    body: JSON.stringify(token),
  });
  if (answer.ok) return;
  const problem = await answer.json();
  throw Object.assign(new Error(problem.detail), { hint: problem.hint });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  tell(box, null);
  try {
    const secret = hex(random(32)), name = form.querySelector("#name").value.trim();
    const secretHash = await hashOf(secret);
    await register({ secret_hash: secretHash, name, admission: await admission(secretHash) });
    await show({ ...(await theHive()), secret, name });
  } catch (refusal) {
    tell(box, { message: refusal.message, hint: refusal.hint ?? "Reload the page and try again." });
  }
  button.disabled = false;
  button.removeAttribute("aria-busy");
});

const hashOf = async (secret) => hex(await sha256(new TextEncoder().encode(secret)));

async function show(token) {
  const written = "mosaic-join-1." + base64url(new TextEncoder().encode(JSON.stringify(token)));
  const named = token.name ? ` --name ${token.name}` : "";
  // In the environment and not in argv, which everybody on that machine can read.
  line.querySelector("code").textContent = `MOSAIC_JOIN=${written} mosaic device run${named}`;
  const until = new Date(Date.now() + MINUTES * 60_000);
  line.querySelector("[data-until]").textContent = until.toLocaleTimeString("en-GB");
  line.hidden = false;
  line.querySelector("h2").focus();
}

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
for (const part of document.querySelectorAll("[data-no-script]")) part.hidden = true;
