// Assets that are sampled together: each as it is made alone, whatever becomes of the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "espalier/diagnostics.h"
#include "espalier/espalier.h"
#include "support/data.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::project_path;

Request chair(std::uint32_t seed, const char* image = "examples/02-chair.png") {
  Request request;
  request.images = {project_path(image)};
  request.seed = seed;
  request.structure.steps = request.latent.steps = 3;
  request.mesh = false;
  return request;
}

bool same(std::span<const float> a, std::span<const float> b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

class Batch : public ::testing::Test {
 protected:
  static Pipeline open(std::uint64_t limit = 0) {
    return Pipeline(
        {.checkpoint = project_path("models/sprout"), .device = "cpu", .tier = MemoryTier::low, .memory_limit = limit});
  }
  using Results = std::map<std::size_t, Pipeline::BatchResult>;
  static Results run(Pipeline& pipeline, const std::vector<Pipeline::BatchItem>& items, int together) {
    Results results;
    pipeline.generate_batch(items, together, [&](std::size_t i, const Pipeline::BatchResult& result) {
      EXPECT_EQ(results.count(i), 0U) << "item " << i << " ended twice";
      EXPECT_NE(result.asset.has_value(), static_cast<bool>(result.failure));
      results[i] = result;
    });
    EXPECT_EQ(results.size(), items.size());
    return results;
  }
  static std::optional<ErrorCode> failure_of(const Pipeline::BatchResult& result) {
    try {
      if (result.failure) std::rethrow_exception(result.failure);
    } catch (const Error& error) {
      return error.code();
    }
    return std::nullopt;
  }
  // How many were sampled with the structure of this one.
  static int together(const Asset& asset) {
    for (const StageReport& stage : asset.stages()) {
      if (stage.stage == Stage::sample_structure) return stage.assets;
    }
    return 0;
  }
  static void expect_same(const Pipeline::BatchResult& found, const Asset& expected, const std::string& what) {
    ASSERT_TRUE(found.asset) << what;
    EXPECT_TRUE(std::equal(found.asset->voxels().begin(), found.asset->voxels().end(), expected.voxels().begin(),
                           expected.voxels().end()))
        << what << ": other voxels";
    EXPECT_TRUE(same(found.asset->latent(), expected.latent())) << what << ": another latent";
    EXPECT_TRUE(same(found.asset->gaussians().positions, expected.gaussians().positions)) << what << ": other Gaussians";
    EXPECT_EQ(found.asset->record(), expected.record()) << what;
  }
};

TEST_F(Batch, GivesWhatEachIsAlone) {
  Pipeline pipeline = open();
  const std::vector<Request> requests{chair(1), chair(2), chair(3, "examples/03-car.png"), chair(1, "examples/03-car.png")};
  std::vector<Pipeline::BatchItem> items;
  std::vector<int> reports(requests.size()), shown(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Observer observer{.progress =
                                [&reports, i](const Progress& p) {
                                  if (p.stage == Stage::sample_latent) ++reports[i];
                                },
                            .structure = [&shown, i](const StructurePreview&) { ++shown[i]; }};
    items.push_back({requests[i], observer});
  }
  Batch::Results results = run(pipeline, items, 4);
  std::set<std::size_t> voxels;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    expect_same(results[i], pipeline.generate(requests[i]), "item " + std::to_string(i));
    EXPECT_EQ(together(*results[i].asset), 4);
    EXPECT_EQ(reports[i], 4) << "progress of item " << i;  // before and after each of three steps
    EXPECT_EQ(shown[i], 1) << "structure of item " << i;
    voxels.insert(results[i].asset->voxels().size());
  }
  EXPECT_EQ(voxels.size(), requests.size()) << "elements of equal sizes show little";
  // The same set again, in another order and in smaller batches.
  std::reverse(items.begin(), items.end());
  Batch::Results again = run(pipeline, items, 3);
  for (std::size_t i = 0; i < requests.size(); ++i)
    EXPECT_TRUE(same(again[3 - i].asset->latent(), results[i].asset->latent())) << "item " << i;
  EXPECT_EQ(together(*again[0].asset), 3);
  EXPECT_EQ(together(*again[3].asset), 1);
}

TEST_F(Batch, OneLeavesAndOneFailsWithoutHarmToOthers) {
  Pipeline pipeline = open();
  bool leave = false;
  int seen_after = 0;
  std::vector<Pipeline::BatchItem> items;
  items.push_back({chair(1), {.progress = [&](const Progress& p) {
                     if (p.stage == Stage::sample_structure && p.step == 1) leave = true;
                   }}});
  items.push_back(
      {chair(2), {.progress = [&](const Progress&) { seen_after += leave ? 1 : 0; }, .cancelled = [&] { return leave; }}});
  items.push_back({chair(3, "examples/no-such-image.png"), {}});
  Request other = chair(4);
  other.latent.guidance = 1.0;
  items.push_back({other, {}});
  items.push_back({chair(5), {}});
  std::vector<std::size_t> order;
  Results results;
  pipeline.generate_batch(items, 8, [&](std::size_t i, const Pipeline::BatchResult& result) {
    order.push_back(i);
    results[i] = result;
  });
  EXPECT_EQ(order, (std::vector<std::size_t>{2, 1, 0, 4, 3}));  // what fails at once, who leaves, the group, the other group
  EXPECT_EQ(failure_of(results[1]), ErrorCode::cancelled);
  EXPECT_EQ(failure_of(results[2]), ErrorCode::not_found);
  EXPECT_LE(seen_after, 1);
  expect_same(results[0], pipeline.generate(chair(1)), "who stays");
  expect_same(results[4], pipeline.generate(chair(5)), "who stays");
  expect_same(results[3], pipeline.generate(other), "who is set otherwise");
  EXPECT_EQ(together(*results[3].asset), 1);
}

TEST_F(Batch, OneThatFailsBetweenTheFlowsFailsAlone) {
  Pipeline pipeline = open();
  std::vector<Pipeline::BatchItem> items;
  for (std::uint32_t seed = 1; seed <= 6; ++seed) {
    items.push_back({chair(seed), {}});
    items.back().request.structure.steps = items.back().request.latent.steps = 1;
  }
  items[1].observer.structure = [](const StructurePreview&) { throw Error(ErrorCode::io, "no room", "make some"); };
  // A job of the server that is cancelled while its structure is decoded; what is no Error; what is thrown while all sample.
  items[2].observer.structure = [](const StructurePreview&) { throw Error(ErrorCode::cancelled, "cancelled on request"); };
  items[3].observer.structure = [](const StructurePreview&) { throw std::bad_alloc(); };
  items[4].observer.progress = [](const Progress& p) {
    if (p.stage == Stage::sample_latent) throw Error(ErrorCode::io, "nobody listens");
  };
  Batch::Results results = run(pipeline, items, 40);
  EXPECT_EQ(failure_of(results[1]), ErrorCode::io);
  EXPECT_EQ(failure_of(results[2]), ErrorCode::cancelled);
  EXPECT_THROW(std::rethrow_exception(results[3].failure), std::bad_alloc);
  EXPECT_EQ(failure_of(results[4]), ErrorCode::io);
  expect_same(results[0], pipeline.generate(items[0].request), "the first");
  expect_same(results[5], pipeline.generate(items[5].request), "the last");
}

TEST_F(Batch, AllMayLeave) {
  Pipeline pipeline = open();
  bool leave = false;
  std::vector<Pipeline::BatchItem> items;
  for (std::uint32_t seed = 0; seed < 2; ++seed) {
    items.push_back({chair(seed),
                     {.progress = [&](const Progress& p) { leave = leave || p.stage == Stage::sample_structure; },
                      .cancelled = [&] { return leave; }}});
  }
  Batch::Results results = run(pipeline, items, 2);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(failure_of(results[i]), ErrorCode::cancelled);
}

TEST_F(Batch, ReusedVelocitiesCarryThoseWhoLeft) {
  Pipeline pipeline = open();
  Request request = chair(1);
  request.structure.solver = request.latent.solver = Solver::multistep;
  bool leave = false;
  std::vector<Pipeline::BatchItem> items;
  items.push_back({request, {.progress = [&](const Progress& p) {
                     if (p.stage == Stage::sample_structure && p.step == 1) leave = true;
                   }}});
  items.push_back({request, {.cancelled = [&] { return leave; }}});
  items[1].request.seed = 2;
  Batch::Results results = run(pipeline, items, 2);
  EXPECT_EQ(failure_of(results[1]), ErrorCode::cancelled);
  expect_same(results[0], pipeline.generate(request), "who stays");
}

TEST_F(Batch, IsDividedWhereMemoryIsShort) {
  const PipelineOptions options{.checkpoint = project_path("models/sprout"), .device = "cpu", .tier = MemoryTier::low};
  // What the structure's flow takes for two, and for the decoders; not enough for four.
  const auto sampling = [&](int assets) {
    std::uint64_t most = 0;
    PlanRequest request{.together = assets, .mesh = false};
    request.structure_sampler = request.latent_sampler = chair(0).structure;
    const MemoryPlan plan = plan_memory(options, request);
    for (const PlannedMemory& stage : plan.chosen().stages) {
      if (stage.stage == stage_id(Stage::sample_structure)) most = std::max(most, stage.weights + stage.work);
    }
    return most;
  };
  ASSERT_LT(sampling(1), sampling(2));
  ASSERT_LT(sampling(2), sampling(4));
  std::vector<Pipeline::BatchItem> items;
  for (std::uint32_t seed = 0; seed < 4; ++seed) items.push_back({chair(seed), {}});
  Pipeline large = open();
  Batch::Results expected = run(large, items, 4);
  Pipeline small = open(sampling(4) - 1);
  Batch::Results results = run(small, items, 4);
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSERT_TRUE(expected[i].asset);
    expect_same(results[i], *expected[i].asset, "item " + std::to_string(i));
    EXPECT_EQ(together(*results[i].asset), 2);
  }
}

TEST_F(Batch, SeedsShareTheirCondition) {
  Pipeline pipeline = open();
  const std::vector<std::uint32_t> seeds{7, 8, 9};
  std::vector<std::uint32_t> made;
  double last = 0.0;
  const Observer observer{.progress = [&](const Progress& p) { last = p.fraction; }};
  const auto take = [&](std::uint32_t seed, const Asset& asset) {
    made.push_back(seed);
    EXPECT_GT(last, 0.0);
    EXPECT_TRUE(same(asset.latent(), pipeline.generate(chair(seed)).latent())) << "seed " << seed;
    EXPECT_EQ(together(asset), made.size() < 3 ? 2 : 1);
  };
  Pipeline sampling = open();
  sampling.generate_each(chair(0), seeds, take, observer, nullptr, 2);
  EXPECT_EQ(made, seeds);
}

TEST_F(Batch, WhatTheCallerThrowsEndsAll) {
  Pipeline pipeline = open();
  std::vector<Pipeline::BatchItem> items{{chair(1), {}}, {chair(2), {}}};
  int calls = 0;
  EXPECT_THROW(pipeline.generate_batch(items, 2,
                                       [&](std::size_t, const Pipeline::BatchResult&) {
                                         ++calls;
                                         throw std::runtime_error("enough");
                                       }),
               std::runtime_error);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace espalier
