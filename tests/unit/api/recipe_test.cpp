// A pipeline that the library does not know, of two networks that it does not know: registry and recipes are open.
#include "recipes/recipe.h"

#include <gtest/gtest.h>

#include "api/asset.h"
#include "api/pipeline.h"
#include "session/session.h"
#include "support/errors.h"
#include "weights/synthetic.h"

namespace espalier {
namespace {

// Holds one tensor; what recipes of this test see of it is the interface below.
class Counter : public Network {
 public:
  static constexpr std::string_view kKind = "a counter";
  [[nodiscard]] virtual int count(int from) = 0;
};
class Painter : public Network {
 public:
  static constexpr std::string_view kKind = "a painter";
  [[nodiscard]] virtual Gaussians paint(int count) = 0;
};

class StepCounter final : public Counter {
 public:
  StepCounter(StageRunner<Cpu>& runner, int step, std::size_t bytes) : runner_(runner), step_(step), bytes_(bytes) {}
  [[nodiscard]] std::size_t weight_bytes() const override { return bytes_; }
  [[nodiscard]] int count(int from) override {
    int result = 0;
    runner_.report(Stage::sample_structure, 0, 1);
    runner_.run(Stage::sample_structure, [&](bool real) {
      (void)runner_.scratch().take<float, 1>({100});
      if (real) result = from + step_;
    });
    return result;
  }

 private:
  StageRunner<Cpu>& runner_;
  int step_;
  std::size_t bytes_;
};
class LinePainter final : public Painter {
 public:
  explicit LinePainter(std::size_t bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t weight_bytes() const override { return bytes_; }
  [[nodiscard]] Gaussians paint(int count) override {
    Gaussians g;
    for (int i = 0; i < count; ++i) {
      g.xyz.insert(g.xyz.end(), {0.01F * static_cast<float>(i), 0.0F, 0.0F});
      g.dc.insert(g.dc.end(), {0.0F, 0.0F, 0.0F});
      g.scale.insert(g.scale.end(), {0.01F, 0.01F, 0.01F});
      g.rotation.insert(g.rotation.end(), {1.0F, 0.0F, 0.0F, 0.0F});
      g.opacity.push_back(0.5F);
    }
    return g;
  }

 private:
  std::size_t bytes_;
};

template <class Interface>
class SmallPlan : public NetworkPlan {
 public:
  [[nodiscard]] NetworkShape shape() const override { return {}; }
  [[nodiscard]] std::string_view kind() const override { return Interface::kKind; }
  [[nodiscard]] std::vector<Declaration> declare(const TensorSource& /*tensors*/) const override { return {{"w", {4}}}; }
  [[nodiscard]] std::size_t working_bytes(bool /*cuda*/, Precision /*precision*/) const override { return 400; }
  [[nodiscard]] std::size_t weight_bytes(Queue<Cpu>& /*queue*/, const TensorSource& tensors,
                                         Precision /*precision*/) const override {
    check_declarations(tensors, declare(tensors), {});
    return 1000;
  }
  [[nodiscard]] std::size_t weight_bytes(Queue<Cuda>& /*queue*/, const TensorSource& /*t*/,
                                         Precision /*precision*/) const override {
    return 0;
  }
  [[nodiscard]] std::unique_ptr<Network> load(StageRunner<Cuda>& /*r*/, const TensorSource& /*t*/,
                                              Precision /*precision*/) const override {
    return nullptr;
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(StageRunner<Cpu>& runner, const TensorSource& t,
                                                    Precision precision) const override {
    return this->load(runner, t, precision);
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(StageRunner<Cuda>& /*r*/, const TensorSource& /*t*/,
                                                    Precision /*precision*/) const override {
    return nullptr;
  }
  using NetworkPlan::load;
};
class CounterPlan final : public SmallPlan<Counter> {
 public:
  explicit CounterPlan(const ModuleSource& m) {
    Arguments args = m.arguments();
    step_ = static_cast<int>(args.integer("step", 1, 9));
    args.finish();
  }
  [[nodiscard]] std::unique_ptr<Network> load(StageRunner<Cpu>& runner, const TensorSource& /*tensors*/,
                                              Precision /*precision*/) const override {
    return std::make_unique<StepCounter>(runner, step_, 1000);
  }

 private:
  int step_ = 0;
};
class PainterPlan final : public SmallPlan<Painter> {
 public:
  [[nodiscard]] std::unique_ptr<Network> load(StageRunner<Cpu>& /*runner*/, const TensorSource& /*tensors*/,
                                              Precision /*precision*/) const override {
    return std::make_unique<LinePainter>(1000);
  }
};

const Registry& small_networks() {
  static const Registry registry({
      {"Counter", ResidencyGroup::structure,
       [](const ModuleSource& m) -> std::unique_ptr<NetworkPlan> { return std::make_unique<CounterPlan>(m); },
       [](const WorkSizes&) { return 1.0; }},
      {"LinePainter", ResidencyGroup::decode,
       [](const ModuleSource&) -> std::unique_ptr<NetworkPlan> { return std::make_unique<PainterPlan>(); },
       [](const WorkSizes&) { return 1.0; }},
  });
  return registry;
}

// Counts from the seed, and paints a line of so many Gaussians.
class CountAndPaint final : public Recipe {
 public:
  [[nodiscard]] std::vector<PlannedStage> plan(const Session& session, const Request& /*request*/,
                                               const JobSizes& /*sizes*/) const override {
    return {{Stage::sample_structure, 1.0 + session.usual_seconds("counter", {})}};
  }
  void generate(Session& session, const Request& request, RecipeSink& sink) const override {
    const int count = session.network<Counter>("counter").count(static_cast<int>(request.seed));
    sink.notice("counted to " + std::to_string(count));
    sink.gaussians(session.network<Painter>("painter").paint(count));
  }
  void decode(Session& /*session*/, const Voxels& /*voxels*/, const std::vector<float>& /*latent*/, const Request& /*request*/,
              RecipeSink& /*sink*/) const override {
    fail(ErrorCode::unsupported, "this recipe has no latents");
  }
  [[nodiscard]] std::vector<PlannedStage> plan_decoding(const Session& /*session*/, const Request& /*request*/,
                                                        const JobSizes& /*sizes*/) const override {
    return {};
  }
  [[nodiscard]] LatentShape latent_shape(const Session& /*session*/) const override { return {}; }
  [[nodiscard]] SamplerDefaults structure_defaults() const override { return {}; }
  [[nodiscard]] SamplerDefaults latent_defaults() const override { return {}; }
};

const RecipeBook& small_recipes() {
  static const RecipeBook book(
      {{"CountAndPaintPipeline", [](const Session&) -> std::unique_ptr<Recipe> { return std::make_unique<CountAndPaint>(); }}});
  return book;
}

ModuleSource module_of(const std::string& role, const std::string& class_name, nlohmann::json args) {
  ModuleSource m;
  m.role = role;
  m.class_name = class_name;
  m.where = "test: " + class_name;
  m.args = std::move(args);
  m.tensors = std::make_shared<SyntheticSource>("test/" + role, std::vector<Declaration>{{"w", {4}}});
  return m;
}
std::shared_ptr<Checkpoint> small_checkpoint() {
  auto c = std::make_shared<Checkpoint>();
  c->folder = "test";
  c->where = "test/pipeline.json";
  c->pipeline = "CountAndPaintPipeline";
  c->modules["counter"] = module_of("counter", "Counter", {{"step", 3}});
  c->modules["painter"] = module_of("painter", "LinePainter", nlohmann::json::object());
  return c;
}

PipelineOptions on_cpu(MemoryTier tier = MemoryTier::automatic, std::uint64_t limit = 0) {
  PipelineOptions options;
  options.device = "cpu";
  options.tier = tier;
  options.memory_limit = limit;
  return options;
}

TEST(OwnRecipe, RunsOwnNetworks) {
  Pipeline pipeline = open_pipeline(on_cpu(), small_checkpoint(), small_networks(), small_recipes());
  Request request;
  request.seed = 4;
  request.mesh = false;
  std::vector<Stage> stages;
  std::vector<std::string> notices;
  const Observer observer{.progress = [&](const Progress& p) { stages.push_back(p.stage); },
                          .message = [&](const std::string& line) { notices.push_back(line); }};
  const Asset asset = pipeline.generate(request, observer);
  EXPECT_EQ(asset.gaussian_count(), 7);
  EXPECT_EQ(stages, std::vector{Stage::sample_structure});
  EXPECT_EQ(notices, std::vector<std::string>{"counted to 7"});
  ASSERT_EQ(asset.stages().size(), 1U);
  EXPECT_EQ(asset.stages()[0].stage, Stage::sample_structure);
  EXPECT_GE(asset.stages()[0].planned_bytes, 400U);
  EXPECT_EQ(asset.stages()[0].peak_bytes, asset.stages()[0].planned_bytes);
  EXPECT_EQ(asset.stages()[0].weight_bytes, 2000U);  // both networks are kept
}

TEST(OwnRecipe, TiersFollowTheLimit) {
  const auto tier = [](std::uint64_t limit) {
    return open_pipeline(on_cpu(MemoryTier::automatic, limit), small_checkpoint(), small_networks(), small_recipes()).tier();
  };
  EXPECT_EQ(tier(0), "high");
  EXPECT_EQ(tier(2400), "high");  // two networks of 1000 bytes, 400 of work
  EXPECT_EQ(tier(2399), "medium");
  EXPECT_EQ(tier(1400), "medium");
  EXPECT_EQ(tier(1399), "low");
}

TEST(OwnRecipe, StaysWithinTheLimit) {
  const auto run = [](MemoryTier tier, std::uint64_t limit) {
    Pipeline pipeline = open_pipeline(on_cpu(tier, limit), small_checkpoint(), small_networks(), small_recipes());
    Request request;
    request.mesh = false;
    return pipeline.generate(request).gaussian_count();
  };
  // A stage takes 512 bytes: 400 in whole blocks of an arena.
  EXPECT_GT(run(MemoryTier::low, 1512), 0);
  test::expect_error(ErrorCode::out_of_memory, {"sampling the sparse structure", "1 MiB", "--vram-limit"},
                     [&] { (void)run(MemoryTier::low, 1511); });
  test::expect_error(ErrorCode::out_of_memory, {"the weights of counter", "--vram-limit"},
                     [&] { (void)run(MemoryTier::low, 999); });
  test::expect_error(ErrorCode::out_of_memory, {"--vram-tier low"}, [&] { (void)run(MemoryTier::high, 2100); });
}

TEST(OwnRecipe, MeasuresWithoutRunning) {
  Session session({.tier = MemoryTier::low, .only_measure = true}, small_checkpoint(), small_networks());
  EXPECT_EQ(session.network<Counter>("counter").count(4), 0);
  const auto costs = session.take_costs();
  ASSERT_EQ(costs.size(), 1U);
  EXPECT_EQ(costs[0].stage, Stage::sample_structure);
  EXPECT_EQ(costs[0].planned_bytes, 512U);
  EXPECT_EQ(session.weights_beside("counter", MemoryTier::low), 1000U);
  EXPECT_EQ(session.weights_beside("counter", MemoryTier::medium), 1000U);
  EXPECT_EQ(session.weights_beside("counter", MemoryTier::high), 2000U);
}

TEST(OwnRecipe, SmallTiersDropWhatTheyDoNotNeed) {
  for (const MemoryTier tier : {MemoryTier::medium, MemoryTier::low}) {
    Session session({.tier = tier}, small_checkpoint(), small_networks());
    EXPECT_EQ(session.resident_bytes(), 0U);
    (void)session.network<Counter>("counter");
    EXPECT_EQ(session.resident_bytes(), 1000U);
    (void)session.network<Painter>("painter");
    EXPECT_EQ(session.resident_bytes(), 1000U);
  }
}

TEST(OwnRecipe, WhatDoesNotFitIsRefused) {
  auto checkpoint = small_checkpoint();
  const Session session({.tier = MemoryTier::high}, checkpoint, small_networks());
  test::expect_error(ErrorCode::unsupported, {"test: Counter", "role counter needs a painter", "found a Counter"},
                     [&] { (void)session.plan_as<Painter>("counter"); });
  test::expect_error(ErrorCode::not_found, {"no singer", "counter", "painter"}, [&] { (void)session.plan("singer"); });
  test::expect_error(ErrorCode::unsupported, {"CountAndPaintPipeline", "TrellisImageTo3DPipeline"},
                     [&] { (void)open_pipeline(on_cpu(), checkpoint, small_networks(), trellis_recipes()); });
  test::expect_error(ErrorCode::unsupported, {"class Counter", "SLatFlowModel"},
                     [&] { (void)open_pipeline(on_cpu(), checkpoint, trellis_networks(), small_recipes()); });
  checkpoint->modules["counter"].args = {{"stepp", 3}};
  EXPECT_THROW((void)open_pipeline(on_cpu(), checkpoint, small_networks(), small_recipes()), Error);
}

TEST(Tier, ChoosesTheLargestThatFits) {
  const std::vector<WeightShare> weights{{ResidencyGroup::encode, 10},
                                         {ResidencyGroup::structure, 20},
                                         {ResidencyGroup::structure, 5},
                                         {ResidencyGroup::decode, 7}};
  EXPECT_EQ(choose_tier(weights, 100, 142), MemoryTier::high);
  EXPECT_EQ(choose_tier(weights, 100, 141), MemoryTier::medium);
  EXPECT_EQ(choose_tier(weights, 100, 125), MemoryTier::medium);  // structure: 25
  EXPECT_EQ(choose_tier(weights, 100, 124), MemoryTier::low);
  EXPECT_EQ(choose_tier({}, 0, 0), MemoryTier::high);
}

TEST(Stages, IdsAreUniqueAndFoundAgain) {
  for (int i = 0; i < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    EXPECT_EQ(stage_from_id(stage_id(stage)), stage);
    EXPECT_EQ(stage_id(stage).find(' '), std::string_view::npos);
    EXPECT_FALSE(stage_title(stage).empty());
    EXPECT_FALSE(stage_phase(stage).empty());
  }
  EXPECT_EQ(stage_from_id("sampling"), std::nullopt);
}

}  // namespace
}  // namespace espalier
