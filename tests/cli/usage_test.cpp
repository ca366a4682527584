// The command line itself: what is accepted, what help and documentation say. Nothing here needs a checkpoint.
#include <gtest/gtest.h>

#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

struct Misuse {
  std::vector<std::string> arguments;
  std::string word;
};

TEST(Usage, MisuseEndsWithTwoAndOneLine) {
  const std::string picture = data_path("images/bar.in.png").string();
  const std::vector<Misuse> cases{
      {{}, "no command"},
      {{"frobnicate"}, "frobnicate"},
      {{"generate", "--frobnicate"}, "--frobnicate"},
      {{"generate"}, "no picture"},
      {{"generate", picture}, "no output"},
      {{"generate", picture, "-o"}, "--output"},
      {{"generate", picture, "-o", "a.xyz"}, ".glb"},
      {{"generate", picture, "-o", "glb"}, ".glb"},
      {{"generate", picture, "-o", "a.glb", "-o", "./a.glb"}, "twice"},
      {{"generate", picture, "-o", "a.glb", "--preview", "a.jpg"}, ".png"},
      {{"generate", picture, "-o", "a.glb", "--preview", picture}, "both input and output"},
      {{"generate", picture, "-o", "a.glb", "--save-latent", "a.bin"}, ".safetensors"},
      {{"generate", picture, "-o", "a.glb", "--from-latent", "a.safetensors"}, "no pictures"},
      {{"generate", picture, "-o", "a.glb", "--formats", "gaussian"}, "mesh"},
      {{"generate", picture, "-o", "a.ply", "--formats", "mesh"}, "gaussian"},
      {{"generate", picture, "-o", "a.glb", "--formats", "voxel"}, "voxel"},
      {{"generate", picture, "-o", "a.glb", "--formats", ""}, "empty"},
      {{"generate", picture, "-o", "a.glb", "--seed", "-1"}, "--seed"},
      {{"generate", picture, "-o", "a.glb", "--seed", "4294967296"}, "4294967295"},
      {{"generate", picture, "-o", "a.glb", "--seed", "1e3"}, "--seed"},
      {{"generate", picture, "-o", "a.glb", "--seed", "1", "--seed", "2"}, "--seed"},
      {{"generate", picture, "-o", "a.glb", "--ss-sampling-steps", "0"}, "--ss-sampling-steps"},
      {{"generate", picture, "-o", "a.glb", "--slat-sampling-steps", "0"}, "--slat-sampling-steps"},
      {{"generate", picture, "-o", "a.glb", "--slat-sampling-steps", "2.5"}, "--slat-sampling-steps"},
      {{"generate", picture, "-o", "a.glb", "--slat-sampling-steps", "99999999999999999999"}, "--slat-sampling-steps"},
      {{"generate", picture, "-o", "a.glb", "--ss-guidance-strength", "nan"}, "--ss-guidance-strength"},
      {{"generate", picture, "-o", "a.glb", "--ss-guidance-strength", "inf"}, "--ss-guidance-strength"},
      {{"generate", picture, "-o", "a.glb", "--slat-guidance-interval", "0.7,0.5"}, "--slat-guidance-interval"},
      {{"generate", picture, "-o", "a.glb", "--slat-guidance-interval", "0.5"}, "--slat-guidance-interval"},
      {{"generate", picture, "-o", "a.glb", "--ss-rescale-t", "0"}, "--ss-rescale-t"},
      {{"generate", picture, "-o", "a.glb", "--device", "gpu"}, "cuda:N"},
      {{"generate", picture, "-o", "a.glb", "--device", "cuda:-1"}, "cuda:N"},
      {{"generate", picture, "-o", "a.glb", "--precision", "double"}, "full"},
      {{"generate", picture, "-o", "a.glb", "--vram-tier", "tiny"}, "medium"},
      {{"generate", picture, "-o", "a.glb", "--multiimage-algo", "mean"}, "multidiffusion"},
      {{"generate", picture, "-o", "a.glb", "--preset", "mobile"}, "app"},
      {{"generate", picture, "-o", "a.stl", "--size", "0"}, "--size"},
      {{"generate", picture, "-o", "a.stl", "--size", "12in"}, "mm"},
      {{"generate", picture, "--turntable", "a.gif"}, ".webp"},
      {{"generate", picture, "--sheet", "a.jpg"}, ".png"},
      {{"generate", picture, "-o", "a.glb", "--turntable", "t.webp", "--sheet", "t.webp"}, ".png"},
      {{"render"}, "render takes one"},
      {{"render", "a.glb", "b.glb", "-o", "a.png"}, "render takes one"},
      {{"render", "a.glb"}, "no output"},
      {{"render", "a.glb", "-o", "a.gif"}, ".mp4"},
      {{"render", "a.glb", "-o", "a.webp", "--turntable", "./a.webp"}, "twice"},
      {{"render", picture, "-o", picture}, "both input and output"},
      {{"render", "a.glb", "-o", "a.png", "--style", "shiny"}, "wireframe"},
      {{"render", "a.glb", "-o", "a.png", "--view", "30"}, "--view"},
      {{"render", "a.glb", "-o", "a.png", "--view", "30,91"}, "--view"},
      {{"render", "a.glb", "-o", "a.png", "--view", "nan,0"}, "--view"},
      {{"render", "a.glb", "-o", "a.png", "--fov", "180"}, "--fov"},
      {{"render", "a.glb", "-o", "a.png", "--size", "100000"}, "--size"},
      {{"render", "a.glb", "-o", "a.png", "--size", "100mm"}, "--size"},
      {{"render", "a.glb", "-o", "a.png", "--background", "#12345g"}, "--background"},
      {{"render", "a.glb", "-o", "a.png", "--background", "pink"}, "--background"},
      {{"render", "a.glb", "-o", "a.webp", "--seconds", "0"}, "--seconds"},
      {{"render", "a.glb", "-o", "a.webp", "--fps", "0"}, "--fps"},
      {{"preprocess", picture}, "one output"},
      {{"preprocess", picture, "-o", "a.jpg"}, ".png"},
      {{"bench", "--voxels", "1k"}, "12k"},
      {{"info", "a", "b"}, "b"},
  };
  const TemporaryFolder folder;
  for (const Misuse& c : cases) {
    std::string line = "espalier";
    for (const std::string& argument : c.arguments) line += " " + argument;
    SCOPED_TRACE(line);
    expect_refusal(espalier(c.arguments), 2, {c.word, "--help"});
  }
}

TEST(Usage, EnvironmentIsReadCheckedAndOverruled) {
  const std::vector<std::string> command{"generate", "nothing.png", "-o", "a.glb"};
  expect_refusal(espalier(command, {"ESPALIER_SEED=-1"}), 2, {"--seed"});
  expect_refusal(espalier(command, {"ESPALIER_VRAM_TIER=tiny"}), 2, {"--vram-tier"});
  expect_refusal(espalier({"generate", "nothing.png", "-o", "a.glb", "--seed", "7"}, {"ESPALIER_SEED=-1"}), 1, {"nothing.png"});
  expect_refusal(espalier({"info"}, {"ESPALIER_MODEL=/nowhere/at/all"}), 1, {"/nowhere/at/all"});
}

TEST(Usage, HelpAndVersion) {
  const Outcome version = espalier({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out, "espalier " ESPALIER_VERSION "\n");
  for (const char* command : {"generate", "preprocess", "info", "bench", "doctor"}) {
    EXPECT_NE(espalier({"--help"}).out.find(command), std::string::npos);
    const Outcome help = espalier({command, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.out.find("Usage: espalier " + std::string(command)), std::string::npos) << help.out;
    EXPECT_TRUE(help.err.empty()) << help.err;
  }
  EXPECT_NE(espalier({"generate", "--help"}).out.find("ESPALIER_SS_SAMPLING_STEPS"), std::string::npos);
}

TEST(Usage, OptionsPageIsCurrent) {
  const Outcome made = espalier({"--dump-options-markdown"});
  EXPECT_EQ(made.code, 0);
  EXPECT_EQ(made.out, read_text(data_path("../../docs/options.md")))
      << "docs/options.md is out of date: write the output of `espalier --dump-options-markdown` there";
}

TEST(Usage, OutputThatCannotBePrintedIsAnError) {
  const Outcome outcome = shell("\"$ESPALIER\" --help >/dev/full");
  expect_refusal(outcome, 1, {"standard output"});
}

}  // namespace
}  // namespace espalier::test
