// The image encoder's configuration: what a checkpoint's JSON says about names, layers and position embeddings.
#include "models/dino/dino.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "weights/synthetic.h"

namespace espalier {
namespace {

DinoConfig config_of(const nlohmann::json& changes) {
  nlohmann::json args = {{"img_size", 28}, {"patch_size", 14}, {"embed_dim", 24}, {"depth", 4}, {"num_heads", 2}};
  args.update(changes);
  return DinoConfig::from({"test", args});
}

// Tensors that an encoder with this configuration asks its checkpoint for.
std::vector<std::string> names_of(const DinoConfig& config) {
  Queue<Cpu> queue;
  const auto source = synthetic_for<Dino<Cpu, float>>(queue, "test", Dino<Cpu, float>::Shape{config, 28, 28});
  std::vector<std::string> names;
  for (const auto& [name, entry] : source->entries()) names.push_back(name);
  return names;
}

bool holds(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(Dino, LayerScaleIsAbsentWhenItsValueIsNullOrZero) {
  EXPECT_TRUE(holds(names_of(config_of({{"init_values", 1e-5}})), "blocks.0.ls1.gamma"));
  EXPECT_TRUE(holds(names_of(config_of(nlohmann::json::object())), "blocks.3.ls2.gamma"));
  for (const nlohmann::json& none : {nlohmann::json(nullptr), nlohmann::json(0.0)}) {
    EXPECT_FALSE(holds(names_of(config_of({{"init_values", none}})), "blocks.0.ls1.gamma"));
  }
}

TEST(Dino, BlocksInChunksKeepTheirNumbers) {
  const auto flat = names_of(config_of({{"block_chunks", 0}}));
  EXPECT_TRUE(holds(flat, "blocks.3.attn.qkv.weight"));
  const auto nested = names_of(config_of({{"block_chunks", 2}}));
  EXPECT_TRUE(holds(nested, "blocks.0.1.attn.qkv.weight"));
  EXPECT_TRUE(holds(nested, "blocks.1.2.attn.qkv.weight"));
  EXPECT_TRUE(holds(nested, "blocks.1.3.mlp.fc2.bias"));
  EXPECT_FALSE(holds(nested, "blocks.1.1.attn.qkv.weight"));
}

TEST(Dino, LayersMayLackABias) {
  const auto names = names_of(config_of({{"qkv_bias", false}, {"proj_bias", false}, {"ffn_bias", false}}));
  for (const char* layer : {"attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"}) {
    EXPECT_TRUE(holds(names, std::string("blocks.0.") + layer + ".weight"));
    EXPECT_FALSE(holds(names, std::string("blocks.0.") + layer + ".bias"));
  }
}

TEST(Dino, UnknownArgumentsAreNamed) {
  for (const nlohmann::json& wrong : {nlohmann::json{{"head_count", 3}}, nlohmann::json{{"ffn_layer", "identity"}},
                                      nlohmann::json{{"in_chans", 4}}, nlohmann::json{{"block_chunks", 9}}}) {
    EXPECT_THROW((void)config_of(wrong), Error) << wrong;
  }
}

// A 3 x 3 grid to 2 x 5, as torch.nn.functional.interpolate(mode="bicubic") gives it.
TEST(ResampleGrid, AgreesWithTorch) {
  const std::vector<float> grid{0.5F, -1.0F, 2.0F, 1.5F, 0.25F, -0.75F, 3.0F, 1.0F, 0.0F};
  struct Known {
    bool antialias;
    double offset;
    std::vector<float> values;
  };
  const Known known[] = {{false,
                          0.0,
                          {0.8098594F, -0.02671479F, -0.7431639F, 0.4361878F, 1.551586F, 2.870156F, 2.070776F, 0.8740234F,
                           0.04482862F, -0.3761016F}},
                         {false,
                          0.1,
                          {0.7891025F, -0.02967959F, -0.7965286F, 0.3681484F, 1.636228F, 2.718751F, 1.99767F, 0.8864473F,
                           -0.02505932F, -0.5246555F}},
                         {true,
                          0.0,
                          {0.8940608F, 0.2331908F, -0.5926967F, 0.3844185F, 1.128403F, 2.645628F, 1.961288F, 0.7877208F,
                           -0.04309923F, -0.4603789F}},
                         {true,
                          0.1,
                          {0.8381833F, 0.1996082F, -0.6547731F, 0.3379694F, 1.21892F, 2.569067F, 1.928221F, 0.7911578F,
                           -0.02958086F, -0.4712269F}}};
  for (const Known& k : known) {
    const auto got = resample_grid(grid, {3, 3, 2, 5, k.antialias, k.offset}, 1);
    ASSERT_EQ(got.size(), k.values.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], k.values[i], 2e-6F) << "antialias " << k.antialias << ", offset " << k.offset << ", element " << i;
    }
  }
}

}  // namespace
}  // namespace espalier
