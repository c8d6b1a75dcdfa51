import { AccessToken, WebhookReceiver } from "livekit-server-sdk";
import { digest } from "../harness/sign.mjs";

const KEY = "APIabcdef";
const BODIES = ['{"event":"room_started","id":"EV_1","room":{"name":"desert"}}', '{ "event":"room_finished" }'];

export default {
  secret: "a-secret-of-livekit-that-is-32-bytes-long",
  wrong: "a-secret-of-livekit-that-is-32-bytes-lonh",
  values: { api_key: KEY },
  varied: ["authorization"],
  requests: (secret) =>
    Promise.all(BODIES.map(async (body) => {
      const token = new AccessToken(KEY, secret, { ttl: 300 });
      token.sha256 = digest("sha256", body, "base64");
      const headers = { "content-type": "application/webhook+json", authorization: await token.toJwt() };
      return { what: "signed by the library", headers, body: Buffer.from(body) };
    })),
  async verify({ body, headers }, secret) {
    return Boolean(await new WebhookReceiver(KEY, secret).receive(body.toString(), headers.authorization));
  },
};
