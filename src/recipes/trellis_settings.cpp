#include "recipes/trellis_settings.h"

#include <set>

#include "base/error.h"

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
  s.multi_image = mode == MultiImageMode::stochastic ? MultiImage::stochastic : MultiImage::multidiffusion;
  return s;
}

std::string describe(const SamplerSettings& s) {
  return str("steps ", s.steps, ", guidance ", s.strength, ", rescale_t ", s.rescale_t, ", interval ", s.interval_lo, " ",
             s.interval_hi);
}

}  // namespace espalier
