import { WorkOS } from "@workos-inc/node";
import { hmac } from "../harness/sign.mjs";

const workos = new WorkOS("sk_test_nothing");

// The library serialises the parsed payload again, so these bodies are as it would write them.
const BODIES = [
  { id: "event_01", event: "dsync.user.created", data: { id: "directory_user_01", name: "\u00fc" } },
  { id: "event_02", event: "connection.activated", data: {} },
].map((payload) => Buffer.from(JSON.stringify(payload)));

export default {
  secret: "s3cr3t-of-workos",
  wrong: "s3cr3t-of-worker",
  varied: ["workos-signature"],
  requests: (secret) =>
    BODIES.map((body) => {
      const time = Date.now();
      const signature = hmac("sha256", secret, `${time}.${body}`, "hex");
      return { what: "signed by node", headers: { "workos-signature": `t=${time}, v1=${signature}` }, body };
    }),
  verify: ({ body, headers }, secret) =>
    workos.webhooks.verifyHeader({ payload: JSON.parse(body), sigHeader: headers["workos-signature"], secret }),
};
