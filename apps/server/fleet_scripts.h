// What a fleet keeps in Redis, and the steps that change it, each of which happens whole or not at all.
//
// Keys (all begin with espalier:)
//   schema                 version of all of this
//   job:ID                 hash: job (the record as it was sent), state, attempt, begun, files, end, progress, and more
//   queue:LANE:PRIORITY:MODEL:OWNER
//                          stream of jobs that wait or run, with the consumer group "workers"; gone while it is empty
//   turns:LANE:PRIORITY:MODEL
//                          these streams, by who had a turn last: owners take turns
//   places:LANE:PRIORITY:MODEL:OWNER
//                          sorted set of the ids of the stream's jobs that wait, by place
//   exchanged:LANE:PRIORITY:MODEL:OWNER
//                          hash: which job and version a message of the stream stands for, where it is not its own, since the
//                          job was moved or another one before it
//   moved:LANE             set of ids of jobs that wait where somebody has moved them
//   jobs, state:STATE, owner:NAME, children:ID, waiting:LANE, ended
//                          sorted sets of ids: by sequence, of jobs that wait by place, of ended ones by time
//   wake:LANE              list with a word for each job that was added, which workers that have nothing to do wait for
//   workers, worker:NAME, models, model-order
//                          who works, and what for
//   events                 channel: {"version": 1, "job": ID, "event": "state" or "file"}
//   asks:NAME              channel of a worker: {"version": 1, "job": ID, "event": "cancel"}
//
// A message of a stream has version and job. An attempt at a job begins when a worker takes the message, or claims it because
// its consumer was silent for longer than the lease; attempts have numbers, and the first one that commits "done" is the job's
// end.
#pragma once

#include "redis.h"

namespace espalier::server {

inline constexpr int kFleetVersion = 1;
inline constexpr const char* kFleetPrefix = "espalier:";
inline constexpr int kMostBegins = 3;          // of a job whose workers are lost
inline constexpr int kWorkerSilence = 15'000;  // milliseconds after which a worker is taken for gone

struct FleetScripts {
  RedisScript add, take, beat, commit, release, cancel, remove, read, change, next_webhook, note_webhook, announce, survey;
};
[[nodiscard]] const FleetScripts& fleet_scripts();

}  // namespace espalier::server
