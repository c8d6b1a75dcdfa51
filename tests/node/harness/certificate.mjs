// A self-made X.509 certificate: node can read them, but not make them.
import { sign } from "node:crypto";

function der(tag, ...parts) {
  const content = Buffer.concat(parts);
  const size = content.length;
  if (size < 0x80) return Buffer.concat([Buffer.from([tag, size]), content]);
  const digits = size.toString(16).padStart(size > 0xff ? 4 : 2, "0");
  const length = Buffer.from(digits, "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content]);
}

const SEQUENCE = 0x30;
const integer = (value) => der(0x02, Buffer.from([value]));
const time = (text) => der(0x17, Buffer.from(text));
const oid = (hex) => der(0x06, Buffer.from(hex, "hex"));

export function certificate({ privateKey, publicKey }, name) {
  const algorithm = der(SEQUENCE, oid("2a864886f70d01010b"), der(0x05)); // sha256WithRSAEncryption
  const called = der(SEQUENCE, der(0x31, der(SEQUENCE, oid("550403"), der(0x0c, Buffer.from(name)))));
  const body = der(
    SEQUENCE,
    der(0xa0, integer(2)),
    integer(1),
    algorithm,
    called,
    der(SEQUENCE, time("260101000000Z"), time("360101000000Z")),
    called,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const whole = der(SEQUENCE, body, algorithm, der(0x03, Buffer.from([0]), sign("sha256", body, privateKey)));
  const lines = whole.toString("base64").match(/.{1,64}/g).join("\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
