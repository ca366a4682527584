#include "fleet_scripts.h"

namespace espalier::server {

namespace {

// Every script begins with this.
constexpr const char* kCommon = R"(
local P = 'espalier:'
local call = redis.call
local function milliseconds()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function tell(id, event, file)
  call('PUBLISH', P .. 'events', cjson.encode({version = 1, job = id, event = event, file = file}))
end
local function has_ended(state) return state == 'done' or state == 'failed' or state == 'cancelled' end
local function drop(group, stream, entry)
  redis.pcall('XACK', stream, 'workers', entry)
  redis.pcall('XDEL', stream, entry)
  if call('EXISTS', stream) == 1 and redis.pcall('XLEN', stream) == 0 then call('DEL', stream) end
  if call('EXISTS', stream) == 0 then call('ZREM', P .. 'turns:' .. group, stream) end
end
local function move(id, from, to, sequence)
  call('ZREM', P .. 'state:' .. from, id)
  call('ZADD', P .. 'state:' .. to, sequence, id)
end
local function wake(lane)
  call('LPUSH', P .. 'wake:' .. lane, '1')
  call('LTRIM', P .. 'wake:' .. lane, 0, 9999)
end
local function leave_queue(id, lane, owner)
  call('ZREM', P .. 'waiting:' .. lane, id)
  call('HINCRBY', P .. 'waits', owner, -1)
end
local function settle(id, state, finished, ending)
  local key = P .. 'job:' .. id
  local j = call('HMGET', key, 'state', 'sequence', 'lane', 'owner', 'stream', 'group', 'entry', 'webhook')
  call('HSET', key, 'state', state, 'finished', finished, 'end', ending, 'progress', '')
  call('HDEL', key, 'cancel')
  drop(j[6], j[5], j[7])
  move(id, j[1], state, j[2])
  if j[1] == 'queued' then leave_queue(id, j[3], j[4]) end
  call('ZADD', P .. 'ended', milliseconds(), id)
  call('HINCRBY', P .. 'counters', state, 1)
  if j[8] and j[8] ~= '' then call('ZADD', P .. 'webhooks', 0, id) end
  tell(id, 'state')
end
local kCancelled = '{"error":null,"report":null,"notices":[]}'
)";

// id, lane, priority, model, owner, parent, created, job, most that wait, name and content of the request, what the owner may
// have waiting, and send in a day, the day, whether this one counts, bytes, webhook, version, name
constexpr const char* kAdd = R"(
local id, lane, priority, model, owner, parent, created = unpack(ARGV, 1, 7)
local request = ARGV[10]
local key = P .. 'job:' .. id
if call('EXISTS', key) == 1 then return {'added', id} end
if request ~= '' then
  local known = call('GET', P .. 'request:' .. request)
  if known then
    if known:sub(26) == ARGV[11] then return {'earlier', known:sub(1, 24)} end
    return {'conflict'}
  end
end
if call('ZCARD', P .. 'state:queued') >= tonumber(ARGV[9]) then return {'full', call('ZCARD', P .. 'state:running')} end
if parent ~= '' and call('EXISTS', P .. 'job:' .. parent) == 0 then return {'parent'} end
local sent = P .. 'sent:' .. ARGV[14] .. ':' .. owner
if owner ~= '' then
  local share, quota = tonumber(ARGV[12]), tonumber(ARGV[13])
  if share > 0 and tonumber(call('HGET', P .. 'waits', owner) or '0') >= share then return {'share'} end
  if ARGV[15] == '1' and quota > 0 and tonumber(call('GET', sent) or '0') >= quota then return {'quota'} end
end
local sequence = call('INCR', P .. 'sequence')
local place = sequence
if priority ~= 'high' then place = sequence + 1e15 end
local group = lane .. ':' .. priority .. ':' .. model
local stream = P .. 'queue:' .. group .. ':' .. owner
local fresh = call('EXISTS', stream) == 0
redis.pcall('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
local entry = call('XADD', stream, '*', 'version', ARGV[18], 'job', id)
if fresh then call('ZADD', P .. 'turns:' .. group, 'NX', call('INCR', P .. 'turn'), stream) end
call('HSET', key, 'job', ARGV[8], 'state', 'queued', 'created', created, 'started', '', 'finished', '', 'sequence', sequence,
  'place', string.format('%.0f', place), 'lane', lane, 'owner', owner, 'parent', parent, 'stream', stream, 'group', group,
  'entry', entry, 'attempt', 0, 'begun', 0, 'files', '[]', 'end', '', 'progress', '', 'bytes', ARGV[16], 'webhook', ARGV[17],
  'request', request, 'name', ARGV[19], 'pinned', 0)
call('ZADD', P .. 'jobs', sequence, id)
call('ZADD', P .. 'state:queued', sequence, id)
call('ZADD', P .. 'waiting:' .. lane, string.format('%.0f', place), id)
call('HINCRBY', P .. 'waits', owner, 1)
call('INCRBY', P .. 'bytes', ARGV[16])
if owner ~= '' then
  call('ZADD', P .. 'owner:' .. owner, sequence, id)
  if ARGV[15] == '1' then
    call('INCR', sent)
    call('EXPIRE', sent, 172800)
  end
end
if parent ~= '' then call('ZADD', P .. 'children:' .. parent, sequence, id) end
if request ~= '' then call('SET', P .. 'request:' .. request, id .. ' ' .. ARGV[11]) end
wake(lane)
return {'added', id}
)";

// lane, worker, lease, time, most begins, the end of a job that was begun too often, models
constexpr const char* kTake = R"(
local lane, worker, lease, now, most, spent = unpack(ARGV, 1, 6)
local wrong = {}
if call('EXISTS', P .. 'paused') == 1 then return {false, wrong} end
local function give(group, stream, entry, fields)
  local message = {}
  for i = 1, #fields, 2 do message[fields[i]] = fields[i + 1] end
  local id = message.job or ''
  local key = P .. 'job:' .. id
  if #id ~= 24 or not id:match('^%x+$') or call('HEXISTS', key, 'entry') == 0 then
    wrong[#wrong + 1] = entry
    drop(group, stream, entry)
    return nil
  end
  local j = call('HMGET', key, 'state', 'cancel', 'begun', 'sequence', 'lane', 'owner', 'entry', 'stream')
  if has_ended(j[1]) or j[7] ~= entry or j[8] ~= stream then
    drop(group, stream, entry)
    return nil
  end
  if j[2] == '1' then
    settle(id, 'cancelled', now, kCancelled)
    return nil
  end
  if tonumber(j[3]) >= tonumber(most) then
    settle(id, 'failed', now, spent)
    return nil
  end
  local attempt = call('HINCRBY', key, 'attempt', 1)
  call('HINCRBY', key, 'begun', 1)
  call('HSET', key, 'state', 'running', 'started', now, 'files', '[]', 'progress', '', 'worker', worker)
  if j[1] == 'queued' then
    move(id, 'queued', 'running', j[4])
    leave_queue(id, j[5], j[6])
  else
    call('HINCRBY', P .. 'counters', 'retried', 1)
  end
  tell(id, 'state')
  return {id, attempt, message.version or '', call('HGETALL', key)}
end
local function claim(group, stream)
  local cursor = '0-0'
  repeat
    if call('EXISTS', stream) == 0 then return nil end
    local r = call('XAUTOCLAIM', stream, 'workers', worker, lease, cursor, 'COUNT', 1)
    cursor = r[1]
    for _, e in ipairs(r[2]) do
      local given = e and e[2] and give(group, stream, e[1], e[2])
      if given then return given end
    end
  until cursor == '0-0'
  return nil
end
local function read(group, stream)
  while call('EXISTS', stream) == 1 do
    local r = call('XREADGROUP', 'GROUP', 'workers', worker, 'COUNT', 1, 'STREAMS', stream, '>')
    if not r then return nil end
    local e = r[1][2][1]
    local given = give(group, stream, e[1], e[2])
    if given then
      call('ZADD', P .. 'turns:' .. group, 'XX', call('INCR', P .. 'turn'), stream)
      return given
    end
  end
  return nil
end
for _, priority in ipairs({'high', 'normal'}) do
  for i = 7, #ARGV do
    local group = lane .. ':' .. priority .. ':' .. ARGV[i]
    local streams = call('ZRANGE', P .. 'turns:' .. group, 0, -1)
    local swept = P .. 'swept:' .. group
    if #streams > 0 and call('EXISTS', swept) == 0 then
      for _, stream in ipairs(streams) do
        local given = claim(group, stream)
        if given then return {given, wrong} end
      end
      call('SET', swept, '1', 'PX', 250)
    end
    for _, stream in ipairs(streams) do
      local given = read(group, stream)
      if given then return {given, wrong} end
    end
  end
end
return {false, wrong}
)";

// id, attempt, worker, progress, files, each file that is new
constexpr const char* kBeat = R"(
local key = P .. 'job:' .. ARGV[1]
local j = call('HMGET', key, 'state', 'attempt', 'cancel', 'stream', 'entry')
if not j[1] or has_ended(j[1]) then return 'stop' end
if j[1] == 'running' and j[2] == ARGV[2] then
  if ARGV[4] ~= '' then call('HSET', key, 'progress', ARGV[4]) end
  if ARGV[5] ~= '' then call('HSET', key, 'files', ARGV[5]) end
  call('XCLAIM', j[4], 'workers', ARGV[3], 0, j[5], 'JUSTID')
  for i = 6, #ARGV do tell(ARGV[1], 'file', ARGV[i]) end
end
if j[3] == '1' then return 'cancel' end
return 'go'
)";

// id, attempt, state, time, end, files, bytes
constexpr const char* kCommit = R"(
local id, attempt = ARGV[1], ARGV[2]
local key = P .. 'job:' .. id
local j = call('HMGET', key, 'state', 'attempt', 'winner')
if not j[1] then return {'lost', 0} end
if has_ended(j[1]) then
  if j[3] == attempt then return {'won', j[2]} end
  return {'lost', j[2]}
end
if ARGV[3] ~= 'done' and j[2] ~= attempt then return {'lost', j[2]} end
call('HSET', key, 'files', ARGV[6], 'winner', attempt)
call('HINCRBY', key, 'bytes', ARGV[7])
call('INCRBY', P .. 'bytes', ARGV[7])
settle(id, ARGV[3], ARGV[4], ARGV[5])
return {'won', j[2]}
)";

// id, attempt, worker, 1: as if it had not run, most begins
constexpr const char* kRelease = R"(
local id, attempt = ARGV[1], ARGV[2]
local key = P .. 'job:' .. id
local j = call('HMGET', key, 'state', 'attempt', 'stream', 'group', 'entry', 'lane', 'place', 'sequence', 'begun', 'owner')
if j[1] ~= 'running' or j[2] ~= attempt then return 'lost' end
if ARGV[4] ~= '1' and tonumber(j[9]) >= tonumber(ARGV[5]) then return 'spent' end
if ARGV[4] == '1' then
  call('HINCRBY', key, 'begun', -1)
else
  call('HINCRBY', P .. 'counters', 'retried', 1)
end
call('HSET', key, 'state', 'queued', 'started', '', 'files', '[]', 'progress', '')
move(id, 'running', 'queued', j[8])
call('ZADD', P .. 'waiting:' .. j[6], j[7], id)
call('HINCRBY', P .. 'waits', j[10], 1)
call('XCLAIM', j[3], 'workers', ARGV[3], 0, j[5], 'IDLE', 2000000000, 'JUSTID')
call('DEL', P .. 'swept:' .. j[4])
wake(j[6])
tell(id, 'state')
return 'queued'
)";

// id, time
constexpr const char* kCancel = R"(
local key = P .. 'job:' .. ARGV[1]
local state = call('HGET', key, 'state')
if state == 'queued' then
  settle(ARGV[1], 'cancelled', ARGV[2], kCancelled)
  return 'cancelled'
end
if state == 'running' then
  call('HSET', key, 'cancel', '1')
  return 'asked'
end
return 'neither'
)";

// id, 1: only if nobody has pinned it
constexpr const char* kRemove = R"(
local id = ARGV[1]
local key = P .. 'job:' .. id
local j = call('HMGET', key, 'state', 'owner', 'parent', 'bytes', 'request', 'pinned')
if not j[1] then return 'none' end
if not has_ended(j[1]) then return 'runs' end
if ARGV[2] == '1' and j[6] == '1' then return 'pinned' end
for _, child in ipairs(call('ZRANGE', P .. 'children:' .. id, 0, -1)) do
  local c = call('HMGET', P .. 'job:' .. child, 'state', 'lane', 'pinned')
  if c[1] and c[2] == 'exports' and not has_ended(c[1]) then return 'needed' end
  if c[1] and ARGV[2] == '1' and c[3] == '1' then return 'pinned' end
end
call('SADD', P .. 'trash', id)
call('DEL', key, P .. 'children:' .. id)
call('ZREM', P .. 'jobs', id)
call('ZREM', P .. 'state:' .. j[1], id)
call('ZREM', P .. 'ended', id)
call('ZREM', P .. 'webhooks', id)
if j[2] ~= '' then call('ZREM', P .. 'owner:' .. j[2], id) end
if j[3] ~= '' then call('ZREM', P .. 'children:' .. j[3], id) end
if j[5] ~= '' then call('DEL', P .. 'request:' .. j[5]) end
call('DECRBY', P .. 'bytes', j[4])
return 'removed'
)";

// ids
constexpr const char* kRead = R"(
local found = {}
for i, id in ipairs(ARGV) do
  local fields = call('HGETALL', P .. 'job:' .. id)
  local ahead = -1
  if #fields > 0 and call('HGET', P .. 'job:' .. id, 'state') == 'queued' then
    ahead = call('ZRANK', P .. 'waiting:' .. call('HGET', P .. 'job:' .. id, 'lane'), id) or -1
  end
  found[i] = {id, ahead, fields}
end
return found
)";

// id, field, value, ...
constexpr const char* kChange = R"(
local key = P .. 'job:' .. ARGV[1]
if call('EXISTS', key) == 0 then return 0 end
for i = 2, #ARGV, 2 do call('HSET', key, ARGV[i], ARGV[i + 1]) end
tell(ARGV[1], 'state')
return 1
)";

// time, how long whoever takes the message has it to himself, ids that are not meant
constexpr const char* kNextWebhook = R"(
local taken = {}
for i = 3, #ARGV do taken[ARGV[i]] = true end
local now = tonumber(ARGV[1])
local list = call('ZRANGE', P .. 'webhooks', 0, #ARGV, 'WITHSCORES')
for i = 1, #list, 2 do
  local id, due = list[i], tonumber(list[i + 1])
  if not taken[id] then
    local j = call('HMGET', P .. 'job:' .. id, 'webhook', 'webhook_tries')
    if not j[1] then
      call('ZREM', P .. 'webhooks', id)
    else
      if due <= now then call('ZADD', P .. 'webhooks', now + tonumber(ARGV[2]), id) end
      return {id, j[1], j[2] or '0', string.format('%.0f', due)}
    end
  end
end
return {}
)";

// id, result, tries, due, problem
constexpr const char* kNoteWebhook = R"(
local key = P .. 'job:' .. ARGV[1]
if call('EXISTS', key) == 0 then return 0 end
call('HSET', key, 'webhook_result', ARGV[2], 'webhook_tries', ARGV[3], 'webhook_due', ARGV[4], 'webhook_problem', ARGV[5])
if ARGV[2] == 'waiting' then
  call('ZADD', P .. 'webhooks', ARGV[4], ARGV[1])
else
  call('ZREM', P .. 'webhooks', ARGV[1])
end
return 1
)";

// worker, what is said of it (empty: it leaves), how long that holds, then name and facts of each model
constexpr const char* kAnnounce = R"(
local now = milliseconds()
if ARGV[2] == '' then
  call('DEL', P .. 'worker:' .. ARGV[1])
  call('ZREM', P .. 'workers', ARGV[1])
  return 1
end
call('SET', P .. 'worker:' .. ARGV[1], ARGV[2], 'PX', ARGV[3])
call('ZADD', P .. 'workers', now, ARGV[1])
for i = 4, #ARGV, 2 do
  call('HSET', P .. 'models', ARGV[i], ARGV[i + 1])
  call('ZADD', P .. 'model-order', 'NX', now + i, ARGV[i])
end
return 1
)";

// after how long a worker is gone
constexpr const char* kSurvey = R"(
call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', milliseconds() - tonumber(ARGV[1]))
local workers, models = {}, {}
for _, name in ipairs(call('ZRANGE', P .. 'workers', 0, -1)) do
  workers[#workers + 1] = name
  workers[#workers + 1] = call('GET', P .. 'worker:' .. name) or ''
end
for _, name in ipairs(call('ZRANGE', P .. 'model-order', 0, -1)) do
  models[#models + 1] = call('HGET', P .. 'models', name) or ''
end
local counts = {}
for _, state in ipairs({'queued', 'running', 'done', 'failed', 'cancelled'}) do
  counts[#counts + 1] = call('ZCARD', P .. 'state:' .. state)
end
local totals = call('HMGET', P .. 'counters', 'done', 'failed', 'cancelled', 'retried')
local oldest = call('ZRANGE', P .. 'state:queued', 0, 0)
local created = oldest[1] and call('HGET', P .. 'job:' .. oldest[1], 'created') or ''
return {workers, models, counts, totals, call('EXISTS', P .. 'paused'), call('GET', P .. 'bytes') or '0', created}
)";

RedisScript script(const char* text) { return RedisScript(std::string(kCommon) + text); }

}  // namespace

const FleetScripts& fleet_scripts() {
  static const FleetScripts scripts{script(kAdd),     script(kTake),        script(kBeat),        script(kCommit),
                                    script(kRelease), script(kCancel),      script(kRemove),      script(kRead),
                                    script(kChange),  script(kNextWebhook), script(kNoteWebhook), script(kAnnounce),
                                    script(kSurvey)};
  return scripts;
}

}  // namespace espalier::server
