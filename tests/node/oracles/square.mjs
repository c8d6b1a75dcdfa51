import { BODIES, hmac, inside } from "../harness/sign.mjs";

const { WebhooksHelper } = inside("square/wrapper/WebhooksHelper.js");

const URL = "https://hooks.example.com/webhooks/square";

export default {
  secret: "wxfH2L-4l9lDGCcxMVVrRQ",
  wrong: "wxfH2L-4l9lDGCcxMVVrRR",
  url: URL,
  varied: ["x-square-hmacsha256-signature"],
  requests: (secret) =>
    BODIES.map((body) => ({
      what: "signed by node",
      headers: { "x-square-hmacsha256-signature": hmac("sha256", secret, URL + body, "base64") },
      body,
    })),
  verify: ({ url, body, headers }, signatureKey) =>
    WebhooksHelper.verifySignature({
      requestBody: body.toString(),
      signatureHeader: headers["x-square-hmacsha256-signature"],
      signatureKey,
      notificationUrl: url,
    }),
};
