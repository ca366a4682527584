// The command doing its work, on the checkpoint that ships, with few steps on the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "image/codec.h"
#include "image/preprocess.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Generate : public ::testing::Test {
 protected:
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string bytes(const std::string& name) const { return read_text(folder_ / name); }

  // generate IMAGE ARGUMENTS... with few steps.
  [[nodiscard]] Words sampling(const Words& arguments) const {
    Words all{"generate",       image_, "--device",          "cpu", "--structure-steps",    "2",
              "--latent-steps", "1",    "--latent-guidance", "0",   "--structure-guidance", "0"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }
  // A texture that is quick to bake.
  static Words with_small_texture(Words arguments) {
    arguments.insert(arguments.end(), {"--bake-views", "8", "--texture-size", "512"});
    return arguments;
  }
  static Outcome succeed(const Words& arguments) {
    Outcome outcome = espalier(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome;
  }

  const TemporaryFolder folder_;
  const std::string image_ = data_path("images/typical_humanoid_dragonborn.in.webp").string();
};

TEST_F(Generate, EveryFormatThenAgainFromTheLatent) {
  Words arguments = {"--preview",     out("look.png"),
                     "--save-latent", out("a.safetensors"),
                     "--save-asset",  out("whole.safetensors"),
                     "--json",        "--quiet",
                     "--size",        "8cm"};
  for (const char* name : {"a.glb", "a.obj", "a.stl", "a.ply", "a.mesh.ply"}) {
    arguments.insert(arguments.end(), {"-o", out(name)});
  }
  const Outcome first = succeed(sampling(with_small_texture(std::move(arguments))));
  const auto report = nlohmann::json::parse(first.out);
  EXPECT_EQ(report.at("device").get<std::string>().substr(0, 3), "cpu");
  EXPECT_EQ(report.at("record").at("seed"), "42");
  EXPECT_GT(report.at("voxels"), 0);
  EXPECT_GT(report.at("faces"), 0);
  EXPECT_GT(report.at("gaussians"), 0);
  EXPECT_EQ(report.at("files").size(), 8U);
  for (const auto& file : report.at("files")) {
    EXPECT_EQ(fs::file_size(file.at("path").get<std::string>()), file.at("bytes").get<std::uintmax_t>());
  }
  EXPECT_NE(bytes("whole.safetensors").substr(0, 4000).find("image.1"), std::string::npos);
  ASSERT_GE(report.at("stages").size(), 5U);
  for (const auto& stage : report.at("stages")) EXPECT_GE(stage.at("planned_bytes"), 0);

  EXPECT_EQ(bytes("a.glb").substr(0, 4), "glTF");
  // For Khronos' validator, which runs after these tests.
  fs::create_directories(ESPALIER_KEPT_GLTF);
  fs::copy_file(folder_ / "a.glb", fs::path(ESPALIER_KEPT_GLTF) / "generate.glb", fs::copy_options::overwrite_existing);
  EXPECT_NE(bytes("a.obj").find("\nf "), std::string::npos);
  EXPECT_EQ(fs::file_size(folder_ / "a.stl"), 84 + 50 * report.at("faces").get<std::uintmax_t>());
  EXPECT_NE(bytes("a.ply").substr(0, 4000).find("property float f_dc_0"), std::string::npos);
  EXPECT_NE(bytes("a.ply").substr(0, 4000).find("seed: 42"), std::string::npos);
  EXPECT_NE(bytes("a.mesh.ply").substr(0, 4000).find("element face"), std::string::npos);
  EXPECT_NE(bytes("a.glb").find("sha256"), std::string::npos);
  const Image preview = load_image_file(folder_ / "look.png");
  EXPECT_GT(preview.width, preview.height);

  arguments = {"generate", "--from-latent", out("a.safetensors"),  "--device",
               "cpu",      "--preview",     out("again/look.png"), "--quiet",
               "--size",   "80mm"};
  fs::create_directory(folder_ / "again");  // a file's name is that of its contents, too
  for (const char* name : {"again/a.glb", "again/a.obj", "again/a.stl", "again/a.ply"})
    arguments.insert(arguments.end(), {"-o", out(name)});
  succeed(with_small_texture(std::move(arguments)));
  for (const char* name : {"a.glb", "a.obj", "a.stl", "a.ply", "look.png"}) {
    EXPECT_TRUE(bytes(name) == bytes(std::string("again/") + name)) << name << " differs when decoded again";
  }
}

// For programs that show a bar of their own.
TEST_F(Generate, ProgressAsLinesOfJson) {
  const Outcome outcome = succeed(sampling({"--raw-mesh", "-o", out("a.stl"), "--progress", "json"}));
  std::istringstream lines(outcome.err);
  std::set<std::string> stages;
  double last = 0.0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("{")) continue;  // a notice
    const auto progress = nlohmann::json::parse(line);
    const std::string stage = progress.at("stage");
    EXPECT_EQ(stage.find(' '), std::string::npos) << "an id, and no words";
    EXPECT_FALSE(progress.at("title").get<std::string>().empty());
    EXPECT_LE(progress.at("step"), progress.at("steps"));
    EXPECT_TRUE(progress.at("seconds_left").is_null() || progress.at("seconds_left") >= 0);
    EXPECT_GE(progress.at("fraction"), last);
    last = progress.at("fraction");
    stages.insert(stage);
  }
  EXPECT_DOUBLE_EQ(last, 1.0);
  for (const char* stage : {"encode-image", "sample-structure", "sample-latent", "decode-mesh"})
    EXPECT_EQ(stages.count(stage), 1U) << stage;
}

TEST_F(Generate, TakesTheMemoryThatWasPlanned) {
  const std::string latent = out("a.safetensors");
  const auto report =
      nlohmann::json::parse(succeed(sampling({"--save-latent", latent, "-o", out("a.ply"), "--json", "--quiet"})).out);
  const auto plan = nlohmann::json::parse(
      succeed({"plan", latent, "--device", "cpu", "--json", "--decode", "gaussians", "--vram-tier", "low"}).out);
  EXPECT_TRUE(plan.at("fits"));
  EXPECT_EQ(plan.at("voxels"), report.at("voxels"));
  ASSERT_EQ(plan.at("tiers").size(), 3U);
  const auto& high = plan.at("tiers")[0];
  const auto& low = plan.at("tiers")[2];
  EXPECT_EQ(high.at("tier"), "high");
  EXPECT_EQ(low.at("tier"), "low");
  ASSERT_EQ(high.at("stages").size(), 1U);
  const auto& stages = report.at("stages");
  const auto ran =
      std::find_if(stages.begin(), stages.end(), [](const auto& s) { return s.at("stage") == "decode-gaussians"; });
  ASSERT_NE(ran, stages.end());
  EXPECT_EQ(high.at("stages")[0].at("work_bytes"), ran->at("planned_bytes"));
  EXPECT_EQ(high.at("stages")[0].at("weight_bytes"), ran->at("weight_bytes"));

  // The limit is kept: what was planned for the low tier is enough, and half of it is refused, before and by the job.
  const std::string limit = std::to_string((low.at("peak_bytes").get<std::uint64_t>() >> 20U) + 1) + "m";
  const Words decode{"generate", "--from-latent", latent, "-o", out("b.ply"), "--device", "cpu", "--quiet", "--vram-limit"};
  const auto with = [&](Words words, const std::string& last) {
    words.push_back(last);
    return words;
  };
  succeed(with(decode, limit));
  const std::string half = std::to_string(low.at("peak_bytes").get<std::uint64_t>() >> 21U) + "m";
  expect_refusal(espalier(with(decode, half)), 1, {"limit", "--vram-limit"});
  expect_refusal(espalier({"plan", latent, "--device", "cpu", "--decode", "gaussians", "--json", "--vram-limit", half}), 1,
                 {"raise --vram-limit to"});
  const auto whole = nlohmann::json::parse(succeed({"plan", image_, "--device", "cpu", "--json"}).out);
  EXPECT_EQ(whole.at("tiers")[0].at("stages").size(), 6U);
  EXPECT_GT(whole.at("tiers")[0].at("peak_bytes"), whole.at("tiers")[2].at("peak_bytes"));
  // Weights in 8 bits count as such: a quarter of float32, but for what stays.
  const auto in_8_bits =
      nlohmann::json::parse(succeed({"plan", image_, "--device", "cpu", "--json", "--precision", "int8"}).out);
  const auto flow = [](const nlohmann::json& planned) {
    return planned.at("tiers")[2].at("stages")[1].at("weight_bytes").get<double>();
  };
  EXPECT_EQ(whole.at("tiers")[2].at("stages")[1].at("stage"), "sample-structure");
  EXPECT_LT(flow(in_8_bits), 0.4 * flow(whole));
  expect_refusal(espalier({"plan", out("none.png"), "--device", "cpu"}), 1, {"none.png"});
}

TEST_F(Generate, SeedDecidesTheResult) {
  const auto latent = [&](const std::string& name, const std::string& seed) {
    succeed(sampling({"--save-latent", out(name), "--seed", seed, "--quiet"}));
    return bytes(name);
  };
  const std::string first = latent("a.safetensors", "7");
  EXPECT_TRUE(first == latent("b.safetensors", "7")) << "the same seed gave another latent";
  EXPECT_FALSE(first == latent("c.safetensors", "8")) << "another seed gave the same latent";
}

TEST_F(Generate, SeveralImagesAndTheAppPreset) {
  const std::string second = data_path("images/blob_a.in.png").string();
  for (const char* mode : {"stochastic", "multidiffusion"}) {
    const Outcome outcome =
        succeed(sampling({second, "--views", "--multi-image", mode, "-o", out("a.ply"), "--json", "--quiet"}));
    EXPECT_EQ(nlohmann::json::parse(outcome.out).at("record").at("multi-image"), mode);
  }
  const Outcome app = succeed({"generate", image_, "--device", "cpu", "--preset", "app", "--structure-steps", "1",
                               "--latent-steps", "1", "-o", out("b.ply"), "--json", "--quiet"});
  const auto record = nlohmann::json::parse(app.out).at("record");
  EXPECT_NE(record.at("first stage").get<std::string>().find("steps 1, guidance 7.5"), std::string::npos);
  EXPECT_NE(record.at("second stage").get<std::string>().find("steps 1, guidance 3"), std::string::npos);
}

// The plan and the record name the same evaluations, fewer than without the preset, and the memory is as planned.
TEST_F(Generate, TheFastPresetEvaluatesLess) {
  const Words fast{"generate", image_, "--device", "cpu", "--preset", "fast", "--seed", "7", "--json", "--quiet", "-o"};
  const auto with = [&](const std::string& name) {
    Words words = fast;
    words.push_back(out(name));
    return nlohmann::json::parse(succeed(words).out);
  };
  const auto report = with("a.ply");
  (void)with("b.ply");
  EXPECT_TRUE(bytes("a.ply") == bytes("b.ply")) << "the same seed gave other Gaussians";
  const auto plan_of = [&](const std::string& preset) {
    return nlohmann::json::parse(succeed({"plan", image_, "--device", "cpu", "--json", "--preset", preset}).out);
  };
  const auto plan = plan_of("fast"), whole = plan_of("checkpoint");
  const int structure = plan.at("evaluations").at("structure"), latent = plan.at("evaluations").at("latent");
  EXPECT_LE(structure, whole.at("evaluations").at("structure"));
  EXPECT_LT(latent, whole.at("evaluations").at("latent"));
  EXPECT_EQ(report.at("record").at("preset"),
            "fast, " + std::to_string(structure) + " + " + std::to_string(latent) + " evaluations of the flows");
  const auto& stages = report.at("stages");
  const auto work = [](const auto& list, const char* key) {
    const auto found =
        std::find_if(list.begin(), list.end(), [](const auto& s) { return s.at("stage") == "sample-structure"; });
    return found->at(key).template get<std::uint64_t>();
  };
  EXPECT_EQ(work(plan.at("tiers")[0].at("stages"), "work_bytes"), work(stages, "planned_bytes"));
  expect_refusal(espalier({"plan", out("a.safetensors"), "--device", "cpu", "--preset", "fast"}), 2, {"--preset", "latent"});
}

TEST_F(Generate, ReuseIsRefusedWhereImagesTakeTurns) {
  const std::string second = data_path("images/blob_a.in.png").string();
  const Words turns = sampling({second, "--views", "-o", out("a.ply"), "--quiet", "--latent-solver", "multistep"});
  expect_refusal(espalier(turns), 1, {"take turns", "multidiffusion"});
  Words all = turns;
  all.insert(all.end(), {"--multi-image", "multidiffusion"});
  succeed(all);
  succeed({"generate", image_, second, "--views", "--device", "cpu", "--preset", "fast", "-o", out("b.ply"), "--quiet"});
}

TEST_F(Generate, ReportsProgressTimesAndMemory) {
  const Outcome outcome = succeed(sampling({"-o", out("a.ply")}));
  for (const char* word :
       {"sampling the sparse structure", "decoding the Gaussians", "planned", "peak", "a.ply", "Gaussians"}) {
    EXPECT_NE(outcome.out.find(word), std::string::npos) << outcome.out << "lacks: " << word;
  }
  EXPECT_NE(outcome.err.find("sampling the structured latent"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos) << "a bar was drawn into a file";
}

TEST_F(Generate, FullDiskLeavesNoFile) {
  succeed(sampling({"--save-latent", out("a.safetensors"), "--quiet"}));
  const Outcome outcome = shell("ulimit -f 64; \"$ESPALIER\" generate --quiet --device cpu --from-latent '" +
                                out("a.safetensors") + "' -o '" + out("a.ply") + "'");
  expect_refusal(outcome, 1, {"a.ply"});
  fs::remove(folder_ / "a.safetensors");
  expect_empty(folder_.path());
}

class Interrupted : public Generate {
 protected:
  // Sends `signal` while the command is in `stage`.
  void stop(const std::string& stage, int signal) const {
    SCOPED_TRACE(stage);
    Program program(
        {"generate", image_, "--device", "cpu", "--structure-steps", "1000", "-o", out("a.glb"), "-o", out("a.ply")});
    ASSERT_TRUE(program.says(stage));
    const auto sent = std::chrono::steady_clock::now();
    program.send(signal);
    const Outcome outcome = program.wait();
    const std::chrono::duration<double> lived = std::chrono::steady_clock::now() - sent;
    EXPECT_EQ(outcome.code, 130) << outcome.err;
#ifndef __SANITIZE_ADDRESS__  // which alone may take as long
    EXPECT_LT(lived.count(), 1.0);
#endif
    expect_empty(folder_.path());
  }
};

TEST_F(Interrupted, StopsWithinASecond) {
  stop("encoding the image", SIGINT);
  stop("sampling the sparse structure", SIGINT);
  stop("sampling the sparse structure", SIGTERM);
}

TEST(Inspect, InfoListsAndCounts) {
  const Outcome text = espalier({"info", shipped_checkpoint().string()});
  EXPECT_EQ(text.code, 0) << text.err;
  const Outcome outcome = espalier({"info", "--json"});  // the shipped checkpoint is found without a name
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto info = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(info.at("pipeline"), "TrellisImageTo3DPipeline");
  bool flow_seen = false;
  for (const auto& module : info.at("modules")) {
    EXPECT_NE(text.out.find(module.at("role").get<std::string>()), std::string::npos);
    EXPECT_GT(module.at("parameters"), 0);
    std::int64_t tensors = 0;
    for (const auto& [dtype, count] : module.at("tensors_by_dtype").items()) tensors += count.get<std::int64_t>();
    EXPECT_EQ(module.at("tensors"), tensors);
    flow_seen = flow_seen || module.at("name") == "SparseStructureFlowModel";
  }
  EXPECT_TRUE(flow_seen);
}

TEST(Inspect, DoctorApprovesOfTheProcessor) {
  const Outcome outcome = espalier({"doctor", "--device", "cpu", "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  const auto report = nlohmann::json::parse(outcome.out);
  EXPECT_TRUE(report.at("passed").get<bool>());
  std::set<std::string> passed;
  for (const auto& check : report.at("checks")) {
    const auto name = check.at("name").get<std::string>();
    if (check.at("verdict") == "ok") passed.insert(name.substr(0, name.find(',')));
  }
  for (const char* const family : {"matrix products",
                                   "attention",
                                   "causal attention",
                                   "normalisation",
                                   "group norm",
                                   "dense convolution",
                                   "image convolution",
                                   "sparse convolution",
                                   "subdivision",
                                   "pooling",
                                   "pixel shuffle",
                                   "embeddings",
                                   "elementwise",
                                   "held values",
                                   "sorting",
                                   "running sums",
                                   "surface extraction",
                                   "triangles",
                                   "Gaussian activation",
                                   "splats",
                                   "radiance field",
                                   "baking"}) {
    EXPECT_TRUE(passed.contains(family)) << family;
  }
}

TEST(Inspect, PreprocessWritesTheForeground) {
  const TemporaryFolder folder;
  const std::string out = (folder / "a.png").string();
  const Outcome outcome = espalier({"preprocess", data_path("images/blob_a.in.png").string(), "-o", out});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Image cutout = load_image_file(out);
  ASSERT_EQ(cutout.channels, 4);
  EXPECT_TRUE(before_black(cutout).pixels == load_image_file(data_path("images/blob_a.out.png")).pixels);
}

}  // namespace
}  // namespace espalier::test
