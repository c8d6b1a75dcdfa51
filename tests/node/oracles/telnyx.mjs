import { sign } from "node:crypto";
import { BODIES, ed25519, inside, seconds } from "../harness/sign.mjs";

const { TelnyxWebhook } = inside("telnyx/lib/webhooks.js");
const [own, other] = [ed25519(), ed25519()];

export default {
  secret: own.raw.toString("base64"),
  wrong: other.raw.toString("base64"),
  varied: ["telnyx-timestamp", "telnyx-signature-ed25519"],
  requests: () =>
    BODIES.map((body) => {
      const time = String(seconds());
      const text = Buffer.concat([Buffer.from(`${time}|`), body]);
      const signature = sign(null, text, own.privateKey).toString("base64");
      const headers = { "telnyx-timestamp": time, "telnyx-signature-ed25519": signature };
      return { what: "signed by a key of ours", headers, body };
    }),
  async verify({ body, headers }, key) {
    await new TelnyxWebhook(key).verify(body.toString(), headers);
    return true;
  },
};
