-- Posts signed bodies in turn again and again, each time as another delivery of GitHub's.
-- Environment: BENCH_BODIES (a file, a signature and a body to the line), BENCH_RUN (a word that no other run has).
local bodies = {}
for line in assert(io.open(os.getenv("BENCH_BODIES"), "rb")):lines() do
  local signature, body = line:match("^(%S+) (.*)$")
  bodies[#bodies + 1] = { signature = signature, body = body }
end

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local before, after, count
function init()
  local host = wrk.host .. ":" .. wrk.port
  before, after = {}, {}
  for n, one in ipairs(bodies) do
    before[n] = "POST /webhooks/github HTTP/1.1\r\nHost: " .. host .. "\r\nContent-Type: application/json\r\n"
      .. "User-Agent: GitHub-Hookshot/bench\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: "
      .. one.signature .. "\r\nContent-Length: " .. #one.body
      .. "\r\nX-GitHub-Delivery: " .. os.getenv("BENCH_RUN") .. "-" .. number .. "-"
    after[n] = "\r\n\r\n" .. one.body
  end
  count = 0
end

function request()
  count = count + 1
  local n = count % #bodies + 1
  return before[n] .. count .. after[n]
end

function done(summary, latency)
  local errors = summary.errors
  local wrong = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "errors": %d, "p50_ms": %.4f, "p99_ms": %.4f, "p999_ms": %.4f}\n',
    summary.requests, summary.duration / 1e6, wrong,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
