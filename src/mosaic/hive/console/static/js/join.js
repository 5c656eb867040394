/* Adding a Device: what is pasted on its machine is put together here, with a join token made here.

   Decides: what the token holds (mosaic.wire.enrol.JoinToken) and which values go
   into the texts that the Hive rendered without them (mosaic.core.device_texts).
   The Hive is told the SHA-256 of the token's secret, and nothing of its binding,
   by which this browser recognises the Device that had the token. With the passphrase the
   owner's admission goes with it, so that the Device gets work at once. */

import { ask, tell } from "./ask.js";
import { hex, normalise, random, Refusal, sha256, unhex } from "./keys.js";
import { fill, isPastable } from "./quoting.js";
import { keepBinding } from "./recognise.js";

const form = document.querySelector("[data-join]");
const box = form.querySelector("[data-refusal]");
const button = form.querySelector("[data-go]");
const line = document.querySelector("[data-line]");
const passphrase = form.querySelector("#passphrase");
const tabs = [...line.querySelectorAll("[role=tab]")];
const texts = JSON.parse(form.dataset.texts);
const MINUTES = 15;
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
const WHERE = {
  docker: "in a terminal, as root",
  compose: "save it as compose.yaml for root alone, then: docker compose up --detach",
  systemd: "in a terminal, as root",
  command: "as root, where Mosaic is installed",
};

let made = null;

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const engine = () => (form.querySelector("#own-engine").checked ? "own" : "machine");
const giving = () => form.querySelector("[name=giving]:checked").value;

/** What of the form counts; raises a Refusal before anything is made or sent. */
function chosen() {
  const way = giving(), typed = way === "owner" ? "" : passphrase.value;
  if (way === "line" && !typed) throw new Refusal("The passphrase is missing.", "Type it, or choose another way to give it to the device.");
  // As it is derived from: tabs and line ends are spaces there.
  const inLine = way === "line" ? normalise(typed) : null;
  if (inLine !== null && !isPastable(inLine)) throw new Refusal("The passphrase has a character that cannot be pasted.", "Choose another way to give it to the device.");
  return { way, typed, inLine, name: form.querySelector("#name").value.trim() };
}

async function admission(typed, secretHash) {
  if (!typed) return null;
  const { keys, account } = form.dataset;
  return (await ask({ job: "admitToken", passphrase: typed, accountKeys: JSON.parse(keys), account, secretHash })).admission;
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
  throw new Refusal(problem.detail, problem.hint);
}

async function make() {
  const { way, typed, inLine, name } = chosen();
  const secret = hex(random(32)), secretHash = hex(await sha256(new TextEncoder().encode(secret)));
  // First, for a wrong passphrase is refused here and nothing is registered.
  const signed = await admission(typed, secretHash);
  const binding = hex(random(32));
  keepBinding(secretHash, binding);
  await register({ secret_hash: secretHash, name, admission: signed });
  const hive = await theHive();
  const token = "mosaic-join-1." + base64url(new TextEncoder().encode(JSON.stringify({ ...hive, secret, name, binding })));
  made = { way, url: hive.url, texts: texts[engine()], values: { token, name: name || null, passphrase: inLine } };
  passphrase.value = "";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  tell(box, null);
  try {
    await make();
    line.querySelector("[data-until]").textContent = new Date(Date.now() + MINUTES * 60_000).toLocaleTimeString("en-GB");
    for (const said of line.querySelectorAll("[data-said]")) said.hidden = said.dataset.said !== made.way;
    line.querySelector("[data-only-here]").hidden = !LOOPBACK.includes(new URL(made.url).hostname);
    line.querySelector("[data-hive]").textContent = made.url;
    show(tabs[0]);
    line.hidden = false;
    line.querySelector("h2").focus();
  } catch (refusal) {
    tell(box, { message: refusal.message, hint: refusal.hint ?? "Reload the page and try again." });
  }
  button.disabled = false;
  button.removeAttribute("aria-busy");
});

/** Show one form of the same values. */
function show(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", String(each === tab));
    each.tabIndex = each === tab ? 0 : -1;
  }
  const { form: as } = tab.dataset, found = made.texts[as][made.way];
  line.querySelector("#text").setAttribute("aria-labelledby", tab.id);
  line.querySelector("[data-cannot]").hidden = Boolean(found);
  line.querySelector("[data-code]").hidden = !found;
  line.querySelector("[data-where]").textContent = WHERE[as];
  // A leading space keeps a line with a secret out of most shells' history.
  const space = found?.quote === "shell" ? " " : "";
  line.querySelector("#line").textContent = found ? space + fill(found.text, made.values, found.quote) : "";
}

/** What was made for another choice is not to be pasted. */
function forget() {
  made = null;
  line.hidden = true;
  line.querySelector("#line").textContent = "";
  form.querySelector("[data-part=passphrase]").hidden = giving() === "owner";
}

line.addEventListener("click", ({ target }) => {
  const tab = target.closest("[role=tab]");
  if (tab) show(tab);
});
line.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], at = tabs.indexOf(event.target);
  if (!step || at < 0) return;
  const next = tabs[(at + step + tabs.length) % tabs.length];
  show(next);
  next.focus();
});
form.addEventListener("input", forget);

forget();
for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
for (const part of document.querySelectorAll("[data-no-script]")) part.hidden = true;
