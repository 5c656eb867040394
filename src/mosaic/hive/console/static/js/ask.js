/* One question to one worker: `ask({job, …})` answers with what the job returned, or throws a Refusal. */

import { Refusal } from "./keys.js";

export function ask(question) {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => ("done" in data ? resolve(data.done) : reject(new Refusal(data.refused, data.hint)));
    worker.onerror = () => reject(new Refusal("This browser could not start the key derivation.", "Use a current Firefox, Chromium or Safari."));
    worker.postMessage(question);
  }).finally(() => worker.terminate());
}

/** Show a refusal in the page's own box, or take it away again. */
export function tell(box, refusal) {
  box.hidden = !refusal;
  box.querySelector("[data-sentence]").textContent = refusal ? refusal.message : "";
  box.querySelector("[data-hint]").textContent = refusal ? refusal.hint : "";
  if (refusal) box.focus();
}
