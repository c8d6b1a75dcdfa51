// Prints every payload of @octokit/webhooks-examples, signed by @octokit/webhooks-methods, one JSON object a line.
// Usage: node corpus.mjs SECRET
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { sign } from "@octokit/webhooks-methods";

const examples = createRequire(import.meta.url)("@octokit/webhooks-examples");

const secret = process.argv[2];
for (const { name, examples: payloads } of examples) {
  for (const payload of payloads) {
    const body = JSON.stringify(payload);
    console.log(JSON.stringify({
      event: name,
      delivery: randomUUID(),
      installation: payload.installation?.id ?? null,
      body,
      signature: await sign(secret, body),
    }));
  }
}
