import { createSign, generateKeyPairSync } from "node:crypto";
import https from "node:https";
import { Readable } from "node:stream";
import MessageValidator from "sns-validator";
import { certificate } from "../harness/certificate.mjs";

const pair = () => generateKeyPairSync("rsa", { modulusLength: 2048 });
const [own, other] = [pair(), pair()];
const HOST = "https://sns.eu-central-1.amazonaws.com";
const TOPIC = "arn:aws:sns:eu-central-1:123456789012:anvils";

// What stands at each address; the library's only way out.
const certificates = {
  [`${HOST}/SimpleNotificationService-own.pem`]: certificate(own, "sns.amazonaws.com"),
  [`${HOST}/SimpleNotificationService-other.pem`]: certificate(other, "sns.amazonaws.com"),
};
https.get = (url, answered) => {
  const text = certificates[url];
  const response = Readable.from(text ? [Buffer.from(text)] : []);
  response.statusCode = text ? 200 : 404;
  answered(response);
  return response;
};

const SIGNED = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

function request(what, version, message, key, changed) {
  const all = {
    MessageId: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    TopicArn: TOPIC,
    Timestamp: "2026-11-22T17:04:05.000Z",
    SignatureVersion: version,
    SigningCertURL: `${HOST}/SimpleNotificationService-own.pem`,
    ...message,
  };
  const text = SIGNED.filter((name) => name in all).map((name) => `${name}\n${all[name]}\n`).join("");
  all.Signature = createSign(version === "1" ? "RSA-SHA1" : "RSA-SHA256").update(text).sign(key.privateKey, "base64");
  const headers = { "content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": all.Type };
  return { what, headers, body: Buffer.from(JSON.stringify({ ...all, ...changed })) };
}

const notification = { Type: "Notification", Subject: "beep", Message: '{"a":"\u00fc\n"}' };
const confirmation = {
  Type: "SubscriptionConfirmation",
  Message: "You have chosen to subscribe.",
  Token: "2336412f37",
  SubscribeURL: `${HOST}/?Action=ConfirmSubscription&TopicArn=${TOPIC}&Token=2336412f37`,
};

export default {
  secret: "",
  values: { topic_arns: TOPIC },
  certificates,
  varied: [],
  requests() {
    const evil = "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-own.pem";
    return [
      request("version 1", "1", notification, own, {}),
      request("version 2", "2", notification, own, {}),
      request("a confirmation", "2", confirmation, own, {}),
      request("another's key", "2", notification, other, {}),
      request("the certificate of another key", "2", notification, own, {
        SigningCertURL: `${HOST}/SimpleNotificationService-other.pem`,
      }),
      request("a certificate from elsewhere", "2", notification, own, { SigningCertURL: evil }),
      request("a certificate by plain http", "2", notification, own, {
        SigningCertURL: `${HOST}/SimpleNotificationService-own.pem`.replace("https", "http"),
      }),
      request("an unknown version", "3", notification, own, {}),
    ];
  },
  verify: ({ body }) =>
    new Promise((resolve) => {
      new MessageValidator().validate(body.toString(), (error) => resolve(!error));
    }),
};
