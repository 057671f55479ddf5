-- Sends the request that lies in the file named by the first argument, again and again, and prints the outcome as JSON.
function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  whole = file:read("*a")
  file:close()
end

function request()
  return whole
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d,"longest":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
