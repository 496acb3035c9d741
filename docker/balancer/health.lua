-- The container's health check: `haproxy -f health.cfg` asks the balancer beside it, and ends with 0 where it answers 200.
-- HAProxy does this itself, since its image has no other HTTP client that can be relied on.
core.register_task(function()
  local answer = core.httpclient():get{url = "http://127.0.0.1:8405/health", timeout = 2000}
  os.exit(answer.status == 200 and 0 or 1)
end)
