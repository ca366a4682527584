#include "recipes/trellis_settings.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "samplers/reuse.h"

namespace espalier {

using nlohmann::json;

namespace {

void read_interval(const std::string& where, const json& params, Arguments& args, SamplerSettings& s) {
  s.interval_lo = 0.0;
  s.interval_hi = 1.0;
  if (args.has("cfg_interval")) {
    const json& interval = params["cfg_interval"];
    if (!interval.is_array() || interval.size() != 2 || !interval[0].is_number() || !interval[1].is_number())
      fail(ErrorCode::format, where, ": cfg_interval is not a pair of numbers");
    s.interval_lo = interval[0].get<double>();
    s.interval_hi = interval[1].get<double>();
  }
  args.ignore("cfg_interval");
}

SamplerSettings read_sampler(const std::string& where, const json& sampler) {
  SamplerSettings s;
  const std::string name = text_member(where, sampler, "name");
  static const std::set<std::string> known{"FlowEulerSampler", "FlowEulerCfgSampler", "FlowEulerGuidanceIntervalSampler"};
  if (known.count(name) == 0) {
    fail(ErrorCode::unsupported, where, ": sampler ", name, " is not known",
         hint("FlowEulerSampler, FlowEulerCfgSampler and FlowEulerGuidanceIntervalSampler are"));
  }
  Arguments args(where + ": args", json_member(where, sampler, "args"));
  s.sigma_min = args.number("sigma_min");
  args.finish();
  const json& all = json_member(where, sampler, "params");
  Arguments params(where + ": params", all);
  s.steps = static_cast<int>(params.integer_or("steps", 50, 1, 1000));
  s.rescale_t = params.number_or("rescale_t", 1.0);
  if (name != "FlowEulerSampler") {
    s.guided = true;
    s.strength = params.number_or("cfg_strength", 3.0);
  }
  if (name == "FlowEulerGuidanceIntervalSampler") read_interval(where, all, params, s);
  params.finish();
  check_settings(s, where);
  return s;
}

std::vector<float> read_floats(const std::string& where, const json& object, const char* key) {
  const json& v = json_member(where, object, key);
  if (!v.is_array() || v.empty() || v.size() > 4096) fail(ErrorCode::format, where, ": ", key, " is not a list of numbers");
  std::vector<float> out;
  for (const json& e : v) {
    if (!e.is_number()) fail(ErrorCode::format, where, ": ", key, ": expected numbers, found ", e.dump());
    out.push_back(static_cast<float>(e.get<double>()));
  }
  return out;
}

}  // namespace

TrellisSettings read_trellis_settings(const Checkpoint& checkpoint) {
  const std::string& where = checkpoint.where;
  const json& args = checkpoint.args;
  TrellisSettings s;
  s.structure = read_sampler(where + ": sparse_structure_sampler", json_member(where, args, "sparse_structure_sampler"));
  s.latent = read_sampler(where + ": slat_sampler", json_member(where, args, "slat_sampler"));
  const json& normalization = json_member(where, args, "slat_normalization");
  s.mean = read_floats(where, normalization, "mean");
  s.deviation = read_floats(where, normalization, "std");
  if (s.mean.size() != s.deviation.size())
    fail(ErrorCode::format, where, ": slat_normalization: mean and std differ in length");
  return s;
}

SamplerRequest app_structure_settings() {
  SamplerRequest r;
  r.steps = 12;
  r.guidance = 7.5;
  return r;
}
SamplerRequest app_latent_settings() {
  SamplerRequest r;
  r.steps = 12;
  r.guidance = 3.0;
  return r;
}

namespace {

// `kept` of the steps. A sampler that makes no more by itself stays as it is: its steps are too long for reuse. Where more than
// half of them go, velocities change much between two that are kept, and the solver makes up for it.
SamplerRequest fast_settings(int steps, int kept) {
  SamplerRequest r;
  if (steps <= kept) return r;
  r.steps = kept;
  r.solver = steps > 2 * kept ? Solver::multistep : Solver::euler;
  r.guidance_reuse = 2;
  return r;
}

}  // namespace

SamplerRequest fast_structure_settings(int steps) { return fast_settings(steps, 5); }
SamplerRequest fast_latent_settings(int steps) { return fast_settings(steps, 5); }

namespace {

// What the request leaves unset, of the preset.
SamplerRequest with_preset(SamplerRequest request, const SamplerRequest& preset) {
  if (!request.steps) request.steps = preset.steps;
  if (!request.guidance) request.guidance = preset.guidance;
  if (!request.rescale_t) request.rescale_t = preset.rescale_t;
  if (!request.interval) request.interval = preset.interval;
  if (!request.solver) request.solver = preset.solver;
  if (!request.reuse) request.reuse = preset.reuse;
  if (!request.reuse_order) request.reuse_order = preset.reuse_order;
  if (!request.guidance_reuse) request.guidance_reuse = preset.guidance_reuse;
  return request;
}

// Of a sampler of so many steps. Where nothing can be reused, for `turns` images that take turns or for repeated steps, the
// fast preset has fewer steps alone.
SamplerRequest preset_of(SamplerPreset preset, bool structure, int steps, int turns, int repeats) {
  if (preset == SamplerPreset::checkpoint) return {};
  if (preset == SamplerPreset::app) return structure ? app_structure_settings() : app_latent_settings();
  const SamplerRequest fast = structure ? fast_structure_settings(steps) : fast_latent_settings(steps);
  if (turns <= 1 && repeats <= 1) return fast;
  SamplerRequest fewer;
  fewer.steps = std::min(steps, std::max(fast.steps.value_or(steps), turns));
  return fewer;
}

SamplerSettings with_request(SamplerSettings s, const SamplerRequest& request, MultiImageMode mode) {
  if (request.steps) s.steps = *request.steps;
  if (request.guidance) {
    s.strength = *request.guidance;
    s.guided = true;
  }
  if (request.rescale_t) s.rescale_t = *request.rescale_t;
  if (request.interval) {
    s.interval_lo = (*request.interval)[0];
    s.interval_hi = (*request.interval)[1];
  }
  s.multi_image = mode;
  if (request.solver) s.solver = *request.solver;
  if (request.reuse) s.reuse = *request.reuse;
  if (request.reuse_order) s.reuse_order = *request.reuse_order;
  if (request.guidance_reuse) s.guidance_reuse = *request.guidance_reuse;
  return s;
}

}  // namespace

Samplers samplers_for(const TrellisSettings& settings, const Request& request, int images, int repeats) {
  const int turns = request.multi_image == MultiImageMode::stochastic ? images : 1;
  const auto made = [&](const SamplerSettings& own, const SamplerRequest& asked, bool structure) {
    const char* stage = structure ? "first stage (sparse structure)" : "second stage (structured latent)";
    const SamplerRequest preset = preset_of(request.preset, structure, own.steps, turns, repeats);
    const SamplerSettings s = with_request(own, with_preset(asked, preset), request.multi_image);
    check_settings(s, stage);
    check_reuse(s, images, repeats, stage);
    return s;
  };
  return {made(settings.structure, request.structure, true), made(settings.latent, request.latent, false)};
}

std::string describe(const SamplerSettings& s, int conditions) {
  std::string text = str("steps ", s.steps, ", guidance ", s.strength, ", rescale_t ", s.rescale_t, ", interval ",
                         s.interval_lo, " ", s.interval_hi);
  if (!reuses(s)) return text;
  return text + str(", solver ", s.solver == Solver::multistep ? "multistep" : "euler", ", reuse ", s.reuse, ", reuse_order ",
                    s.reuse_order, ", guidance_reuse ", s.guidance_reuse, ", evaluations ", evaluations(s, conditions));
}

}  // namespace espalier
