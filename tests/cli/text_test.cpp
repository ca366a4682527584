// Prompts and given shapes: a text checkpoint that is made of the shipped one's networks and a small text tower of random
// weights.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;

constexpr int kWidth = 192, kHidden = 64, kVocabulary = 49408, kLength = 77;

// The weights of CLIP as they are published, but for their size: a text tower among tensors that are nobody's business here.
std::string clip_weights() {
  json header;
  header["__metadata__"] = {{"format", "pt"}};
  std::string data;
  std::uint32_t state = 1;
  const auto add = [&](const std::string& name, const std::string& type, const std::vector<int>& shape, std::size_t bytes) {
    header[name] = {{"dtype", type}, {"shape", shape}, {"data_offsets", {data.size(), data.size() + bytes}}};
    const std::size_t begin = data.size();
    data.resize(begin + bytes);
    if (type != "F16") return;
    const bool norm = name.find("norm") != std::string::npos && name.ends_with("weight");
    for (std::size_t at = begin; at < data.size(); at += 2) {
      state = state * 1664525U + 1013904223U;
      // +-2^-4 to +-2^-3, or 1 for a norm's gain.
      const auto half = static_cast<std::uint16_t>(norm ? 0x3C00U : (state >> 31U << 15U) | 0x2C00U | (state >> 12U & 0x3FFU));
      std::memcpy(&data[at], &half, sizeof half);
    }
  };
  add("text_model.embeddings.position_ids", "I64", {1, kLength}, 8UL * kLength);
  add("logit_scale", "F32", {}, 4);
  const auto halves = [&](const std::string& name, const std::vector<int>& shape) {
    std::size_t count = 1;
    for (const int e : shape) count *= static_cast<std::size_t>(e);
    add(name, "F16", shape, 2 * count);
  };
  halves("text_projection.weight", {8, kWidth});
  halves("vision_model.pre_layrnorm.weight", {8});
  const std::string root = "text_model.";
  halves(root + "embeddings.token_embedding.weight", {kVocabulary, kWidth});
  halves(root + "embeddings.position_embedding.weight", {kLength, kWidth});
  const auto linear = [&](const std::string& name, int out, int in) {
    halves(name + ".weight", {out, in});
    halves(name + ".bias", {out});
  };
  const auto norm = [&](const std::string& name) {
    halves(name + ".weight", {kWidth});
    halves(name + ".bias", {kWidth});
  };
  const std::string layer = root + "encoder.layers.0.";
  for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) linear(layer + "self_attn." + name, kWidth, kWidth);
  norm(layer + "layer_norm1");
  norm(layer + "layer_norm2");
  linear(layer + "mlp.fc1", kHidden, kWidth);
  linear(layer + "mlp.fc2", kWidth, kHidden);
  norm(root + "final_layer_norm");
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::string out(sizeof length, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  return out + text + data;
}

json clip_arguments() {
  return {{"hidden_size", kWidth},      {"intermediate_size", kHidden}, {"num_hidden_layers", 1},
          {"num_attention_heads", 3},   {"vocab_size", kVocabulary},    {"max_position_embeddings", kLength},
          {"hidden_act", "quick_gelu"}, {"layer_norm_eps", 1e-5}};
}

// A box of 1 x 2 x 3 that lies far from the origin, with texture coordinates.
const char* const kBox =
    "v 10 0 0\nv 11 0 0\nv 11 2 0\nv 10 2 0\nv 10 0 3\nv 11 0 3\nv 11 2 3\nv 10 2 3\n"
    "vt 0.1 0.1\nvt 0.9 0.1\nvt 0.9 0.9\nvt 0.1 0.9\n"
    "f 1/1 3/3 2/2\nf 1/1 4/4 3/3\nf 5/1 6/2 7/3\nf 5/1 7/3 8/4\nf 1/1 2/2 6/3\nf 1/1 6/3 5/4\n"
    "f 4/1 7/3 3/2\nf 4/1 8/4 7/3\nf 1/1 5/2 8/3\nf 1/1 8/3 4/4\nf 2/1 3/2 7/3\nf 2/1 7/3 6/4\n";

class Text : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = fs::temp_directory_path() / ("espalier-text-" + std::to_string(::getpid()));
    const fs::path model = root_ / "model";
    fs::create_directories(model / "openai/clip-vit-large-patch14");
    fs::create_directories(model / "demo");
    fs::create_directory_symlink(shipped_checkpoint(), model / "demo/sprout");
    json pipeline = json::parse(read_text(shipped_checkpoint() / "pipeline.json"));
    pipeline["name"] = "TrellisTextTo3DPipeline";
    for (auto& [role, entry] : pipeline["args"]["models"].items()) entry = "demo/sprout/" + entry.get<std::string>();
    pipeline["args"].erase("image_cond_model");
    pipeline["args"]["text_cond_model"] = "openai/clip-vit-large-patch14";
    write_text(model / "pipeline.json", pipeline.dump());
    const fs::path clip = model / "openai/clip-vit-large-patch14";
    write_text(clip / "model.safetensors", clip_weights());
    write_text(clip / "config.json", json{{"model_type", "clip"}, {"text_config", clip_arguments()}}.dump());
    write_text(root_ / "box.obj", kBox);
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }

  [[nodiscard]] static std::string model() { return (root_ / "model").string(); }
  [[nodiscard]] static std::string box() { return (root_ / "box.obj").string(); }
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] Words sampling(Words arguments) const {
    const Words more{"--model", model(), "--device", "cpu", "--latent-steps", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (arguments.front() == "generate") arguments.insert(arguments.end(), {"--structure-steps", "2"});
    return arguments;
  }
  void refused(const Words& arguments, int code, const Words& words) const {
    expect_refusal(espalier(arguments), code, words);
    expect_empty(folder_.path());
  }
  static json report_of(const Words& arguments) {
    const Outcome outcome = espalier(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? json::parse(outcome.out) : json::object();
  }

  inline static fs::path root_;
  const TemporaryFolder folder_;
  const std::string image_ = data_path("images/typical_humanoid_dragonborn.in.webp").string();
};

TEST_F(Text, InfoChecksEveryTensorAndLeavesTheRestOut) {
  const json report = report_of({"info", model(), "--json"});
  const json& modules = report.at("modules");
  const auto tower =
      std::find_if(modules.begin(), modules.end(), [](const json& m) { return m.at("role") == "text_cond_model"; });
  ASSERT_NE(tower, modules.end());
  EXPECT_EQ(tower->at("tensors"), 20);
}

TEST_F(Text, APromptMakesAnAssetAndAnotherMakesAnother) {
  const Words rest{"--decode", "gaussians", "--json", "--quiet"};
  const auto make = [&](Words arguments, const std::string& name) {
    arguments.insert(arguments.begin(), "generate");
    arguments.insert(arguments.end(), {"-o", out(name)});
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    return report_of(sampling(arguments));
  };
  const json first = make({"--prompt", "A red armchair"}, "a.ply");
  EXPECT_GT(first.value("voxels", 0), 0);
  EXPECT_EQ(first.at("record").at("prompt"), "A red armchair");
  EXPECT_EQ(first.at("stages").at(0).at("stage"), "encode-text");
  (void)make({"--prompt", "a  RED armchair"}, "b.ply");
  (void)make({"--prompt", "a blue vase"}, "c.ply");
  const json negative = make({"--prompt", "A red armchair", "--negative-prompt", "legs"}, "d.ply");
  EXPECT_EQ(negative.at("record").at("negative prompt"), "legs");
  // Without the comments, which hold the prompt as it was written.
  const auto gaussians = [&](const char* name) {
    const std::string file = read_text(folder_ / name);
    return file.substr(file.find("\nelement vertex"));
  };
  EXPECT_EQ(gaussians("a.ply"), gaussians("b.ply"));
  EXPECT_NE(gaussians("a.ply"), gaussians("c.ply"));
  EXPECT_NE(gaussians("a.ply"), gaussians("d.ply"));
}

TEST_F(Text, ALongPromptIsCutWithANotice) {
  std::string words;
  for (int i = 0; i < 10'000; ++i) words += "word" + std::to_string(i) + " ";
  const Outcome outcome = espalier(sampling({"generate", "--prompt", words, "-o", out("a.ply"), "--quiet"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("cut off before \""), std::string::npos) << outcome.err;
}

TEST_F(Text, AnyScriptIsAPrompt) {
  for (const char* prompt :
       {"\u0643\u0631\u0633\u064a \u0623\u062d\u0645\u0631", "\U0001F600\u200D\U0001F680", "<|endoftext|>"}) {
    const Outcome outcome = espalier(sampling({"generate", "--prompt", prompt, "--decode", "gaussians", "-o", out("a.ply")}));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
}

TEST_F(Text, WhatIsNoPromptIsRefusedInOneLine) {
  const auto generate = [&](const Words& words) {
    Words all{"generate"};
    all.insert(all.end(), words.begin(), words.end());
    all.insert(all.end(), {"-o", out("a.glb")});
    return sampling(all);
  };
  refused(generate({"--prompt", ""}), 2, {"the prompt is empty", "--prompt"});
  refused(generate({"--prompt", " \n"}), 1, {"the prompt is empty"});
  refused(generate({"--prompt", "red \xff chair"}), 1, {"the prompt is not UTF-8 from byte 5"});
  refused(generate({image_, "--prompt", "a chair"}), 2, {"an image and a prompt"});
  refused(generate({"--negative-prompt", "a chair"}), 2, {"--negative-prompt", "--prompt"});
  refused(generate({image_}), 1, {"this checkpoint makes assets from a prompt"});
  refused({"generate", "--prompt", "a chair", "-o", out("a.glb"), "--device", "cpu", "--model", "sprout"}, 1,
          {"this checkpoint makes assets from images", "espalier pull trellis-text-base"});
}

TEST_F(Text, AListMakesAFileForEachPrompt) {
  write_text(root_ / "list.csv", "name,prompt,seed\nchair,\"a red, \"\"soft\"\" chair\",7\nvase,a vase\n");
  Outcome outcome =
      espalier(sampling({"generate", "--prompts", (root_ / "list.csv").string(), "-o", out("{name}.ply"), "--quiet"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(folder_ / "chair.ply") && fs::exists(folder_ / "vase.ply"));
  // The same as alone, with its own seed.
  (void)report_of(
      sampling({"generate", "--prompt", "a red, \"soft\" chair", "--seed", "7", "-o", out("alone.ply"), "--json", "--quiet"}));
  EXPECT_EQ(read_text(folder_ / "chair.ply"), read_text(folder_ / "alone.ply"));
  write_text(root_ / "list.txt", "A red chair\r\n\n\u0643\u0631\u0633\u064a\n");
  outcome = espalier(sampling(
      {"generate", "--prompts", (root_ / "list.txt").string(), "-o", folder_.path().string(), "--raw-mesh", "--quiet"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(folder_ / "001-a-red-chair.glb") && fs::exists(folder_ / "002.glb"));
}

TEST_F(Text, DamagedListsAreRefusedWithTheirLine) {
  const auto list = [&](const std::string& text, const Words& words, int code = 1, const std::string& output = "{name}.ply") {
    const std::string file = (root_ / "bad.csv").string();
    write_text(file, text);
    refused(sampling({"generate", "--prompts", file, "-o", out(output)}), code, words);
  };
  list("chair,a chair\n../up,a chair\n", {"bad.csv, line 2", "not a file name"});
  list("chair,a chair,ten\n", {"line 1", "not a seed"});
  list("chair,a chair,4294967296\n", {"line 1", "not a seed"});
  list("chair\n", {"line 1", "1 columns"});
  list("chair,\"open\n", {"line 1", "quote"});
  list("chair,a\nchair,b\n", {"chair comes twice"});
  list("chair, \n", {"line 1", "the prompt is empty"});
  list("chair,\xff\n", {"line 1", "not UTF-8"});
  list("\n\n", {"no prompt in it"});
  list("chair,a chair\n", {"every prompt would write", "{name}"}, 2, "one.ply");
  list("chair,a chair\n", {"the folder", "new does not exist", "mkdir", "--out-dir"}, 2, "new");
  list("name, prompt ,foo\nchair,a chair,1\n", {"line 1", "there is no column \"foo\"", "name, prompt and seed"});
  list("name,seed\nchair,1\n", {"line 1", "there is no column \"prompt\""});
  list("prompt,Prompt\na,b\n", {"line 1", "the column prompt comes twice"});
  list("prompt\na red, soft chair\n", {"line 2", "2 fields", "quotes"});
  list("seed,prompt\nten,a chair\n", {"line 2", "not a seed"});
}

TEST_F(Text, TheHeaderOfAListNamesItsColumnsInAnyOrder) {
  const auto make = [&](const std::string& text, const std::string& output) {
    write_text(root_ / "columns.csv", text);
    const Outcome outcome = espalier(sampling(
        {"generate", "--prompts", (root_ / "columns.csv").string(), "-o", out(output), "--decode", "gaussians", "--quiet"}));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  };
  make("Seed, PROMPT ,Name\n7,a red chair,chair\n,a vase,vase\n", "{name}-{seed}.ply");
  EXPECT_TRUE(fs::exists(folder_ / "chair-7.ply"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 2);
  make("prompt\na red chair\n", "only-{name}.ply");
  EXPECT_TRUE(fs::exists(folder_ / "only-001-a-red-chair.ply"));
}

TEST_F(Text, AShapeGetsAnotherLook) {
  const json report = report_of(sampling({"vary", box(), "--prompt", "rusty metal", "-o", out("a.ply"), "--json", "--quiet"}));
  // The shell of a box of 21.3 x 42.7 x 64 cells.
  EXPECT_NEAR(report.value("voxels", 0), 2 * (22 * 44 + 22 * 64 + 44 * 64), 900);
  EXPECT_NE(report.at("record").at("shape").get<std::string>().find("12 faces"), std::string::npos);
  for (const json& stage : report.at("stages")) EXPECT_NE(stage.at("stage"), "sample-structure");
}

TEST_F(Text, AMeshThatIsKeptStaysWhereItIs) {
  const Words look{"--texture-size", "512", "--bake", "fast", "--bake-views", "8", "--bake-view-size", "128", "--quiet"};
  for (const bool uvs : {false, true}) {
    Words arguments = sampling({"vary", box(), "--prompt", "rusty metal", "--keep-mesh", "-o", out("kept.obj")});
    if (uvs) arguments.emplace_back("--keep-uvs");
    arguments.insert(arguments.end(), look.begin(), look.end());
    const Outcome outcome = espalier(arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const json check = report_of({"check", box(), out("kept.obj"), "--json"});
    for (const char* key : {"low", "high", "faces", "area"}) EXPECT_EQ(check.at(0).at(key), check.at(1).at(key)) << key;
    // The texture coordinates of the box are 0.1 and 0.9 alone.
    std::istringstream lines(read_text(folder_ / "kept.obj"));
    bool own = true;
    for (std::string word; lines >> word;) {
      if (word != "vt") continue;
      for (int i = 0; i < 2; ++i) {
        double x = 0.0;
        lines >> x;
        own = own && std::abs(std::abs(x - 0.5) - 0.4) < 1e-4;
      }
    }
    EXPECT_EQ(own, uvs);
  }
  expect_refusal(espalier(sampling({"vary", box(), "--prompt", "x", "--keep-uvs", "-o", out("b.glb")})), 2, {"--keep-mesh"});
  expect_refusal(espalier(sampling({"vary", box(), "--prompt", "x", "--keep-mesh", "-o", out("b.stl")})), 1, {"a texture"});
}

TEST_F(Text, APartOfAnAssetIsMadeAnewByAPrompt) {
  const std::string asset = (root_ / "whole.safetensors").string();
  const Outcome made =
      espalier(sampling({"generate", "--prompt", "a red chair", "--decode", "gaussians", "--save-asset", asset, "--quiet"}));
  ASSERT_EQ(made.code, 0) << made.err;
  const auto edit = [&](const std::string& prompt, const std::string& to) {
    return sampling({"edit", asset, "--region", "box:-1,-1,0,1,1,1", "--prompt", prompt, "--decode", "gaussians",
                     "--save-asset", out(to), "--quiet"});
  };
  for (const auto& [prompt, to] : {std::pair{"a blue chair", "a.safetensors"},
                                   {"a blue chair", "b.safetensors"},
                                   {"\U0001F600 \u0643\u0631\u0633\u064a", "c.safetensors"}}) {
    const Outcome outcome = espalier(edit(prompt, to));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  EXPECT_TRUE(read_text(folder_ / "a.safetensors") == read_text(folder_ / "b.safetensors"));
  EXPECT_FALSE(read_text(folder_ / "a.safetensors") == read_text(folder_ / "c.safetensors"));
  for (const char* name : {"a.safetensors", "b.safetensors", "c.safetensors"}) fs::remove(folder_ / name);
  refused(edit(" ", "a.safetensors"), 1, {"the prompt is empty"});
  refused(edit("red \xff chair", "a.safetensors"), 1, {"not UTF-8 from byte 5"});
  refused(sampling({"edit", asset, "--region", "box:-1,-1,0,1,1,1", "--image", image_, "-o", out("a.glb")}), 1,
          {"this checkpoint makes assets from a prompt"});
}

TEST_F(Text, AnImageModelVariesByImages) {
  const Outcome outcome =
      espalier({"vary", box(), "--image", image_, "-o", out("a.ply"), "--device", "cpu", "--latent-steps", "1", "--quiet"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(Text, WhatIsNoShapeIsRefusedInOneLine) {
  const auto refuse = [&](const std::string& name, const std::string& text, const Words& words, Words more = {}) {
    const std::string file = (root_ / name).string();
    write_text(file, text);
    Words arguments = sampling({"vary", file, "--prompt", "rusty metal", "-o", out("a.glb")});
    arguments.insert(arguments.end(), more.begin(), more.end());
    refused(arguments, 1, words);
  };
  refuse("flat.obj", "v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", {"no volume"});
  refuse("point.obj", "v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", {"no volume"});
  refuse("none.obj", "v 0 0 0\n", {"none.obj"});
  refuse("plain.obj", "v 0 0 0\nv 1 0 0\nv 1 1 1\nv 0 1 0\nf 1 2 3\nf 1 3 4\n", {"no texture coordinates"},
         {"--keep-mesh", "--keep-uvs"});
  refuse("tiled.obj", "v 0 0 0\nv 1 0 0\nv 1 1 1\nvt 0 0\nvt 4 0\nvt 4 4\nf 1/1 2/2 3/3\n", {"leave the unit square"},
         {"--keep-mesh", "--keep-uvs"});
  refused(sampling({"vary", box(), "-o", out("a.glb")}), 2, {"--prompt", "--image"});
  refused(sampling({"vary", image_, "--prompt", "x", "-o", out("a.glb")}), 1, {"webp"});
}

TEST_F(Text, AMissingTowerIsNamedWithTheCommandThatFetchesIt) {
  const fs::path bare = root_ / "bare";
  fs::create_directories(bare / "demo");
  fs::create_directory_symlink(shipped_checkpoint(), bare / "demo/sprout");
  fs::copy_file(root_ / "model/pipeline.json", bare / "pipeline.json");
  const Outcome outcome =
      espalier({"info", bare.string()}, {"HOME=" + folder_.path().string(), "XDG_CACHE_HOME=" + folder_.path().string()});
  expect_refusal(outcome, 1, {"openai/clip-vit-large-patch14", "espalier pull"});
  const std::string weights = (root_ / "model/openai/clip-vit-large-patch14/model.safetensors").string();
  EXPECT_EQ(espalier({"info", bare.string(), "--text-encoder", weights}).code, 0);
}

}  // namespace
}  // namespace espalier::test
