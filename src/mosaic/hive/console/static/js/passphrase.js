/* Setting the passphrase: six words made here, or words of one's own, and the recovery code shown once.

   Decides: when the form may go on. Only the wrapped keys are put into the form;
   the words and the code stay in this page and are gone when it is left. */

import { ask, tell } from "./ask.js";
import { normalise, weakness } from "./keys.js";

const form = document.querySelector("[data-passphrase]");
const own = form.querySelector("#own");
const box = form.querySelector("[data-refusal]");
const list = form.querySelector("[data-words]");
const part = (name) => form.querySelector(`[data-part="${name}"]`);
const typed = [form.querySelector("#word-a"), form.querySelector("#word-b")];

let words = [], asked = [], wordList = null, made = null;

/** 16 random bits choose from 2048 words evenly. */
function draw(from) {
  return Array.from(crypto.getRandomValues(new Uint16Array(6)), (bits) => from[bits % from.length]);
}

async function otherWords() {
  wordList ??= (await (await fetch(form.dataset.wordsUrl)).text()).trim().split(/\s+/);
  words = draw(wordList);
  list.replaceChildren(...words.map((word) => Object.assign(document.createElement("li"), { textContent: word })));
  askForTwo();
}

function askForTwo() {
  const first = crypto.getRandomValues(new Uint8Array(1))[0] % 5;
  const second = first + 1 + (crypto.getRandomValues(new Uint8Array(1))[0] % (5 - first));
  asked = [first, second];
  typed.forEach((input, i) => {
    input.value = "";
    form.querySelector(`label[for="${input.id}"]`).textContent = `Word ${asked[i] + 1}`;
    wrong(input, null);
  });
}

function wrong(input, why) {
  const told = form.querySelector(`#${input.id}-wrong`);
  told.hidden = !why;
  told.querySelector("span").textContent = why ?? "";
  if (why) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

function strength() {
  const why = own.value ? weakness(own.value) : null;
  const said = form.querySelector("[data-strength]");
  said.textContent = own.value ? why ?? estimate(own.value) : "At least 16 characters; measured here as you type, never sent.";
  said.classList.toggle("is-bad", Boolean(why));
  part("check").hidden = Boolean(own.value);
}

/** A guess at how hard it is to guess: words of the list count 11 bits, other characters at most 4. */
function estimate(passphrase) {
  const bits = normalise(passphrase).split(" ").reduce((sum, word) => sum + Math.min(wordList.includes(word) ? 11 : 99, new Set(word).size * 4), 0);
  return bits < 60 ? `About ${bits} bits: it passes, and six words from the list have 66.` : `About ${bits} bits: hard to guess.`;
}

/** Return the passphrase when all is in order; show what is not. */
function chosen() {
  if (own.value) {
    const why = weakness(own.value);
    if (why) own.focus();
    return why ? null : own.value;
  }
  let right = true;
  typed.forEach((input, i) => {
    const same = normalise(input.value) === words[asked[i]];
    wrong(input, same ? null : `This is not word ${asked[i] + 1} of the six above`);
    if (!same && right) input.focus();
    right &&= same;
  });
  return right ? words.join(" ") : null;
}

async function derive() {
  const passphrase = chosen();
  if (!passphrase) return;
  const button = form.querySelector("[data-derive]");
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  part("working").hidden = false;
  try {
    made = await ask({ job: "make", passphrase });
    showCode();
  } catch (refusal) {
    tell(box, refusal);
    button.disabled = false;
  }
  button.removeAttribute("aria-busy");
  part("working").hidden = true;
}

function showCode() {
  form.querySelector("[data-code]").textContent = made.recoveryCode;
  form.querySelector("#keys").value = JSON.stringify(made.new);
  part("choose").hidden = part("check").hidden = part("go").hidden = true;
  part("recovery").hidden = false;
  words = [];
  own.value = "";
  list.replaceChildren();
  part("recovery").querySelector("h2").focus();
}

form.addEventListener("click", ({ target }) => {
  if (target.closest("[data-derive]")) derive();
  if (target.closest("[data-again]")) otherWords();
  if (target.closest("[data-print]")) print();
});
own.addEventListener("input", strength);
form.addEventListener("submit", (event) => {
  if (made) return;
  event.preventDefault();
  derive();
});

await otherWords();
part("without-script").hidden = true;
part("choose").hidden = part("check").hidden = part("go").hidden = false;
