#include "paces.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/json.h"
#include "http_message.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr double kLeast = 0.01, kMost = 1000.0;  // anything else is no measurement of a stage
constexpr std::uint64_t kMostBytes = 65536;
constexpr std::size_t kMostPlaces = 50;

}  // namespace

Paces::Paces(fs::path file) : file_(std::move(file)) {
  std::error_code error;
  if (fs::file_size(file_, error) > kMostBytes || error) return;
  std::ifstream in(file_, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  std::string problem;
  const Json json = read_json<Json>(text, {.bytes = kMostBytes, .values = 4000, .depth = 8}, problem);
  if (!problem.empty() || !json.is_object()) return;
  for (const auto& [place, stages] : json.items()) {
    if (!stages.is_object() || known_.size() >= kMostPlaces) continue;
    for (const auto& [id, factor] : stages.items()) {
      const auto stage = stage_from_id(id);
      if (stage && factor.is_number() && factor.get<double>() >= kLeast && factor.get<double>() <= kMost)
        known_[place][*stage] = factor.get<double>();
    }
  }
}

std::map<Stage, double> Paces::of(const std::string& place) const {
  const std::scoped_lock lock(mutex_);
  const auto found = known_.find(place);
  return found == known_.end() ? std::map<Stage, double>() : found->second;
}

void Paces::learn(const std::string& place, const std::vector<StageReport>& stages) {
  const std::scoped_lock lock(mutex_);
  if (known_.size() >= kMostPlaces && known_.find(place) == known_.end()) known_.clear();
  bool learned = false;
  for (const StageReport& stage : stages) {
    if (stage.assets > 1) continue;  // what several take together says little about one
    const double factor = stage.planned_seconds > 0.0 ? stage.seconds / stage.planned_seconds : 0.0;
    if (!(factor >= kLeast && factor <= kMost)) continue;
    const auto [at, first] = known_[place].emplace(stage.stage, factor);
    if (!first) at->second = std::sqrt(at->second * factor);
    learned = true;
  }
  if (learned) write();
}

void Paces::write() const {
  Json json = Json::object();
  for (const auto& [place, stages] : known_) {
    for (const auto& [stage, factor] : stages) json[place][std::string(stage_id(stage))] = factor;
  }
  const fs::path part = file_.string() + ".part";
  {
    std::ofstream out(part, std::ios::binary | std::ios::trunc);
    out << text_of(json) << '\n';
    if (!out.flush()) return;
  }
  std::error_code ignored;
  fs::rename(part, file_, ignored);
}

}  // namespace espalier::server
