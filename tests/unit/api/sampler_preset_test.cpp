// What the samplers of a job are: of the request, of its preset, of the checkpoint.
#include <gtest/gtest.h>

#include "base/error.h"
#include "recipes/trellis_settings.h"
#include "samplers/reuse.h"

namespace espalier {
namespace {

// As image-large's pipeline.json has them.
TrellisSettings published() {
  TrellisSettings s;
  s.structure.steps = 25;
  s.structure.rescale_t = 3.0;
  s.structure.guided = true;
  s.structure.strength = 5.0;
  s.structure.interval_lo = 0.5;
  s.latent = s.structure;
  return s;
}

Request with(SamplerPreset preset) {
  Request request;
  request.preset = preset;
  return request;
}

TEST(SamplersFor, TheFastPresetEvaluatesLessAndKeepsTheRest) {
  const TrellisSettings own = published();
  EXPECT_EQ(evaluations(samplers_for(own, with(SamplerPreset::checkpoint), 1).structure, 1), 25 + 19);
  const Samplers fast = samplers_for(own, with(SamplerPreset::fast), 1);
  for (const SamplerSettings& s : {fast.structure, fast.latent}) {
    EXPECT_LE(evaluations(s, 1), 8);
    EXPECT_EQ(s.strength, 5.0);
    EXPECT_EQ(s.rescale_t, 3.0);
    EXPECT_EQ(s.interval_lo, 0.5);
    EXPECT_NE(describe(s, 1).find("evaluations"), std::string::npos);
  }
  TrellisSettings few = own;
  few.structure.steps = 2;  // a checkpoint that makes few steps by itself makes no more
  EXPECT_EQ(samplers_for(few, with(SamplerPreset::fast), 1).structure.steps, 2);
}

TEST(SamplersFor, TheRequestComesBeforeThePreset) {
  Request request = with(SamplerPreset::fast);
  request.structure.steps = 9;
  request.structure.solver = Solver::euler;
  request.structure.guidance_reuse = 1;
  const Samplers s = samplers_for(published(), request, 1);
  EXPECT_EQ(s.structure.steps, 9);
  EXPECT_FALSE(reuses(s.structure));
  EXPECT_TRUE(reuses(s.latent));
  request.preset = SamplerPreset::app;
  EXPECT_EQ(samplers_for(published(), request, 1).structure.strength, 7.5);
}

TEST(SamplersFor, WhereNothingCanBeReusedThePresetHasFewerStepsAlone) {
  const TrellisSettings own = published();
  const Samplers turns = samplers_for(own, with(SamplerPreset::fast), 3),
                 repeated = samplers_for(own, with(SamplerPreset::fast), 1, 4);
  for (const Samplers& s : {turns, repeated}) {
    EXPECT_FALSE(reuses(s.structure));
    EXPECT_LT(s.structure.steps, 10);
  }
  EXPECT_EQ(samplers_for(own, with(SamplerPreset::fast), 9).latent.steps, 9);  // one for each image
  Request all = with(SamplerPreset::fast);
  all.multi_image = MultiImageMode::multidiffusion;
  EXPECT_TRUE(reuses(samplers_for(own, all, 3).structure));
  Request asked;
  asked.latent.reuse = 2;
  EXPECT_THROW((void)samplers_for(own, asked, 2), Error);
  EXPECT_THROW((void)samplers_for(own, asked, 1, 2), Error);
}

}  // namespace
}  // namespace espalier
