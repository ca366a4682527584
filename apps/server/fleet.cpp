#include "fleet.h"

#include <cstdio>

#include "fleet_scripts.h"

namespace espalier::server {

namespace {

RedisAddress address_of(const ServeOptions& options) {
  RedisAddress address = parse_redis_address(options.queue);
  if (!options.queue_password.empty()) address.password = options.queue_password;
  return address;
}

// The value of "name:value" in an answer to INFO; empty where there is none.
std::string value_in(const std::string& info, const std::string& name) {
  const std::string begin = "\n" + name + ":";
  const auto at = info.find(begin);
  if (at == std::string::npos) return {};
  const auto from = at + begin.size();
  return info.substr(from, info.find_first_of("\r\n", from) - from);
}

}  // namespace

Fleet::Fleet(const ServeOptions& options, const std::filesystem::path& cache,
             const std::function<void(const std::string&)>& warn)
    : redis_(address_of(options)) {
  check(warn);
  files_ = open_fleet_files({.results = options.results,
                             .endpoint = options.s3_endpoint,
                             .region = options.s3_region,
                             .access_key = options.s3_access_key,
                             .secret_key = options.s3_secret_key,
                             .cache = cache});
}

void Fleet::check(const std::function<void(const std::string&)>& warn) {
  const std::string name = "Redis at " + redis_.address().shown();
  std::string info;
  try {
    info = redis_.ask({"INFO"}).str();
  } catch (const RedisRefusal& refusal) {
    if (std::string(refusal.message()).find("NOPERM") == std::string::npos) throw;
  }
  int major = 0, minor = 0;
  if (std::sscanf(value_in(info, "redis_version").c_str(), "%d.%d", &major, &minor) == 2 &&  // NOLINT(cert-err34-c)
      (major < 6 || (major == 6 && minor < 2))) {
    throw Error(ErrorCode::unsupported, name + " is older than 6.2", "use a newer one");
  }
  if (value_in(info, "cluster_enabled") == "1")
    throw Error(ErrorCode::unsupported, name + " is a cluster, which cannot change several keys at once",
                "use one Redis, with a replica if you like");
  if (value_in(info, "aof_enabled") == "0")
    warn(name + " keeps no log on its disk, and loses the newest jobs when it ends suddenly; set appendonly yes");
  const std::string policy = value_in(info, "maxmemory_policy");
  if (!policy.empty() && policy != "noeviction" && value_in(info, "maxmemory") != "0")
    warn(name + " removes jobs when its memory is full (maxmemory-policy " + policy + "); set noeviction");
  const std::string key = kFleetPrefix + std::string("schema"), mine = std::to_string(kFleetVersion);
  (void)redis_.ask({"SET", key, mine, "NX"});
  if (const std::string found = redis_.ask({"GET", key}).str(); found != mine) {
    throw Error(ErrorCode::unsupported,
                name + " holds jobs of another version of Espalier (" + found.substr(0, 20) + ", this one has " + mine + ")",
                "use that version, or another database (redis://HOST/1)");
  }
}

}  // namespace espalier::server
