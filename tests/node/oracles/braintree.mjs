import { parse } from "node:querystring";
import braintree from "braintree";

const PUBLIC = "integration_public_key";

const gateway = (privateKey) =>
  new braintree.BraintreeGateway({
    environment: braintree.Environment.Sandbox,
    merchantId: "integration_merchant_id",
    publicKey: PUBLIC,
    privateKey,
  });

const form = (signature, payload) =>
  Buffer.from(new URLSearchParams({ bt_signature: signature, bt_payload: payload }).toString());

export default {
  secret: "integration_private_key",
  wrong: "integration_private_kez",
  values: { public_key: PUBLIC },
  varied: [],
  requests(secret) {
    const { Kind } = braintree.WebhookNotification;
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const kinds = [Kind.SubscriptionWentPastDue, Kind.DisputeOpened, Kind.SubMerchantAccountApproved];
    const samples = kinds.map((kind) => gateway(secret).webhookTesting.sampleNotification(kind, "my_id"));
    const requests = samples.map(({ bt_signature, bt_payload }) => ({
      what: "signed by the library",
      headers,
      body: form(bt_signature, bt_payload),
    }));
    const [{ bt_signature, bt_payload }] = samples;
    requests.push(
      { what: "among others", headers, body: form(`another|aa&${bt_signature}`, bt_payload) },
      { what: "without the line feed that is signed", headers, body: form(bt_signature, bt_payload.trimEnd()) },
      { what: "of another public key", headers, body: form(bt_signature.replace(PUBLIC, "another"), bt_payload) },
    );
    return requests;
  },
  async verify({ body }, secret) {
    const { bt_signature, bt_payload } = parse(body.toString());
    return Boolean(await gateway(secret).webhookNotification.parse(bt_signature, bt_payload));
  },
};
