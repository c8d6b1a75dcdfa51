import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { hmac } from "../harness/sign.mjs";

export default {
  secret: "lin_wh_0123456789abcdef",
  wrong: "lin_wh_0123456789abcdee",
  varied: ["linear-signature"],
  requests(secret) {
    const bodies = [
      `{"action":"create","type":"Issue","data":{"title":"\u00fc"},"webhookTimestamp":${Date.now()}}`,
      `{ "webhookTimestamp" : ${Date.now()}, "action": "remove" }`,
    ].map((text) => Buffer.from(text));
    const requests = bodies.map((body) => ({
      what: "signed by node",
      headers: { "linear-signature": hmac("sha256", secret, body, "hex") },
      body,
    }));
    const untimed = Buffer.from('{"action":"create"}');
    requests.push({
      what: "without a time",
      headers: { "linear-signature": hmac("sha256", secret, untimed, "hex") },
      body: untimed,
    });
    return requests;
  },
  verify: ({ body, headers }, secret) => new LinearWebhookClient(secret).verify(body, headers["linear-signature"]),
};
