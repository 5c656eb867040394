/* One stream a page: it says when something changed, and the page's live part is fetched again.

   Decides: what the bar says (Live, or since when stale and when the next attempt is)
   and when to fetch. When stale the last values stay, with their age; nothing is blanked.
   The stream sends `beat` every 5 s and `change` when there is something new. */

import { clock, refresh } from "./times.js";

const SILENCE_MS = 12_000;
const bar = document.querySelector("[data-stream]");
let stream = null, silence = null, retry = 0, staleSince = null, waiting = false, fetching = false, again = false;

function say(words, stale) {
  if (bar.textContent !== words) bar.textContent = words;
  bar.classList.toggle("stale", stale);
}

function heard() {
  clearTimeout(silence);
  silence = setTimeout(lost, SILENCE_MS);
  if (staleSince) changed();
  retry = 0;
  staleSince = null;
  say("Live", false);
}

function connect() {
  waiting = false;
  stream = new EventSource("/live");
  stream.addEventListener("beat", heard);
  stream.addEventListener("change", () => (heard(), changed()));
  stream.onerror = () => {
    const refused = stream.readyState === EventSource.CLOSED;
    lost();
    if (refused) leaveIfSignedOut();
  };
}

function lost() {
  if (waiting) return;
  waiting = true;
  clearTimeout(silence);
  stream.close();
  staleSince ??= new Date();
  countDown(Math.min(30, 2 ** (1 + retry++)));
}

function countDown(seconds) {
  if (seconds === 0) return connect();
  say(`Stale since ${clock(staleSince)}, trying again in ${seconds} s`, true);
  setTimeout(countDown, 1000, seconds - 1);
}

/** A session that ended sends every page to the login page; so does this one. */
async function leaveIfSignedOut() {
  const answer = await fetch(location.href).catch(() => null);
  if (answer?.redirected) location.assign(answer.url);
}

/** Fetch the page again and lay its live part over the old one: focus, open details and typed text stay. */
async function changed() {
  if (fetching) return void (again = true);
  const target = document.querySelector("[data-live]");
  if (!target) return;
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Mosaic-Live": "1" } });
    if (answer.redirected) return location.assign(answer.url);
    const text = await answer.text();
    await htmx.swap({ sourceElement: target, target, text, swap: "outerMorph", select: `#${target.id}` });
    refresh();
  } catch {
    lost();
  } finally {
    fetching = false;
    if (again) setTimeout(() => ((again = false), changed()), 300);
  }
}

refresh();
if (bar) connect();
addEventListener("pagehide", () => stream?.close());
