// Ways to break a request, one at a time.

// Most places of one part that are changed.
const PLACES = 24;

export function* broken(request, varied, signsUrl) {
  const { url, headers, body } = request;
  for (const at of places(body.length)) {
    const changed = Buffer.from(body);
    changed[at] ^= 1;
    yield { what: `byte ${at} of the body changed`, request: { ...request, body: changed } };
  }
  yield { what: "a line feed after the body", request: { ...request, body: Buffer.concat([body, Buffer.from("\n")]) } };
  yield { what: "the body's last byte cut", request: { ...request, body: body.subarray(0, -1) } };
  yield { what: "no body", request: { ...request, body: Buffer.alloc(0) } };
  for (const name of varied) {
    if (!(name in headers)) continue;
    const { [name]: value, ...rest } = headers;
    yield { what: `no ${name}`, request: { ...request, headers: rest } };
    const unpadded = value.replace(/=+$/, "");
    if (unpadded !== value) {
      yield { what: `${name} unpadded`, request: { ...request, headers: { ...headers, [name]: unpadded } } };
    }
    yield { what: `${name} cut`, request: { ...request, headers: { ...headers, [name]: unpadded.slice(0, -1) } } };
    yield { what: `${name} longer`, request: { ...request, headers: { ...headers, [name]: `${value}0` } } };
    for (const at of places(value.length)) {
      const changed = { ...headers, [name]: flipped(value, at) };
      yield { what: `character ${at} of ${name} changed`, request: { ...request, headers: changed } };
    }
  }
  if (!signsUrl) return;
  const path = url.indexOf("/", "https://".length) + 1;
  for (const at of places(url.length - path)) {
    yield { what: `character ${path + at} of the URL changed`, request: { ...request, url: flipped(url, path + at) } };
  }
  yield { what: "a query more", request: { ...request, url: `${url}${url.includes("?") ? "&" : "?"}x=1` } };
}

// The first, the last, and some between.
function places(length) {
  if (length <= PLACES) return [...Array(length).keys()];
  return Array.from({ length: PLACES }, (_, n) => Math.round((n * (length - 1)) / (PLACES - 1)));
}

// One character changed to another that may stand in a header and in a URL.
function flipped(text, at) {
  const changed = String.fromCharCode(text.charCodeAt(at) ^ 1);
  return text.slice(0, at) + (/[\w+/=,.;:|&?-]/.test(changed) ? changed : "x") + text.slice(at + 1);
}
