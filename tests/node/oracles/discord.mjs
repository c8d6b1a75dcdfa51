import { sign } from "node:crypto";
import { verifyKey } from "discord-interactions";
import { BODIES, ed25519, seconds } from "../harness/sign.mjs";

const [own, other] = [ed25519(), ed25519()];

export default {
  secret: own.raw.toString("hex"),
  wrong: other.raw.toString("hex"),
  varied: ["x-signature-timestamp", "x-signature-ed25519"],
  requests: () =>
    BODIES.map((body) => {
      const time = String(seconds());
      const signature = sign(null, Buffer.concat([Buffer.from(time), body]), own.privateKey).toString("hex");
      const headers = { "x-signature-timestamp": time, "x-signature-ed25519": signature };
      return { what: "signed by a key of ours", headers, body };
    }),
  verify: ({ body, headers }, key) =>
    verifyKey(body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], key),
};
