// Judges deliveries with npm standardwebhooks. Reads one {secret, headers, body_base64} a line, prints one verdict a
// line: "ok" or what the library said.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body_base64 } = JSON.parse(line);
  try {
    new Webhook(secret).verify(Buffer.from(body_base64, "base64"), headers);
    console.log("ok");
  } catch (error) {
    console.log(String(error.message).replaceAll("\n", " ") || "refused");
  }
}
