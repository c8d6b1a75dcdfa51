// A webhook gateway as an engineer would write it: Fastify, GitHub's own verifier, an event in JetStream before the 200.
// Usage: node fastify.mjs NATS_URL SECRET
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { verify } from "@octokit/webhooks-methods";
import Fastify from "fastify";

const [url, secret] = process.argv.slice(2);
const nats = await connect({ servers: url });
const manager = await jetstreamManager(nats);
await manager.streams.add({ name: "PEER", subjects: ["peer.>"] }).catch(() => {});
const stream = jetstream(nats);

const app = Fastify({ bodyLimit: 25 * 1024 * 1024 });
app.removeAllContentTypeParsers();
app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/webhooks/github", async (request, reply) => {
  const text = request.body.toString("utf8");
  if (!(await verify(secret, text, request.headers["x-hub-signature-256"] ?? ""))) {
    return reply.code(401).send({ error: "bad signature" });
  }
  const account = JSON.parse(text).installation?.id ?? "none";
  await stream.publish(`peer.github.${account}`, request.body, { msgID: `${account}-${request.headers["x-github-delivery"]}` });
  return reply.code(200).send();
});
await app.listen({ host: "127.0.0.1", port: 0 });
console.log(`127.0.0.1:${app.server.address().port}`);
