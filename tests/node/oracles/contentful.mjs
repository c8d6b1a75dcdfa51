import { inside, BODIES } from "../harness/sign.mjs";

const { signRequest, verifyRequest } = inside("@contentful/node-apps-toolkit/lib/requests/index.cjs");

const URL = "https://hooks.example.com/webhooks/contentful";

const canonical = ({ method, url, headers, body }) =>
  ({ method, path: url.replace(/^https:..[^/]*/, ""), headers, body: body.toString() });

export default {
  secret: "cafe".repeat(16),
  wrong: "cafe".repeat(15) + "caff",
  url: URL,
  varied: ["x-contentful-signature", "x-contentful-signed-headers", "x-contentful-timestamp", "x-contentful-topic"],
  requests: (secret) =>
    BODIES.map((body) => {
      const headers = {
        "content-type": "application/vnd.contentful.management.v1+json",
        "x-contentful-topic": "ContentManagement.Entry.publish",
      };
      const request = { method: "POST", url: URL, headers, body };
      const signed = signRequest(secret, canonical(request), Date.now());
      return { ...request, what: "signed by the library", headers: { ...headers, ...signed } };
    }),
  verify: (request, secret) => verifyRequest(secret, canonical(request)),
};
