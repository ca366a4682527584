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
-- What belongs to a stream has its name without "espalier:queue:".
local function part(kind, stream) return P .. kind .. ':' .. stream:sub(16) end
local function drop(group, stream, entry)
  redis.pcall('XACK', stream, 'workers', entry)
  redis.pcall('XDEL', stream, entry)
  call('HDEL', part('exchanged', stream), entry)
  if call('EXISTS', stream) == 1 and redis.pcall('XLEN', stream) == 0 then call('DEL', stream) end
  if call('EXISTS', stream) == 0 then call('ZREM', P .. 'turns:' .. group, stream) end
end
local function append(group, stream, version, id)
  local fresh = call('EXISTS', stream) == 0
  redis.pcall('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
  local entry = call('XADD', stream, '*', 'version', version, 'job', id)
  if fresh then call('ZADD', P .. 'turns:' .. group, 'NX', call('INCR', P .. 'turn'), stream) end
  return entry
end
-- Job and version that a message stands for: its own, or, since a job was moved, another one's.
local function meaning(stream, entry, fields)
  local message = {}
  for i = 1, #fields, 2 do message[fields[i]] = fields[i + 1] end
  local exchanged = call('HGET', part('exchanged', stream), entry)
  if exchanged then return exchanged:sub(1, 24), exchanged:sub(26) end
  return message.job or '', message.version or ''
end
local function meaning_of(stream, entry)
  local found = redis.pcall('XRANGE', stream, entry, entry)
  if found.err or not found[1] then return '', '' end
  return meaning(stream, entry, found[1][2])
end
local function move(id, from, to, sequence)
  call('ZREM', P .. 'state:' .. from, id)
  call('ZADD', P .. 'state:' .. to, sequence, id)
end
local function wake(lane)
  call('LPUSH', P .. 'wake:' .. lane, '1')
  call('LTRIM', P .. 'wake:' .. lane, 0, 9999)
end
local function text_of(place) return string.format('%.0f', place) end
local function set_place(id, lane, stream, place)
  call('ZADD', P .. 'waiting:' .. lane, text_of(place), id)
  call('ZADD', part('places', stream), text_of(place), id)
end
local function join_queue(id, lane, owner, stream, place, moved)
  set_place(id, lane, stream, place)
  call('HINCRBY', P .. 'waits', owner, 1)
  if moved == '1' then call('SADD', P .. 'moved:' .. lane, id) end
end
local function leave_queue(id, lane, owner, stream)
  call('ZREM', P .. 'waiting:' .. lane, id)
  call('ZREM', part('places', stream), id)
  call('SREM', P .. 'moved:' .. lane, id)
  call('HINCRBY', P .. 'waits', owner, -1)
end
local function settle(id, state, finished, ending)
  local key = P .. 'job:' .. id
  local j = call('HMGET', key, 'state', 'sequence', 'lane', 'owner', 'stream', 'group', 'entry', 'webhook')
  call('HSET', key, 'state', state, 'finished', finished, 'end', ending, 'progress', '')
  call('HDEL', key, 'cancel')
  drop(j[6], j[5], j[7])
  move(id, j[1], state, j[2])
  if j[1] == 'queued' then leave_queue(id, j[3], j[4], j[5]) end
  call('ZADD', P .. 'ended', milliseconds(), id)
  call('HINCRBY', P .. 'counters', state, 1)
  if j[8] and j[8] ~= '' then call('ZADD', P .. 'webhooks', 0, id) end
  tell(id, 'state')
end
local kNormal = 1e15  -- added to the places of jobs that are not urgent
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
if priority ~= 'high' then place = sequence + kNormal end
local group = lane .. ':' .. priority .. ':' .. model
local stream = P .. 'queue:' .. group .. ':' .. owner
local entry = append(group, stream, ARGV[18], id)
call('HSET', key, 'job', ARGV[8], 'state', 'queued', 'created', created, 'started', '', 'finished', '', 'sequence', sequence,
  'place', text_of(place), 'lane', lane, 'owner', owner, 'parent', parent, 'stream', stream, 'group', group,
  'entry', entry, 'attempt', 0, 'begun', 0, 'files', '[]', 'end', '', 'progress', '', 'bytes', ARGV[16], 'webhook', ARGV[17],
  'request', request, 'name', ARGV[19], 'pinned', 0)
call('ZADD', P .. 'jobs', sequence, id)
call('ZADD', P .. 'state:queued', sequence, id)
join_queue(id, lane, owner, stream, place, '0')
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
local function look(id)
  return call('HMGET', P .. 'job:' .. id, 'state', 'cancel', 'begun', 'sequence', 'lane', 'owner', 'entry', 'stream')
end
-- Streams keep their order for ever. Where another job of the same one has the first place, the two exchange their messages.
local function first_instead(stream, entry, id, version)
  local first = call('ZRANGE', part('places', stream), 0, 0)[1]
  if not first or first == id or not call('ZSCORE', part('places', stream), id) then return id, version end
  local f = call('HMGET', P .. 'job:' .. first, 'state', 'entry')
  local other = f[2]
  local named, its = meaning_of(stream, other or '')
  if f[1] ~= 'queued' or named ~= first then return id, version end
  call('HSET', part('exchanged', stream), entry, first .. ' ' .. its, other, id .. ' ' .. version)
  call('HSET', P .. 'job:' .. first, 'entry', entry)
  call('HSET', P .. 'job:' .. id, 'entry', other)
  return first, its
end
local function give(group, stream, entry, fields)
  local id, version = meaning(stream, entry, fields)
  if #id ~= 24 or not id:match('^%x+$') or call('HEXISTS', P .. 'job:' .. id, 'entry') == 0 then
    wrong[#wrong + 1] = entry
    drop(group, stream, entry)
    return nil
  end
  local j = look(id)
  if has_ended(j[1]) or j[7] ~= entry or j[8] ~= stream then
    drop(group, stream, entry)
    return nil
  end
  if j[1] == 'queued' then
    id, version = first_instead(stream, entry, id, version)
    j = look(id)
  end
  local key = P .. 'job:' .. id
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
    leave_queue(id, j[5], j[6], stream)
  else
    call('HINCRBY', P .. 'counters', 'retried', 1)
  end
  tell(id, 'state')
  return {id, attempt, version, call('HGETALL', key)}
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
-- A job that somebody moved to the head of the list is next, whoever has a turn.
local function moved_first()
  if call('EXISTS', P .. 'moved:' .. lane) == 0 then return nil end
  local mine = {}
  for i = 7, #ARGV do mine[ARGV[i]] = true end
  for _, id in ipairs(call('ZRANGE', P .. 'waiting:' .. lane, 0, 99)) do
    local j = call('HMGET', P .. 'job:' .. id, 'stream', 'group')
    if j[2] and mine[j[2]:match('^[^:]*:[^:]*:(.*)$')] then
      if call('SISMEMBER', P .. 'moved:' .. lane, id) == 0 then return nil end
      return claim(j[2], j[1]) or read(j[2], j[1])
    end
  end
  return nil
end
local urgent = moved_first()
if urgent then return {urgent, wrong} end
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
local j = call('HMGET', key, 'state', 'attempt', 'stream', 'group', 'entry', 'lane', 'place', 'sequence', 'begun', 'owner', 'moved')
if j[1] ~= 'running' or j[2] ~= attempt then return 'lost' end
if ARGV[4] ~= '1' and tonumber(j[9]) >= tonumber(ARGV[5]) then return 'spent' end
if ARGV[4] == '1' then
  call('HINCRBY', key, 'begun', -1)
else
  call('HINCRBY', P .. 'counters', 'retried', 1)
end
call('HSET', key, 'state', 'queued', 'started', '', 'files', '[]', 'progress', '')
move(id, 'running', 'queued', j[8])
join_queue(id, j[6], j[10], j[3], tonumber(j[7]), j[11])
call('XCLAIM', j[3], 'workers', ARGV[3], 0, j[5], 'IDLE', 2000000000, 'JUSTID')
call('DEL', P .. 'swept:' .. j[4])
wake(j[6])
tell(id, 'state')
return 'queued'
)";

// id, time
constexpr const char* kCancel = R"(
local key = P .. 'job:' .. ARGV[1]
local j = call('HMGET', key, 'state', 'worker')
if j[1] == 'queued' then
  settle(ARGV[1], 'cancelled', ARGV[2], kCancelled)
  return 'cancelled'
end
if j[1] == 'running' then
  call('HSET', key, 'cancel', '1')
  call('PUBLISH', P .. 'asks:' .. (j[2] or ''), cjson.encode({version = 1, job = ARGV[1], event = 'cancel'}))
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

// id, how many jobs shall be ahead of it, or the job that it shall be before, or neither; field, value, ...
constexpr const char* kChange = R"(
local id, position, before = unpack(ARGV, 1, 3)
local key = P .. 'job:' .. id
local function score_at(waiting, rank)
  local found = rank >= 0 and call('ZRANGE', waiting, rank, rank, 'WITHSCORES') or {}
  return tonumber(found[2])
end
-- Gives the places of the jobs from one rank to another, and perhaps one more, in their order to these jobs and one more.
local function pass_on(lane, first, last, id_first, id_last, place)
  local ids, places = {id_first}, {}
  local list = call('ZRANGE', P .. 'waiting:' .. lane, first, last, 'WITHSCORES')
  for i = 1, #list, 2 do
    if list[i] ~= id then ids[#ids + 1] = list[i] end
    places[#places + 1] = tonumber(list[i + 1])
  end
  ids[#ids + 1] = id_last
  places[#places + 1] = place
  for i, each in ipairs(ids) do
    local stream = call('HGET', P .. 'job:' .. each, 'stream')
    call('HSET', P .. 'job:' .. each, 'place', text_of(places[i]))
    set_place(each, lane, stream, places[i])
  end
end
-- To the stream of the other priority.
local function change_stream(lane, high, j)
  local group = lane .. ':' .. (high and 'high' or 'normal') .. ':' .. j.group:match('^[^:]*:[^:]*:(.*)$')
  local stream = P .. 'queue:' .. group .. ':' .. j.owner
  local _, version = meaning_of(j.stream, j.entry)
  drop(j.group, j.stream, j.entry)
  call('ZREM', part('places', j.stream), id)
  call('HSET', key, 'stream', stream, 'group', group, 'entry', append(group, stream, version, id))
end
local function reorder()
  local state, lane, owner, stream, group, entry = unpack(call('HMGET', key, 'state', 'lane', 'owner', 'stream', 'group', 'entry'))
  if state ~= 'queued' then return state end
  local waiting = P .. 'waiting:' .. lane
  local from, to = call('ZRANK', waiting, id), nil
  if before ~= '' then
    to = call('ZRANK', waiting, before)
    if not to then return 'before' end
    if to > from then to = to - 1 end
  else
    to = math.min(tonumber(position), call('ZCARD', waiting) - 1)
  end
  call('SADD', P .. 'moved:' .. lane, id)
  call('HSET', key, 'moved', '1')
  if to == from then return nil end
  -- It keeps its priority, unless one of a lower one is ahead of it now, or one of a higher one behind it.
  local was_high = score_at(waiting, from) < kNormal
  local previous = score_at(waiting, to < from and to - 1 or to) or 0
  local following = score_at(waiting, to < from and to or to + 1) or kNormal * 2
  local high = was_high
  if not was_high and following < kNormal then high = true end
  if was_high and previous >= kNormal then high = false end
  if high == was_high then
    if to < from then pass_on(lane, to, from, id, nil, nil) else pass_on(lane, from, to, nil, id, nil) end
    return nil
  end
  change_stream(lane, high, {owner = owner, stream = stream, group = group, entry = entry})
  local fresh = call('INCR', P .. 'sequence')
  if high then
    pass_on(lane, to, call('ZCOUNT', waiting, '-inf', '(' .. text_of(kNormal)) - 1, id, nil, fresh)
  else
    pass_on(lane, to + 1, -1, id, nil, fresh + kNormal)
  end
  return nil
end
if call('EXISTS', key) == 0 then return 'none' end
if position ~= '' or before ~= '' then
  local problem = reorder()
  if problem then return problem end
end
for i = 4, #ARGV, 2 do call('HSET', key, ARGV[i], ARGV[i + 1]) end
tell(id, 'state')
return 'changed'
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
