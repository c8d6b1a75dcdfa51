import { BODIES, hmac, inside, seconds } from "../harness/sign.mjs";

const { WebhookSignatureValidator } = inside("mercadopago/dist/utils/webhook/index.js");

const URL_ = "https://hooks.example.com/webhooks/mercado-pago?data.id=123456&type=payment";

export default {
  secret: "0123456789abcdef0123456789abcdef",
  wrong: "0123456789abcdef0123456789abcdee",
  url: URL_,
  varied: ["x-signature", "x-request-id"],
  requests: (secret) =>
    BODIES.map((body) => {
      const time = seconds();
      const id = "bb56a2f1-6aae-46ac-982e-9dcd3581d08e";
      const signature = hmac("sha256", secret, `id:123456;request-id:${id};ts:${time};`, "hex");
      return { what: "signed by node", headers: { "x-request-id": id, "x-signature": `ts=${time},v1=${signature}` }, body };
    }),
  verify({ url, headers }, secret) {
    const dataId = new URL(url).searchParams.get("data.id") ?? undefined;
    const [xSignature, xRequestId] = [headers["x-signature"], headers["x-request-id"]];
    WebhookSignatureValidator.validate({ xSignature, xRequestId, dataId, secret });
    return true;
  },
};
