-- Holds a new replica back until a check of it has passed.
--
-- HAProxy counts a server that DNS has just named as up until a check fails, so that it would get requests at once
-- (`init-state down` is there from 3.1 on). In the backend `ready` such a server has the weight 0, which means none, until
-- this has marked it as down; from then on the checks decide.
-- https://docs.haproxy.org/lua-api/3.0/: core.event_sub, Server
core.event_sub({"SERVER_ADMIN"}, function(event, data)
  local server = data.reference
  if data.proxy_name ~= "ready" or server == nil then
    return
  end
  -- RMAINT: DNS names no address for this place.
  if data.admin.new_admin.RMAINT then
    server:set_weight("0")
  elseif data.admin.old_admin.RMAINT then
    server:check_force_down()
    server:set_weight("1")
  end
end)
