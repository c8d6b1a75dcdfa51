import { BODIES, hmac, inside } from "../harness/sign.mjs";

const Validator = inside("@adyen/api-library/lib/src/utils/hmacValidator.js").default;

const ITEMS = [
  {
    additionalData: {},
    amount: { currency: "EUR", value: 1130 },
    eventCode: "AUTHORISATION",
    eventDate: "2026-11-22T17:04:05+01:00",
    merchantAccountCode: "AcmeECOM",
    merchantReference: "order 1",
    originalReference: "",
    pspReference: "7914073381342284",
    success: "true",
  },
  {
    additionalData: {},
    amount: { currency: "USD", value: 0 },
    eventCode: "REFUND",
    merchantAccountCode: "AcmePOS",
    merchantReference: "order \u00fc",
    originalReference: "7914073381342284",
    pspReference: "8825408195409505",
    success: "false",
  },
];

function standard(key, items) {
  const validator = new Validator();
  const signed = items.map((item) => {
    const additionalData = { hmacSignature: validator.calculateHmac(item, key) };
    return { NotificationRequestItem: { ...item, additionalData } };
  });
  const body = Buffer.from(JSON.stringify({ live: "false", notificationItems: signed }));
  return { what: `${items.length} items signed by the library`, headers: {}, body, varied: [] };
}

export default {
  secret: "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
  wrong: "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA057",
  requests: (key) => [
    standard(key, ITEMS.slice(0, 1)),
    standard(key, ITEMS),
    ...BODIES.map((body) => ({
      what: "platform webhook",
      headers: { hmacsignature: hmac("sha256", Buffer.from(key, "hex"), body, "base64") },
      body,
      varied: ["hmacsignature"],
    })),
  ],
  verify({ body, headers }, key) {
    const validator = new Validator();
    if (headers.hmacsignature) return validator.validateHMACSignature(key, headers.hmacsignature, body.toString());
    const items = JSON.parse(body).notificationItems;
    return items.length > 0 && items.every((item) => validator.validateHMAC(item.NotificationRequestItem, key));
  },
};
