import { parse } from "node:querystring";
import { digest, inside } from "../harness/sign.mjs";

const { getExpectedTwilioSignature, validateRequest, validateRequestWithBody } = inside("twilio/lib/webhooks/webhooks.js");

const URL = "https://hooks.example.com/webhooks/twilio?foo=1&bar=2";
const FORMS = [
  "AccountSid=AC0123456789abcdef0123456789abcdef&Body=Beep+beep&From=%2B15005550006&MessageSid=SM1&To=%2B15005550001",
  "Zed=last&Body=b&Body=a&Body=b&Empty=&Emoji=%F0%9F%9A%80&a=lower",
];
const JSON_BODY = '{"records": [ "\u00fc" ]}';

function form(secret, what, text, signedUrl, url) {
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    "x-twilio-signature": getExpectedTwilioSignature(secret, signedUrl, { ...parse(text) }),
  };
  return { what, url, headers, body: Buffer.from(text) };
}

export default {
  secret: "12345",
  wrong: "12346",
  url: URL,
  varied: ["x-twilio-signature"],
  requests(secret) {
    const withPort = URL.replace("example.com", "example.com:443");
    const json = `${URL}&bodySHA256=${digest("sha256", JSON_BODY, "hex")}`;
    return [
      ...FORMS.map((text) => form(secret, "form signed by the library", text, URL, URL)),
      form(secret, "the signed URL has the port", FORMS[0], withPort, URL),
      {
        what: "JSON signed by the library",
        url: json,
        headers: {
          "content-type": "application/json",
          "x-twilio-signature": getExpectedTwilioSignature(secret, json, {}),
        },
        body: Buffer.from(JSON_BODY),
      },
    ];
  },
  verify({ url, body, headers }, secret) {
    const signature = headers["x-twilio-signature"];
    return headers["content-type"] === "application/json"
      ? validateRequestWithBody(secret, signature, url, body.toString())
      : validateRequest(secret, signature, url, { ...parse(body.toString()) });
  },
};
