import { BODIES, hmac, inside, seconds } from "../harness/sign.mjs";

const { isValidSlackRequest } = inside("@slack/bolt/dist/receivers/verify-request.js");

function request(secret, what, body) {
  const time = String(seconds());
  const signature = `v0=${hmac("sha256", secret, `v0:${time}:${body}`, "hex")}`;
  return { what, headers: { "x-slack-request-timestamp": time, "x-slack-signature": signature }, body };
}

export default {
  secret: "8f742231b10e8888abcd99yyyzzz85a5",
  wrong: "8f742231b10e8888abcd99yyyzzz85a6",
  varied: ["x-slack-request-timestamp", "x-slack-signature"],
  requests: (secret) => [
    ...BODIES.map((body) => request(secret, "JSON", body)),
    request(secret, "a slash command", Buffer.from("token=x&team_id=T0001&command=%2Fweather&text=94070")),
  ],
  verify({ body, headers }, signingSecret) {
    const slack = {
      "x-slack-signature": headers["x-slack-signature"],
      "x-slack-request-timestamp": Number(headers["x-slack-request-timestamp"]),
    };
    return isValidSlackRequest({ signingSecret, body: body.toString(), headers: slack });
  },
};
