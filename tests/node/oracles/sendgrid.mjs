import { createSign, generateKeyPairSync } from "node:crypto";
import { EventWebhook } from "@sendgrid/eventwebhook";
import { seconds } from "../harness/sign.mjs";

const pair = () => generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const text = ({ publicKey }) => publicKey.export({ type: "spki", format: "der" }).toString("base64");
const [own, other] = [pair(), pair()];

export default {
  secret: text(own),
  wrong: text(other),
  varied: ["x-twilio-email-event-webhook-timestamp", "x-twilio-email-event-webhook-signature"],
  requests() {
    const bodies = ['[{"email":"a@example.com","event":"delivered","sg_event_id":"1"}]\r\n', "[]\r\n"];
    return bodies.map((body) => {
      const time = String(seconds());
      const signature = createSign("sha256").update(time + body).sign(own.privateKey, "base64");
      const headers = {
        "x-twilio-email-event-webhook-timestamp": time,
        "x-twilio-email-event-webhook-signature": signature,
      };
      return { what: "signed by a key of ours", headers, body: Buffer.from(body) };
    });
  },
  verify({ body, headers }, key) {
    const webhook = new EventWebhook();
    return webhook.verifySignature(
      webhook.convertPublicKeyToECDSA(key),
      body,
      headers["x-twilio-email-event-webhook-signature"],
      headers["x-twilio-email-event-webhook-timestamp"],
    );
  },
};
