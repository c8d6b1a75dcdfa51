import { Webhook } from "svix";
import { BODIES, seconds } from "../harness/sign.mjs";

function request(secret, body, prefix) {
  return {
    what: `signed by the library, ${prefix} headers`,
    headers: {
      [`${prefix}-id`]: "msg_2KWP",
      [`${prefix}-timestamp`]: String(seconds()),
      [`${prefix}-signature`]: new Webhook(secret).sign("msg_2KWP", new Date(), body.toString()),
    },
    varied: ["id", "timestamp", "signature"].map((name) => `${prefix}-${name}`),
    body,
  };
}

export default {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  wrong: "whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  requests: (secret) => [
    ...BODIES.map((body) => request(secret, body, "svix")),
    request(secret, BODIES[0], "webhook"),
  ],
  verify: ({ body, headers }, secret) => Boolean(new Webhook(secret).verify(body, headers)),
};
