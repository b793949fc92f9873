-- For wrk: sends the bodies of a file, one a line, in their order and over again, and ends with one
-- line of JSON after "crosscheck", since wrk's own figures are rounded.
--   wrk ... -s wrk_rotate.lua URL -- BODIES_FILE
local requests, position = {}, 0

function init(args)
   -- Whole requests are made beforehand: composing them would slow the client down.
   for body in io.lines(args[1]) do
      requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
   end
end

function request()
   position = position % #requests + 1
   return requests[position]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'crosscheck {"duration_us": %d, "requests": %d, "error_statuses": %d, "socket_errors": %d, ',
      summary.duration, summary.requests, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout
   ))
   io.write(string.format(
      '"p50_us": %d, "p99_us": %d}\n', latency:percentile(50), latency:percentile(99)
   ))
end
