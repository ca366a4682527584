#include "models/matting/plan.h"

#include <algorithm>
#include <limits>
#include <map>

#include "models/matting/operators.h"

namespace espalier {

MattingPlan read_operators(const std::string& label, const OnnxGraph& graph, std::int64_t height, std::int64_t width,
                           const std::vector<std::string>& wanted) {
  const std::vector<std::size_t> order = execution_order(label, graph);
  OperatorReader reader(label, graph);
  reader.begin(height, width);
  for (const std::size_t node : order) reader.add(graph.nodes[node]);
  if (graph.outputs.empty())
    fail(ErrorCode::format, label, ": the network has no output", hint("the graph is not valid, use the published file"));
  std::vector<int> outputs;
  for (const OnnxValue& output : graph.outputs) {
    const int map = reader.map_named(output.name);
    if (outputs.empty()) outputs.push_back(map);
  }
  if (!wanted.empty()) outputs.clear();
  for (const std::string& name : wanted) outputs.push_back(reader.map_named(name));
  MattingPlan plan = reader.take();
  plan.outputs = std::move(outputs);
  return plan;
}

namespace {

// How often each map is read, by steps or as a result.
std::vector<int> uses_of(const MattingPlan& plan) {
  std::vector<int> uses(plan.maps.size(), 0);
  for (const MattingStep& step : plan.steps) {
    for (const int map : step.inputs) ++uses[static_cast<std::size_t>(map)];
  }
  for (const int map : plan.outputs) ++uses[static_cast<std::size_t>(map)];
  return uses;
}

void drop_unused(MattingPlan& plan) {
  std::vector<bool> needed(plan.maps.size(), false);
  for (const int map : plan.outputs) needed[static_cast<std::size_t>(map)] = true;
  std::vector<MattingStep> kept;
  for (std::size_t i = plan.steps.size(); i-- > 0;) {
    MattingStep& step = plan.steps[i];
    if (!needed[static_cast<std::size_t>(step.output)]) continue;
    for (const int map : step.inputs) needed[static_cast<std::size_t>(map)] = true;
    kept.push_back(std::move(step));
  }
  std::reverse(kept.begin(), kept.end());
  plan.steps = std::move(kept);
}

// Whether `next` can become part of the convolution `step` that it alone reads.
bool joins(const MattingStep& step, const MattingStep& next) {
  if (step.kind != StepKind::convolution || step.activation != Activation::none) return false;
  if (next.kind == StepKind::batch_norm) return step.norm.scale == nullptr;
  return next.kind == StepKind::activate && next.activation == Activation::relu;
}

}  // namespace

void simplify_steps(MattingPlan& plan) {
  drop_unused(plan);
  const std::vector<int> uses = uses_of(plan);
  std::map<int, std::size_t> made_by;  // place in `kept`
  std::vector<MattingStep> kept;
  for (MattingStep& step : plan.steps) {
    const auto before = step.inputs.size() == 1 ? made_by.find(step.inputs[0]) : made_by.end();
    if (before != made_by.end() && uses[static_cast<std::size_t>(step.inputs[0])] == 1 && joins(kept[before->second], step)) {
      const std::size_t place = before->second;
      MattingStep& convolution = kept[place];
      if (step.kind == StepKind::batch_norm) convolution.norm = step.norm;
      if (step.kind == StepKind::activate) convolution.activation = step.activation;
      convolution.output = step.output;
      made_by[step.output] = place;
      continue;
    }
    made_by[step.output] = kept.size();
    kept.push_back(std::move(step));
  }
  plan.steps = std::move(kept);
}

namespace {

// A block of elements that maps lie in, one after another in time. Free parts by their begin, with their size.
class Block {
 public:
  // The smallest free part that is large enough; the block grows at its end when there is none.
  std::int64_t take(std::int64_t size) {
    auto best = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second >= size && (best == free_.end() || it->second < best->second)) best = it;
    }
    if (best == free_.end()) {
      // A free part at the end grows instead of being left.
      const bool grows = !free_.empty() && std::prev(free_.end())->first + std::prev(free_.end())->second == size_;
      const std::int64_t begin = grows ? std::prev(free_.end())->first : size_;
      if (grows) free_.erase(std::prev(free_.end()));
      size_ = begin + size;
      return begin;
    }
    const auto [begin, room] = *best;
    free_.erase(best);
    if (room > size) free_.emplace(begin + size, room - size);
    return begin;
  }
  void give(std::int64_t begin, std::int64_t size) {
    const auto next = free_.lower_bound(begin);
    if (next != free_.end() && begin + size == next->first) {
      size += next->second;
      free_.erase(next);
    }
    const auto after = free_.lower_bound(begin);
    if (after != free_.begin() && std::prev(after)->first + std::prev(after)->second == begin) {
      std::prev(after)->second += size;
    } else {
      free_.emplace(begin, size);
    }
  }
  [[nodiscard]] std::int64_t size() const { return size_; }

 private:
  std::map<std::int64_t, std::int64_t> free_;
  std::int64_t size_ = 0;
};

}  // namespace

void place_maps(const std::string& label, MattingPlan& plan) {
  constexpr std::int64_t kGrain = 128;                            // elements: every map begins at a multiple of 256 bytes
  constexpr std::int64_t kMostElements = std::int64_t{1} << 31U;  // 8 GiB of float32
  const auto at = [](int map) { return static_cast<std::size_t>(map); };
  const auto room = [&](int map) { return (plan.maps[at(map)].elements() + kGrain - 1) / kGrain * kGrain; };
  constexpr std::size_t kAlways = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> last(plan.maps.size(), 0);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    for (const int map : plan.steps[i].inputs) last[at(map)] = i;
  }
  for (const int map : plan.outputs) last[at(map)] = kAlways;
  plan.offsets.assign(plan.maps.size(), -1);
  Block block;
  plan.offsets[at(plan.input)] = block.take(room(plan.input));
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const MattingStep& step = plan.steps[i];
    const bool in_place = step.kind == StepKind::add || step.kind == StepKind::activate || step.kind == StepKind::batch_norm ||
                          step.kind == StepKind::round;
    std::vector<int> ending = step.inputs;
    std::sort(ending.begin(), ending.end());
    ending.erase(std::unique(ending.begin(), ending.end()), ending.end());
    ending.erase(std::remove_if(ending.begin(), ending.end(), [&](int map) { return last[at(map)] != i; }), ending.end());
    if (in_place && !ending.empty()) {
      plan.offsets[at(step.output)] = plan.offsets[at(ending.front())];
      ending.erase(ending.begin());
    } else {
      plan.offsets[at(step.output)] = block.take(room(step.output));
    }
    for (const int map : ending) block.give(plan.offsets[at(map)], room(map));
    if (block.size() > kMostElements) {
      fail(ErrorCode::unsupported, label, ": the network needs more than ", kMostElements >> 28U, " GiB for its feature maps");
    }
  }
  plan.elements = block.size();
}

MattingPlan plan_network(const std::string& label, const OnnxGraph& graph, std::int64_t height, std::int64_t width,
                         const std::vector<std::string>& wanted) {
  MattingPlan plan = read_operators(label, graph, height, width, wanted);
  simplify_steps(plan);
  place_maps(label, plan);
  return plan;
}

}  // namespace espalier
