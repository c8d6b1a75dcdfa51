import { Paddle } from "@paddle/paddle-node-sdk";
import { BODIES, hmac, seconds } from "../harness/sign.mjs";

const paddle = new Paddle("pdl_sdbx_apikey_nothing");

export default {
  secret: "pdl_ntfset_01hq_nothing",
  wrong: "pdl_ntfset_01hq_nothinh",
  varied: ["paddle-signature"],
  requests: (secret) =>
    BODIES.map((body) => {
      const time = seconds();
      const signature = hmac("sha256", secret, `${time}:${body}`, "hex");
      return { what: "signed by node", headers: { "paddle-signature": `ts=${time};h1=${signature}` }, body };
    }),
  verify: ({ body, headers }, secret) =>
    paddle.webhooks.isSignatureValid(body.toString(), secret, headers["paddle-signature"]),
};
