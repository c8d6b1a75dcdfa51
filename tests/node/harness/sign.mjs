// Neutral signers, for libraries that only verify.
import { createHash, createHmac, generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

export function hmac(hash, key, text, encoding) {
  return createHmac(hash, key).update(text).digest(encoding);
}

export function digest(hash, text, encoding) {
  return createHash(hash).update(text).digest(encoding);
}

export const seconds = () => Math.floor(Date.now() / 1000);

// A file of a package that the package doesn't export.
export function inside(path) {
  return require(fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url)));
}

// An Ed25519 key pair; `raw` is the public key's 32 bytes.
export function ed25519() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, raw: publicKey.export({ type: "spki", format: "der" }).subarray(-32) };
}

// Bodies with what tends to be re-encoded by mistake.
export const BODIES = [
  '{"id":"obj_1","name":"Wile E.","tags":["a","b"],"amount":1.50}',
  '{ "name" : "Z\u00fcrich \\u00e4 \\/ \u{1f680}", "n": 10000000000000000, "x":null }',
].map((text) => Buffer.from(text));
