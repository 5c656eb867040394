/* Ages that grow while one looks, and instants in the reader's own time zone.

   The server writes both in full for readers without JavaScript: `data-ago` and
   `data-clock` on a <time>. The wording of ages is that of console/words.py. */

const beganAt = performance.now();
const servedAt = Number(document.querySelector('meta[name="now-ms"]').content);
const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"]];

const now = () => servedAt + (performance.now() - beganAt);

export function ago(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  for (const [below, unit, name] of STEPS) if (seconds < below) return `${Math.floor(seconds / unit)} ${name} ago`;
  const days = Math.floor(seconds / 86400);
  return days === 1 ? "1 day ago" : `${days} days ago`;
}

export const clock = (instant) => instant.toLocaleTimeString("en-GB");

export function refresh(root = document) {
  for (const time of root.querySelectorAll("time[data-ago]")) {
    const said = ago(now() - Date.parse(time.dateTime));
    if (time.textContent !== said) time.textContent = said;
  }
  for (const time of root.querySelectorAll("time[data-clock]")) {
    const said = clock(new Date(time.dateTime));
    if (time.textContent !== said) time.textContent = said;
  }
}

setInterval(refresh, 1000, document);
