-- Posts one signed body again and again, each time as another delivery of GitHub's.
-- Environment: BENCH_BODY (a file), BENCH_SIGNATURE, BENCH_RUN (a word that no other run has).
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
local body = file:read("*a")
file:close()

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local before, after, count
function init()
  local host = wrk.host .. ":" .. wrk.port
  before = "POST /webhooks/github HTTP/1.1\r\nHost: " .. host .. "\r\nContent-Type: application/json\r\n"
    .. "User-Agent: GitHub-Hookshot/bench\r\nX-GitHub-Event: push\r\nX-Hub-Signature-256: "
    .. os.getenv("BENCH_SIGNATURE") .. "\r\nContent-Length: " .. #body
    .. "\r\nX-GitHub-Delivery: " .. os.getenv("BENCH_RUN") .. "-" .. number .. "-"
  after = "\r\n\r\n" .. body
  count = 0
end

function request()
  count = count + 1
  return before .. count .. after
end

function done(summary, latency)
  local errors = summary.errors
  local wrong = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "errors": %d, "p50_ms": %.4f, "p99_ms": %.4f, "p999_ms": %.4f}\n',
    summary.requests, summary.duration / 1e6, wrong,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
