import { Receiver } from "@upstash/qstash";
import { SignJWT } from "jose";
import { BODIES, digest, seconds } from "../harness/sign.mjs";

const URL = "https://hooks.example.com/webhooks/upstash-qstash";

async function request(secret, what, body, claims) {
  const now = seconds();
  const token = new SignJWT({
    iss: "Upstash",
    sub: URL,
    nbf: now,
    iat: now,
    exp: now + 300,
    jti: "jwt_1",
    body: digest("sha256", body, "base64url"),
    ...claims,
  });
  const signature = await token.setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(Buffer.from(secret));
  return { what, headers: { "upstash-signature": signature }, body };
}

export default {
  secret: "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
  wrong: "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6s",
  url: URL,
  varied: ["upstash-signature"],
  requests: (secret) =>
    Promise.all([
      ...BODIES.map((body) => request(secret, "signed by jose", body, {})),
      request(secret, "the body's hash padded", BODIES[0], { body: `${digest("sha256", BODIES[0], "base64url")}=` }),
      request(secret, "another issuer", BODIES[0], { iss: "upstash" }),
      request(secret, "another URL", BODIES[0], { sub: `${URL}/` }),
      request("sig_of_the_next_key_of_upstash", "of a key that isn't configured", BODIES[0], {}),
    ]),
  verify: ({ url, body, headers }, key) =>
    new Receiver({ currentSigningKey: key, nextSigningKey: "sig_that_nobody_has" }).verify({
      signature: headers["upstash-signature"],
      body: body.toString(),
      url,
    }),
};
