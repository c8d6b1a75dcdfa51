import { BODIES, inside } from "../harness/sign.mjs";

const { Signature } = inside("@hubspot/api-client/lib/src/utils/signature.js");

const URL = "https://hooks.example.com/webhooks/hubspot?from=hubspot";

// The library takes all it needs from its caller, who takes it from the request.
function options({ method, url, body, headers }, clientSecret) {
  const timestamp = headers["x-hubspot-request-timestamp"];
  return { method, url, requestBody: body.toString(), clientSecret, timestamp };
}

function version(headers) {
  return "x-hubspot-signature-v3" in headers ? "v3" : headers["x-hubspot-signature-version"];
}

function request(secret, version, body) {
  const bare = { method: "POST", url: URL, body, headers: {} };
  if (version === "v3") bare.headers["x-hubspot-request-timestamp"] = String(Date.now());
  const signature = Signature.getSignature("POST", version, options(bare, secret));
  if (version === "v3") {
    bare.headers["x-hubspot-signature-v3"] = signature;
  } else {
    bare.headers["x-hubspot-signature-version"] = version;
    bare.headers["x-hubspot-signature"] = signature;
  }
  const varied = Object.keys(bare.headers);
  return { ...bare, what: `${version} signed by the library`, varied };
}

export default {
  secret: "1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d",
  wrong: "1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6e",
  url: URL,
  requests: (secret) =>
    ["v3", "v2", "v1"].flatMap((version) => BODIES.map((body) => request(secret, version, body))),
  verify(request, secret) {
    const signatureVersion = version(request.headers);
    const name = signatureVersion === "v3" ? "x-hubspot-signature-v3" : "x-hubspot-signature";
    if (!["v1", "v2", "v3"].includes(signatureVersion)) return false;
    return Signature.isValid({ ...options(request, secret), signatureVersion, signature: request.headers[name] });
  },
};
