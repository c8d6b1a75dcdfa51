// Asks the vendors' own libraries about genuine and broken requests; prints what they say, one JSON object a line:
// {provider, secret, values, method, url, headers, body_base64, at, verdict, what}; `at` in milliseconds;
// `certificates`, where the provider has any: what stands at which address.
// Usage: node oracles.mjs [PROVIDER...]
import { readdir } from "node:fs/promises";

import { START, show } from "./harness/clock.mjs";
import { broken } from "./harness/broken.mjs";

const MINUTE = 60_000;

async function judged(oracle, request, secret, at) {
  show(at);
  try {
    return Boolean(await oracle.verify(request, secret));
  } catch {
    return false; // whatever it throws is its refusal
  } finally {
    show(START);
  }
}

async function tell(provider, oracle, what, request, secret, at) {
  const { method, url, headers, body } = request;
  console.log(JSON.stringify({
    provider,
    secret,
    values: oracle.values ?? {},
    certificates: oracle.certificates,
    method,
    url,
    headers,
    body_base64: body.toString("base64"),
    at,
    verdict: await judged(oracle, request, secret, at),
    what,
  }));
}

async function ask(provider) {
  const oracle = (await import(`./oracles/${provider}.mjs`)).default;
  for (const given of await oracle.requests(oracle.secret)) {
    const base = { method: "POST", url: oracle.url ?? `https://hooks.example.com/webhooks/${provider}`, ...given };
    const varied = given.varied ?? oracle.varied;
    await tell(provider, oracle, given.what, base, oracle.secret, START);
    if (oracle.wrong) await tell(provider, oracle, `${given.what}; wrong secret`, base, oracle.wrong, START);
    await tell(provider, oracle, `${given.what}; 30 minutes late`, base, oracle.secret, START + 30 * MINUTE);
    await tell(provider, oracle, `${given.what}; 30 minutes early`, base, oracle.secret, START - 30 * MINUTE);
    for (const { what, request } of broken(base, varied, oracle.url !== undefined)) {
      await tell(provider, oracle, `${given.what}; ${what}`, request, oracle.secret, START);
    }
  }
}

const files = await readdir(new URL("oracles/", import.meta.url));
const named = process.argv.slice(2);
const all = named.length > 0 ? named : files.map((file) => file.replace(".mjs", "")).sort();
console.error = () => {}; // what libraries remark about a refusal
for (const provider of all) await ask(provider);
