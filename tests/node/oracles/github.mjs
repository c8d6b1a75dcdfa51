import { sign, verify } from "@octokit/webhooks-methods";
import { BODIES } from "../harness/sign.mjs";

export default {
  secret: "it's a secret to everybody",
  wrong: "it's a secret to nobody",
  varied: ["x-hub-signature-256"],
  requests: (secret) =>
    Promise.all(BODIES.map(async (body) => ({
      what: "signed by the library",
      headers: { "x-github-event": "push", "x-hub-signature-256": await sign(secret, body.toString()) },
      body,
    }))),
  verify: ({ body, headers }, secret) => verify(secret, body.toString(), headers["x-hub-signature-256"]),
};
