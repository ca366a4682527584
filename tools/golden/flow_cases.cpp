// Cases of the two flow models and their samplers.
#include <algorithm>

#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/structured_latent_flow.h"
#include "nn/backends.h"
#include "ops/elementwise.h"
#include "runner.h"
#include "samplers/flow_euler.h"

namespace espalier::golden {
namespace {

bool starts(const Case& c, const char* prefix) { return c.name().rfind(prefix, 0) == 0; }

// One context per row of a golden condition [conditions, tokens, channels].
template <class Dev, class T, class Flow>
std::vector<Context<Dev, T>> contexts_of(Bench<Dev>& b, const Flow& flow, const std::vector<float>& cond,
                                         const std::vector<std::int64_t>& s) {
  std::vector<Context<Dev, T>> out;
  const auto all = b.template put<float, 2>(cond, {s[0] * s[1], s[2]});
  for (std::int64_t i = 0; i < s[0]; ++i)
    out.push_back(flow.transformer().condition(b.queue, b.arena, all.rows(i * s[1], s[1])));
  return out;
}

template <class Dev, class T>
std::vector<const Context<Dev, T>*> pointers(const std::vector<Context<Dev, T>>& contexts, std::int64_t batch) {
  std::vector<const Context<Dev, T>*> out;
  for (std::int64_t i = 0; i < batch; ++i) out.push_back(&contexts[contexts.size() == 1 ? 0 : static_cast<std::size_t>(i)]);
  return out;
}

// What a case leaves out has the reference's default: no guidance without a strength, all times without an interval.
SamplerSettings settings_of(Case& c) {
  SamplerSettings s;
  const nlohmann::json& spec = c.spec();
  s.steps = static_cast<int>(c.number("steps"));
  s.rescale_t = spec.value("rescale_t", 1.0);
  s.sigma_min = spec.value("sigma_min", 1e-5);
  s.guided = spec.contains("cfg_strength") && !spec.at("cfg_strength").is_null();
  if (s.guided) s.strength = c.number("cfg_strength");
  if (spec.contains("cfg_interval") && !spec.at("cfg_interval").is_null()) {
    s.interval_lo = spec.at("cfg_interval").at(0).get<double>();
    s.interval_hi = spec.at("cfg_interval").at(1).get<double>();
  }
  return s;
}

// The two models behind one face: how to run a batch of states under one context.
template <class Dev, class T>
struct StructureModel {
  using Model = SparseStructureFlow<Dev, T>;
  std::unique_ptr<Loaded<Model, Dev>> loaded;
  std::int64_t samples = 1;
  TokenLayout<Dev> layout;

  StructureModel(Bench<Dev>& b, const ModuleSource& m, MatrixFormat format)
      : loaded(load_model<Model>(b.queue, *m.tensors, SparseStructureFlowConfig::from(m.arguments()), format)) {}
  void prepare(Bench<Dev>& b, std::int64_t batch) {
    samples = batch;
    layout = loaded->model->layout(b.queue, b.arena, batch);
  }
  void forward(Bench<Dev>& b, View<Dev, const float, 1> x, View<Dev, const float, 1> t,
               std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 1> out, Probe<Dev>* probe) const {
    const auto& cfg = loaded->model->config();
    const Extents<5> in{samples, cfg.in_channels, cfg.resolution, cfg.resolution, cfg.resolution};
    const Extents<5> back{samples, cfg.out_channels, cfg.resolution, cfg.resolution, cfg.resolution};
    loaded->model->forward(b.queue, x.template reshape<5>(in), t, layout, contexts, out.template reshape<5>(back), probe);
  }
};

template <class Dev, class T>
struct LatentModel {
  using Model = StructuredLatentFlow<Dev, T>;
  std::unique_ptr<Loaded<Model, Dev>> loaded;
  std::int64_t samples = 1;
  LatentStructure<Dev> structure;

  LatentModel(Bench<Dev>& b, const ModuleSource& m, MatrixFormat format)
      : loaded(load_model<Model>(b.queue, *m.tensors, StructuredLatentFlowConfig::from(m.arguments()), format)) {}
  void prepare(Bench<Dev>& b, const std::vector<std::int32_t>& coords, std::int64_t batch) {
    samples = batch;
    structure = loaded->model->prepare(b.queue, b.arena, make_voxels(coords, batch, loaded->model->config().resolution));
  }
  void forward(Bench<Dev>& b, View<Dev, const float, 1> x, View<Dev, const float, 1> t,
               std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 1> out, Probe<Dev>* probe) const {
    const std::int64_t rows = structure.levels[0].rows;
    loaded->model->forward(b.queue, x.template reshape<2>({rows, x.size() / rows}), t, structure, contexts,
                           out.template reshape<2>({rows, out.size() / rows}), probe);
  }
};

// Forwards at the golden times; one time per forward when there is one sample, one time per sample otherwise.
template <class Dev, class T, class M>
void run_forwards(Bench<Dev>& b, Case& c, const M& model) {
  const auto x_host = c.floats("x");
  const auto t_host = c.floats("t");
  const auto cs = c.shape("cond");
  const auto contexts = contexts_of<Dev, T>(b, *model.loaded->model, c.floats("cond"), cs);
  const auto x = b.template put<float, 1>(x_host, {static_cast<std::int64_t>(x_host.size())});
  const auto& cfg = model.loaded->model->config();
  auto y = b.arena.template take<float, 1>({x.size() / cfg.in_channels * cfg.out_channels});
  const auto used = pointers(contexts, model.samples);
  const bool batched = c.has("y");
  const std::size_t runs = batched ? 1 : t_host.size();
  for (std::size_t i = 0; i < runs; ++i) {
    const std::vector<float> times = batched ? t_host : std::vector<float>(static_cast<std::size_t>(model.samples), t_host[i]);
    const auto t = b.template put<float, 1>(times, {model.samples});
    Recorder<Dev> recorder;
    model.forward(b, x, t, used, y, &recorder);
    if (i == std::min<std::size_t>(1, runs - 1)) recorder.compare(c, "mid");  // the folder keeps those of the second time
    c.compare(batched ? "y" : str("y", i), b.get(y));
  }
}

// Both flows under one condition, each once.
template <class Dev, class T>
void run_text_flows(Bench<Dev>& b, Case& c) {
  StructureModel<Dev, T> structure(b, c.manifest().module(c.spec().at("checkpoint").get<std::string>()), c.format());
  structure.prepare(b, c.shape("x")[0]);
  run_forwards<Dev, T>(b, c, structure);
  LatentModel<Dev, T> latent(b, c.manifest().module(c.spec().at("slat_checkpoint").get<std::string>()), c.format());
  const auto coords = c.ints("coords");
  latent.prepare(b, coords, batch_of(coords));
  const auto contexts = contexts_of<Dev, T>(b, *latent.loaded->model, c.floats("cond"), c.shape("cond"));
  const auto x = c.floats("slat_x");
  const auto t = c.floats("t");
  auto y = b.arena.template take<float, 1>(
      {static_cast<std::int64_t>(coords.size() / 4) * latent.loaded->model->config().out_channels});
  latent.forward(
      b, b.template put<float, 1>(x, {static_cast<std::int64_t>(x.size())}),
      b.template put<float, 1>(std::vector<float>(static_cast<std::size_t>(latent.samples), t.at(0)), {latent.samples}),
      pointers(contexts, latent.samples), y, nullptr);
  c.compare("slat_y", b.get(y));
}

// What a sampler evaluates: for each branch the context of every sample.
template <class Dev, class T>
struct Conditions {
  std::vector<Context<Dev, T>> held, negative;
  std::vector<std::vector<const Context<Dev, T>*>> branches;  // the positive ones
  std::vector<const Context<Dev, T>*> against;                // the negative one
};

// Samples from golden noise and compares the trajectory.
template <class Dev, class T, class M>
std::vector<float> run_sampler(Bench<Dev>& b, Case& c, const M& model, const SamplerSettings& settings,
                               const std::vector<float>& noise, const Conditions<Dev, T>& conditions, bool trajectory) {
  const auto n = static_cast<std::int64_t>(noise.size());
  const auto x = b.template put<float, 1>(noise, {n});
  const auto times = flow_times(settings.steps, settings.rescale_t);
  const Velocity<Dev> velocity = [&](View<Dev, const float, 1> state, double t, std::span<const int> branches,
                                     View<Dev, float, 2> out) {
    const Frame<Dev> frame(b.arena);
    const auto t_view = b.template put<float, 1>(
        std::vector<float>(static_cast<std::size_t>(model.samples), static_cast<float>(1000.0 * t)), {model.samples});
    for (std::size_t i = 0; i < branches.size(); ++i) {
      const auto& used =
          branches[i] == kNegative ? conditions.against : conditions.branches[static_cast<std::size_t>(branches[i])];
      model.forward(b, state, t_view, used, View<Dev, float, 1>(out.data() + static_cast<std::int64_t>(i) * n, {n}), nullptr);
    }
  };
  sample_flow<Dev>(b.queue, x, settings, static_cast<int>(conditions.branches.size()), velocity, [&](const StepReport<Dev>& r) {
    if (!trajectory) return;
    c.compare(str("x_t", r.step), b.get(r.x));
    const std::string name = str("pred_x_0_", r.step);
    const std::string last = r.step + 1 == r.steps ? "pred_x_0_last" : name;
    if (!c.has(name) && !c.has(last)) return;
    // x_0 = (1 - s) x_t - (s + (1 - s) t) v, with x_t from before the step.
    const auto after = b.get(r.x);
    const auto v = b.get(r.velocity);
    const double dt = r.t - times[static_cast<std::size_t>(r.step) + 1];
    std::vector<double> x0(after.size());
    for (std::size_t i = 0; i < x0.size(); ++i) {
      x0[i] = (1 - settings.sigma_min) * (after[i] + dt * v[i]) - (settings.sigma_min + (1 - settings.sigma_min) * r.t) * v[i];
    }
    c.compare(name, x0);
    if (last != name) c.compare(last, x0);
  });
  return b.get(x);
}

// The conditions `name` [conditions, tokens, channels]: alternatives of several images, or one that all samples share,
// or one per sample. The negative condition is zero where the case has none.
template <class Dev, class T, class Flow>
Conditions<Dev, T> conditions_of(Bench<Dev>& b, Case& c, const Flow& flow, const std::string& name, std::int64_t samples,
                                 bool alternatives) {
  Conditions<Dev, T> out;
  out.held = contexts_of<Dev, T>(b, flow, c.floats(name), c.shape(name));
  if (c.has("neg_cond")) {
    out.negative = contexts_of<Dev, T>(b, flow, c.floats("neg_cond"), c.shape("neg_cond"));
  } else {
    out.negative.push_back(flow.transformer().zero_condition(b.queue, b.arena));
  }
  if (alternatives) {
    for (const auto& context : out.held) out.branches.emplace_back(static_cast<std::size_t>(samples), &context);
  } else {
    out.branches.push_back(pointers(out.held, samples));
  }
  out.against = pointers(out.negative, samples);
  return out;
}

template <class Dev, class T>
void run_structure_sampler(Bench<Dev>& b, Case& c) {
  StructureModel<Dev, T> model(b, c.manifest().module(c.spec().at("checkpoint").get<std::string>()), c.format());
  model.prepare(b, c.shape("noise")[0]);
  const auto conditions = conditions_of<Dev, T>(b, c, *model.loaded->model, "cond", model.samples, false);
  const SamplerSettings settings = settings_of(c);
  c.compare("t_seq", flow_times(settings.steps, settings.rescale_t));
  c.compare("samples", run_sampler<Dev, T>(b, c, model, settings, c.floats("noise"), conditions, true));
}

template <class Dev, class T>
void run_latent_sampler(Bench<Dev>& b, Case& c) {
  LatentModel<Dev, T> model(b, c.manifest().module(c.spec().at("checkpoint").get<std::string>()), c.format());
  const auto coords = c.ints("coords");
  model.prepare(b, coords, batch_of(coords));
  const auto conditions = conditions_of<Dev, T>(b, c, *model.loaded->model, "cond", model.samples, false);
  const SamplerSettings settings = settings_of(c);
  c.compare("t_seq", flow_times(settings.steps, settings.rescale_t));
  const auto samples = run_sampler<Dev, T>(b, c, model, settings, c.floats("noise"), conditions, true);
  c.compare("samples", samples);
  if (!c.has("std")) return;
  const auto deviation = c.floats("std");
  const auto mean = c.floats("mean");
  const auto channels = static_cast<std::int64_t>(mean.size());
  const auto rows = static_cast<std::int64_t>(samples.size()) / channels;
  const auto x = b.template put<float, 2>(samples, {rows, channels});
  scale_columns<Dev, float>(b.queue, x, b.template put<float, 1>(deviation, {channels}),
                            b.template put<float, 1>(mean, {channels}), x);
  c.compare("slat", b.get(x));
}

template <class Dev, class T>
void run_multi_image(Bench<Dev>& b, Case& c) {
  StructureModel<Dev, T> structure(b, c.manifest().module(c.spec().at("checkpoint").get<std::string>()), c.format());
  LatentModel<Dev, T> latent(b, c.manifest().module(c.spec().at("slat_checkpoint").get<std::string>()), c.format());
  structure.prepare(b, c.shape("ss_noise")[0]);
  const auto coords = c.ints("coords");
  latent.prepare(b, coords, batch_of(coords));
  const auto structure_conditions = conditions_of<Dev, T>(b, c, *structure.loaded->model, "conds", structure.samples, true);
  const auto latent_conditions = conditions_of<Dev, T>(b, c, *latent.loaded->model, "conds", latent.samples, true);
  SamplerSettings settings = settings_of(c);
  for (const auto& [mode, name] :
       {std::pair{MultiImageMode::stochastic, "stochastic"}, std::pair{MultiImageMode::multidiffusion, "multidiffusion"}}) {
    settings.multi_image = mode;
    c.compare(std::string("ss_") + name,
              run_sampler<Dev, T>(b, c, structure, settings, c.floats("ss_noise"), structure_conditions, false));
    c.compare(std::string("slat_") + name,
              run_sampler<Dev, T>(b, c, latent, settings, c.floats("slat_noise"), latent_conditions, false));
  }
}

}  // namespace

template <class Dev, class T>
bool run_flow_case(Bench<Dev>& b, Case& c) {
  const Frame<Dev> frame(b.arena);
  constexpr double kHalfForward = 3e-2;
  constexpr double kHalfSampler = 5e-2;
  const auto relax = [&](double tolerance) { c.relax(tolerance); };
  if (starts(c, "ss_sampler") || starts(c, "text_sampler")) {
    relax(kHalfSampler);
    run_structure_sampler<Dev, T>(b, c);
  } else if (starts(c, "slat_sampler")) {
    relax(kHalfSampler);
    run_latent_sampler<Dev, T>(b, c);
  } else if (starts(c, "multi_image")) {
    relax(kHalfSampler);
    run_multi_image<Dev, T>(b, c);
  } else if (starts(c, "text_flow")) {
    relax(kHalfForward);
    run_text_flows<Dev, T>(b, c);
  } else if (starts(c, "ss_flow")) {
    relax(kHalfForward);
    StructureModel<Dev, T> model(b, c.manifest().module(c.spec().at("checkpoint").get<std::string>()), c.format());
    model.prepare(b, c.shape("x")[0]);
    run_forwards<Dev, T>(b, c, model);
  } else if (starts(c, "slat_flow")) {
    relax(kHalfForward);
    LatentModel<Dev, T> model(b, c.manifest().module(c.spec().at("checkpoint").get<std::string>()), c.format());
    const auto coords = c.ints("coords");
    model.prepare(b, coords, batch_of(coords));
    if (c.has("mid.down_coords")) {
      const auto& cfg = model.loaded->model->config();
      c.compare("mid.down_coords",
                latent_tables(cfg, make_voxels(coords, batch_of(coords), cfg.resolution)).levels.back().voxels.coords);
    }
    run_forwards<Dev, T>(b, c, model);
  } else {
    return false;
  }
  return true;
}

#define ESPALIER_INSTANTIATE(Dev, T) template bool run_flow_case<Dev, T>(Bench<Dev>&, Case&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
