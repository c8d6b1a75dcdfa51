// Receivers as their frameworks' tutorials write them, and receivers that verify with a sender's own library. Prints the
// port once it listens. What they got is told under /report; POST /keys changes what the verifying ones know.
import express from "express";
import fastify from "fastify";
import { Nango } from "@nangohq/node";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const { secret, nango } = JSON.parse(process.argv[2]);
let keys = { secret, nango };
const report = {};

function note(name, id, error) {
  const entry = (report[name] ??= { accepted: 0, refused: 0, ids: {}, errors: [] });
  if (error === undefined) {
    entry.accepted += 1;
    entry.ids[id] = (entry.ids[id] ?? 0) + 1;
  } else {
    entry.refused += 1;
    entry.errors.push(String(error).slice(0, 200));
  }
  return error === undefined ? 204 : 400;
}

function judged(name, id, verify) {
  try {
    verify();
    return note(name, id);
  } catch (error) {
    return note(name, id, error);
  }
}

const verifiers = express();
verifiers.get("/report", (_, res) => res.json(report));
verifiers.post("/keys", express.json(), (req, res) => {
  keys = { ...keys, ...req.body };
  res.sendStatus(204);
});
verifiers.use(express.raw({ type: () => true, limit: "5mb" }));
verifiers.post("/standardwebhooks", (req, res) => {
  res.sendStatus(judged("standardwebhooks", req.headers["webhook-id"], () => new Standard(keys.secret).verify(req.body, req.headers)));
});
verifiers.post("/raw", (req, res) => {
  const facts = req.headers["ce-type"]?.startsWith("github.") && req.headers["ce-id"] === req.headers["webhook-id"];
  res.sendStatus(judged("raw", req.headers["webhook-id"], () => {
    if (!facts) throw new Error("no facts in the headers");
    new Standard(keys.secret).verify(req.body, req.headers);
  }));
});
verifiers.post("/svix", (req, res) => {
  res.sendStatus(judged("svix", req.headers["webhook-id"], () => new Svix(keys.secret).verify(req.body, req.headers)));
});
verifiers.post("/nango", (req, res) => {
  res.sendStatus(judged("nango", req.headers["webhook-id"], () => {
    const body = req.body.toString("utf8");
    // One signature a delivery: while the key changes the receiver knows both.
    const known = keys.nango.map((key) => new Nango({ secretKey: "not used here", webhookSigningKey: key }));
    if (!known.some((nango) => nango.verifyIncomingWebhookRequest(body, req.headers))) throw new Error("refused");
    const { connectionId, from, type } = JSON.parse(body);
    if (!connectionId || from !== "github" || type !== "forward") throw new Error("another body");
  }));
});

// https://expressjs.com/en/5x/api.html#express.json
const app = express();
app.use(express.json());
app.post("/webhooks", (req, res) => {
  res.sendStatus(note("express", req.body.id, req.body.data?.action ? undefined : "no body"));
});

// https://fastify.dev/docs/latest/Guides/Getting-Started/#parsing-the-request
const server = fastify();
server.post("/webhooks", async (request, reply) => {
  reply.code(note("fastify", request.body.id, request.body.data?.action ? undefined : "no body"));
});

const listening = (of) => new Promise((done) => {
  const http = of.listen(0, "127.0.0.1", () => done(http.address().port));
});
const ports = { verifiers: await listening(verifiers), express: await listening(app) };
await server.listen({ port: 0, host: "127.0.0.1" });
ports.fastify = server.server.address().port;
console.log(JSON.stringify(ports));
