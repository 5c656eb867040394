/* An account's keys in the browser: the same bytes as mosaic.crypto makes (docs/keys.md).

   Decides: how a passphrase becomes two keys, how keys are wrapped, and what the
   owner signs. Leaves to its callers: where it runs (a worker), what is shown and
   what is sent. `argon2id` is given by the caller, everything else is WebCrypto. */

const MEMORY_KIB = 64 * 1024;
const PASSES = 4;
const LANES = 1;
const MOST = { memory_kib: 1024 * 1024, passes: 32, lanes: 8 };

export const KIND = {
  ROOT_UNDER_KEK: [1, "root-under-kek"],
  OWNER_UNDER_KEK: [2, "owner-under-kek"],
  ROOT_UNDER_RECOVERY: [3, "root-under-recovery"],
  SEED_UNDER_ROOT: [4, "seed-under-root"],
  ROOT_FOR_DEVICE: [5, "root-for-device"],
};

const PKCS8 = { Ed25519: "302e020100300506032b657004220420", X25519: "302e020100300506032b656e04220420" };
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const text = new TextEncoder();

/** What is true and what to do, as the server's refusals say it. */
export class Refusal extends Error {
  constructor(sentence, hint) {
    super(sentence);
    this.hint = hint;
  }
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function unhex(written) {
  if (!/^([0-9a-f]{2})*$/.test(written)) throw new Refusal("these bytes are not written in hex", "reload the page");
  return Uint8Array.from(written.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function join(...parts) {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0);
  return joined;
}

export const random = (size) => crypto.getRandomValues(new Uint8Array(size));

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** NFKD, lower case, single spaces, none at the ends. */
export function normalise(passphrase) {
  return passphrase.normalize("NFKD").toLowerCase().replace(/[\t\n\v\f\r ]+/g, " ").replace(/^ +| +$/g, "");
}

/** Return why a passphrase of one's own is too weak, or null. The same rule as mosaic.crypto.passphrase. */
export function weakness(passphrase) {
  const folded = normalise(passphrase);
  const characters = [...folded];
  if (characters.length < 16) return `It has ${characters.length} characters, and 16 are the least.`;
  if (new Set(folded.split(" ")).size < 4 && new Set(characters).size < 12) return "It repeats itself.";
  return null;
}

export async function expand(key, label, salt = new Uint8Array()) {
  const material = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info: text.encode(label) };
  return new Uint8Array(await crypto.subtle.deriveBits(how, material, 256));
}

/** Derive both keys. Refuses parameters that are weaker than ours, or that only stall. */
export async function derive(passphrase, kdf, argon2id) {
  const salt = acceptedSalt(kdf);
  const master = await argon2id({
    password: text.encode(normalise(passphrase)),
    salt,
    iterations: kdf.passes,
    parallelism: kdf.lanes,
    memorySize: kdf.memory_kib,
    hashLength: 32,
    outputType: "binary",
  });
  const derived = { authKey: await expand(master, "mosaic auth v1"), kek: await expand(master, "mosaic kek v1") };
  master.fill(0);
  return derived;
}

function acceptedSalt(kdf) {
  const hint = "Do not type your passphrase for this Hive; ask whoever runs it what was changed.";
  if (kdf.memory_kib < MEMORY_KIB || kdf.passes < PASSES || kdf.lanes < 1)
    throw new Refusal("This Hive asks for a key derivation weaker than 64 MiB and 4 passes.", hint);
  if (kdf.memory_kib > MOST.memory_kib || kdf.passes > MOST.passes || kdf.lanes > MOST.lanes)
    throw new Refusal("This Hive asks for a key derivation that would take minutes.", hint);
  const salt = unhex(kdf.salt);
  if (salt.length !== 16) throw new Refusal("This Hive's key derivation has no salt of 16 bytes.", hint);
  return salt;
}

const label = (kind) => `mosaic envelope v1 ${kind[1]}`;
const additional = (kind, subject) => join(text.encode(label(kind)), new Uint8Array(1), subject);

async function aes(key, usage) {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [usage]);
}

export async function seal(kind, key, wrapping, subject, nonce = random(12)) {
  const how = { name: "AES-GCM", iv: nonce, additionalData: additional(kind, subject) };
  const sealed = await crypto.subtle.encrypt(how, await aes(await expand(wrapping, label(kind)), "encrypt"), key);
  return join(Uint8Array.of(1, kind[0]), nonce, new Uint8Array(sealed));
}

async function unseal(kind, envelope, wrapping, subject) {
  const raw = unhex(envelope);
  if (raw.length !== 62 || raw[0] !== 1 || raw[1] !== kind[0]) throw new Error("not an envelope of this kind");
  const how = { name: "AES-GCM", iv: raw.slice(2, 14), additionalData: additional(kind, subject) };
  const key = await aes(await expand(wrapping, label(kind)), "decrypt");
  return new Uint8Array(await crypto.subtle.decrypt(how, key, raw.slice(14)));
}

async function privateKey(curve, seed, usages) {
  return crypto.subtle.importKey("pkcs8", join(unhex(PKCS8[curve]), seed), curve, true, usages);
}

/** Return the public key of an Ed25519 seed or an X25519 private key. */
export async function publicOf(curve, seed) {
  const usages = curve === "Ed25519" ? ["sign"] : ["deriveBits"];
  const written = await crypto.subtle.exportKey("jwk", await privateKey(curve, seed, usages));
  return Uint8Array.from(atob(written.x.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
}

export async function sign(seed, message) {
  return new Uint8Array(await crypto.subtle.sign("Ed25519", await privateKey("Ed25519", seed, ["sign"]), message));
}

/** Wrap the root key to a Device's X25519 key, signed by the owner: else a Hive could slip in one of its own. */
export async function sealForDevice(root, device, ownerSeed, ephemeral = random(32)) {
  const kind = KIND.ROOT_FOR_DEVICE;
  const sent = await publicOf("X25519", ephemeral);
  const theirs = await crypto.subtle.importKey("raw", device, "X25519", false, []);
  const ours = await privateKey("X25519", ephemeral, ["deriveBits"]);
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: theirs }, ours, 256));
  const key = await expand(shared, label(kind), join(sent, device));
  const how = { name: "AES-GCM", iv: new Uint8Array(12), additionalData: additional(kind, device) };
  const sealed = await crypto.subtle.encrypt(how, await aes(key, "encrypt"), root);
  const body = join(Uint8Array.of(1, kind[0]), sent, new Uint8Array(sealed));
  return join(body, await sign(ownerSeed, join(text.encode("mosaic root for device v1\0"), device, body)));
}

/** Write 20 bytes as nine groups of four; the ninth is a checksum. */
export async function writeRecovery(code) {
  const sum = await sha256(join(text.encode("mosaic recovery checksum v1\0"), code));
  return (base32(code) + base32(sum).slice(0, 4)).match(/.{4}/g).join("-");
}

export function base32(bytes) {
  let written = "", held = 0, bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) written += BASE32[(held >> (bits - 5)) & 31];
    held &= 31;
  }
  return bits ? written + BASE32[(held << (5 - bits)) & 31] : written;
}

/** The name of a root key: it tells one from another, and says nothing of it. */
export async function rootId(root) {
  return hex(await expand(root, "mosaic root id v1"));
}

/** Make a whole account's keys. Returns what the Hive is sent, and the recovery code to show once. */
export async function make(passphrase, argon2id) {
  const root = random(32), ownerSeed = random(32), code = random(20);
  const owner = await publicOf("Ed25519", ownerSeed);
  const kdf = { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt: hex(random(16)) };
  const { authKey, kek } = await derive(passphrase, kdf, argon2id);
  const keys = {
    version: 1,
    kdf,
    wrapped_root: hex(await seal(KIND.ROOT_UNDER_KEK, root, kek, owner)),
    wrapped_owner: hex(await seal(KIND.OWNER_UNDER_KEK, ownerSeed, kek, owner)),
    recovery_root: hex(await seal(KIND.ROOT_UNDER_RECOVERY, root, code, owner)),
    owner_key: hex(owner),
    root_id: await rootId(root),
  };
  const made = { new: { keys, auth_key: hex(authKey) }, recoveryCode: await writeRecovery(code) };
  for (const secret of [root, ownerSeed, code, authKey, kek]) secret.fill(0);
  return made;
}

/** Open both account keys with the passphrase. */
export async function unlock(keys, passphrase, argon2id) {
  const { authKey, kek } = await derive(passphrase, keys.kdf, argon2id);
  const owner = unhex(keys.owner_key);
  try {
    const root = await unseal(KIND.ROOT_UNDER_KEK, keys.wrapped_root, kek, owner);
    const ownerSeed = await unseal(KIND.OWNER_UNDER_KEK, keys.wrapped_owner, kek, owner);
    if (hex(await publicOf("Ed25519", ownerSeed)) !== keys.owner_key) throw new Error("another owner's seed");
    return { root, ownerSeed };
  } catch {
    throw new Refusal("This is not the passphrase of this account.", "Check the words and their order.");
  } finally {
    authKey.fill(0);
    kek.fill(0);
  }
}

/** The owner's word that a Device, or whoever brings a join token's secret, belongs to the account. */
export async function admission(ownerSeed, account, subject) {
  const signed = text.encode(`mosaic admission v1\0${account}\n${subject}`);
  return { subject, signature: hex(await sign(ownerSeed, signed)) };
}

/** The owner's word that this very version of an app may run. */
export async function approval(ownerSeed, account, app, digest) {
  // A line feed in one of them would make two of it.
  if (![account, app, digest].every((word) => /^[!-~]+$/.test(word)))
    throw new Refusal("This app has a name that cannot be signed for.", "Give its folder a name of lower-case letters, digits and hyphens.");
  const signed = text.encode(`mosaic approval v1\0${account}\n${app}\n${digest}`);
  return { digest, signature: hex(await sign(ownerSeed, signed)) };
}
