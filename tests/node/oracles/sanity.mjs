import { encodeSignatureHeader, isValidSignature } from "@sanity/webhook";
import { BODIES } from "../harness/sign.mjs";

export default {
  secret: "sanity secret",
  wrong: "sanity secres",
  varied: ["sanity-webhook-signature"],
  requests: (secret) =>
    Promise.all(BODIES.map(async (body) => ({
      what: "signed by the library",
      headers: { "sanity-webhook-signature": await encodeSignatureHeader(body.toString(), Date.now(), secret) },
      body,
    }))),
  verify: ({ body, headers }, secret) => isValidSignature(body.toString(), headers["sanity-webhook-signature"], secret),
};
