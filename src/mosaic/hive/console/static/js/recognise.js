/* Recognising a Device by its keys: the same bytes as mosaic.crypto.device_keys makes (docs/keys.md).

   Decides: whether the keys that the Hive names are those of one machine, and
   whether that machine had a line that was made in this browser. Where it had
   not, a person compares the fingerprint. */

import { base32, expand, hex, join, Refusal, sha256, unhex } from "./keys.js";

const KEPT = "mosaic-bindings";
const MOST = 50;
const text = new TextEncoder();

/** What is signed, authenticated and fingerprinted. */
function said({ device, signingKey, wrappingKey, ownerKey }) {
  return text.encode(`${device}\n${signingKey}\n${wrappingKey}\n${ownerKey}`);
}

/** Five groups of four, as the Device's machine shows them. */
export async function fingerprint(keys) {
  const digest = await sha256(join(text.encode("mosaic device fingerprint v1\0"), said(keys)));
  return base32(digest).slice(0, 20).toLowerCase().match(/.{4}/g).join("-");
}

/** Whether the Device signed for its keys. */
export async function areSigned(keys, proof) {
  const key = await crypto.subtle.importKey("raw", unhex(keys.signingKey), "Ed25519", false, ["verify"]);
  const signed = join(text.encode("mosaic device keys v1\0"), said(keys));
  return crypto.subtle.verify("Ed25519", key, unhex(proof.signature), signed);
}

/** What a join token's binding says of the keys. */
export async function byToken(keys, binding) {
  const raw = await expand(text.encode(binding), "mosaic device keys v1 by-token");
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(new Uint8Array(await crypto.subtle.sign("HMAC", key, said(keys))));
}

/** Keep the binding of a line that was made here. A browser that keeps nothing leaves the comparing to a person. */
export function keepBinding(secretHash, binding) {
  try {
    localStorage.setItem(KEPT, JSON.stringify([...bindings(), [secretHash, binding]].slice(-MOST)));
  } catch {
    /* It is a convenience. */
  }
}

export function forgetBinding(secretHash) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(bindings().filter(([hash]) => hash !== secretHash)));
  } catch {
    /* A binding that stays is good for no other Device. */
  }
}

/** Return whether the machine had a line that was made here. Throws a Refusal where the keys cannot be its own. */
export async function isOfToken(keys, proof) {
  const forged = (why) => new Refusal(`The Hive names keys for this device that are not its own: ${why}.`, "Nothing was sent. Do not use this Hive before whoever runs it explains that.");
  if (!proof) return false;
  if (!(await areSigned(keys, proof))) throw forged("it did not sign them together with your owner key");
  const kept = bindings().find(([hash]) => hash === proof.token);
  if (!proof.by_token || !kept) return false;
  if ((await byToken(keys, kept[1])) !== proof.by_token) throw forged("whoever has them was not given the line that you made");
  return true;
}

function bindings() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? [];
  } catch {
    return [];
  }
}
