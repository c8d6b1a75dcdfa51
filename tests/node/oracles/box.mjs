import { BODIES, hmac, inside } from "../harness/sign.mjs";

const { WebhooksManager } = inside("box-node-sdk/lib/managers/webhooks.js");

const SIGNATURES = ["box-signature-primary", "box-signature-secondary"];

function request(what, body, keys) {
  const time = new Date().toISOString().replace(".000", "");
  const headers = {
    "box-delivery-id": "f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f",
    "box-delivery-timestamp": time,
    "box-signature-algorithm": "HmacSHA256",
    "box-signature-version": "1",
  };
  keys.forEach((key, at) => {
    if (key) headers[SIGNATURES[at]] = hmac("sha256", key, Buffer.concat([body, Buffer.from(time)]), "base64");
  });
  return { what, headers, body };
}

export default {
  secret: "SamplePrimaryKey",
  wrong: "SamplePrimaryKez",
  varied: ["box-signature-primary", "box-delivery-timestamp"],
  requests: (secret) => [
    ...BODIES.map((body) => request("the first key", body, [secret])),
    request("two keys", BODIES[0], [secret, "another"]),
    request("neither key", BODIES[0], ["one", "another"]),
  ],
  verify: ({ body, headers }, key) => WebhooksManager.validateMessage(body.toString(), headers, key),
};
