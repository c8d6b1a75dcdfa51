import Stripe from "stripe";
import { BODIES, seconds } from "../harness/sign.mjs";

const stripe = new Stripe("sk_test_nothing");

export default {
  secret: "whsec_a2V5IHRoYXQgaXMgbm90IGJhc2U2NA",
  wrong: "whsec_a2V5IHRoYXQgaXMgbm90IGJhc2U2NB",
  varied: ["stripe-signature"],
  requests(secret) {
    const sign = (payload, timestamp) => stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
    const requests = BODIES.map((body) => ({
      what: "signed by the library",
      headers: { "stripe-signature": sign(body.toString(), seconds()) },
      body,
    }));
    const [, foreign] = stripe.webhooks
      .generateTestHeaderString({ payload: BODIES[0].toString(), secret: "whsec_rolled", timestamp: seconds() })
      .split(",");
    const [time, own] = sign(BODIES[0].toString(), seconds()).split(",");
    requests.push({
      what: "two signatures while a secret is rolled",
      headers: { "stripe-signature": [time, foreign, own].join(",") },
      body: BODIES[0],
    });
    return requests;
  },
  verify: ({ body, headers }, secret) =>
    Boolean(stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret)),
};
