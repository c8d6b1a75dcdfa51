import "@shopify/shopify-api/adapters/node";
import { LogSeverity, shopifyApi } from "@shopify/shopify-api";
import { BODIES, hmac } from "../harness/sign.mjs";

const api = (apiSecretKey) =>
  shopifyApi({
    apiKey: "key",
    apiSecretKey,
    apiVersion: "2026-01",
    hostName: "hooks.example.com",
    isEmbeddedApp: false,
    logger: { level: LogSeverity.Error, log: () => {} },
  });

function request(secret, what, body, prefix) {
  const headers = Object.fromEntries(
    Object.entries({
      topic: "orders/create",
      "shop-domain": "acme.myshopify.com",
      "api-version": "2026-01",
      "webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
      "event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
      "hmac-sha256": hmac("sha256", secret, body, "base64"),
    }).map(([name, value]) => [prefix + name, value]),
  );
  return { what, headers, body, varied: [`${prefix}hmac-sha256`] };
}

export default {
  secret: "shpss_0123456789abcdef",
  wrong: "shpss_0123456789abcdee",
  requests: (secret) => [
    ...BODIES.map((body) => request(secret, "webhook", body, "x-shopify-")),
    ...BODIES.map((body) => request(secret, "event, of the newer headers", body, "shopify-")),
  ],
  async verify({ url, method, headers, body }, secret) {
    const rawRequest = { url, method, headers };
    const result = await api(secret).webhooks.validate({ rawBody: body.toString(), rawRequest });
    return result.valid;
  },
};
