import { Webhook } from "standardwebhooks";
import { BODIES, seconds } from "../harness/sign.mjs";

export default {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  wrong: "whsec_NfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  varied: ["webhook-id", "webhook-timestamp", "webhook-signature"],
  requests(secret) {
    const signed = (what, body, change) => {
      const signature = new Webhook(secret).sign("msg_2KWP", new Date(), body.toString());
      const headers = { "webhook-id": "msg_2KWP", "webhook-timestamp": String(seconds()) };
      return { what, headers: { ...headers, "webhook-signature": change(signature) }, body };
    };
    return [
      ...BODIES.map((body) => signed("signed by the library", body, (signature) => signature)),
      signed("among others", BODIES[0], (signature) => `v1a,AAAA v1,${"A".repeat(43)}= ${signature}`),
      signed("only an unknown version", BODIES[0], (signature) => signature.replace("v1,", "v2,")),
    ];
  },
  verify: ({ body, headers }, secret) => Boolean(new Webhook(secret).verify(body, headers)),
};
