import { BODIES, hmac, inside } from "../harness/sign.mjs";

const validateSignature = inside("@line/bot-sdk/dist/cjs/validate-signature.js").default;

export default {
  secret: "d4c5b6a7e8f90123456789abcdef0123",
  wrong: "d4c5b6a7e8f90123456789abcdef0124",
  varied: ["x-line-signature"],
  requests: (secret) =>
    BODIES.map((body) => ({
      what: "signed by node",
      headers: { "x-line-signature": hmac("sha256", secret, body, "base64") },
      body,
    })),
  verify: ({ body, headers }, secret) => validateSignature(body, secret, headers["x-line-signature"]),
};
