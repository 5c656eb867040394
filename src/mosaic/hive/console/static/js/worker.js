/* The worker in which a passphrase is turned into keys, so that the page never stands still.

   Decides: which jobs there are. One worker does one job and is ended by the
   page afterwards, so that nothing of the passphrase outlives it. */

import "../vendor/argon2.umd.min.js";
import * as keys from "./keys.js";

const argon2id = (options) => self.hashwasm.argon2id(options);

const jobs = {
  make: ({ passphrase }) => keys.make(passphrase, argon2id),

  async admit({ passphrase, accountKeys, account, device, wrappingKey }) {
    const opened = await keys.unlock(accountKeys, passphrase, argon2id);
    const admission = await keys.admission(opened.ownerSeed, account, device);
    const wrapped = await keys.sealForDevice(opened.root, keys.unhex(wrappingKey), opened.ownerSeed);
    const rootId = await keys.rootId(opened.root);
    forget(opened);
    return { admission, root_for_device: keys.hex(wrapped), root_id: rootId };
  },

  async admitToken({ passphrase, accountKeys, account, secretHash }) {
    const opened = await keys.unlock(accountKeys, passphrase, argon2id);
    const admission = await keys.admission(opened.ownerSeed, account, secretHash);
    forget(opened);
    return { admission };
  },

  async approve({ passphrase, accountKeys, account, app, digest }) {
    const opened = await keys.unlock(accountKeys, passphrase, argon2id);
    const approval = await keys.approval(opened.ownerSeed, account, app, digest);
    forget(opened);
    return approval;
  },
};

function forget(opened) {
  opened.root.fill(0);
  opened.ownerSeed.fill(0);
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ done: await jobs[data.job](data) });
  } catch (error) {
    self.postMessage({ refused: error.message, hint: error.hint ?? "Reload the page and try again." });
  }
};
