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

// Refused as wrong usage in one line that holds the word.
void expect_misuse(const std::vector<Misuse>& cases) {
  const TemporaryFolder folder;
  for (const Misuse& c : cases) {
    std::string line = "espalier";
    for (const std::string& argument : c.arguments) line += " " + argument;
    SCOPED_TRACE(line);
    expect_refusal(espalier(c.arguments), 2, {c.word, "--help"});
  }
}

TEST(Usage, MisuseEndsWithTwoAndOneLine) {
  const std::string image = data_path("images/bar.in.png").string();
  const std::string without_ending = data_path("images/bar.in").string();
  const std::vector<Misuse> cases{
      {{}, "no command"},
      {{"frobnicate"}, "frobnicate"},
      {{"generate", "--frobnicate"}, "--frobnicate"},
      {{"generate"}, "no image"},
      {{"generate", image}, "no output"},
      {{"generate", image, "-o"}, "--output"},
      {{"generate", image, "-o", "a.xyz"}, ".glb"},
      {{"generate", image, "-o", "glb"}, ".glb"},
      {{"generate", image, "-o", "a.glb", "-o", "./a.glb"}, "twice"},
      {{"generate", image, "-o", "a.glb", "--preview", "a.jpg"}, ".png"},
      {{"generate", image, "-o", "a.glb", "--preview", image}, "both input and output"},
      {{"generate", image, "-o", without_ending + ".obj"}, "would replace"},
      {{"generate", image, "-o", without_ending + ".gltf", "--texture-format", "png"}, "would replace"},
      {{"generate", image, "-o", "a.obj", "--preview", "a.png"}, "would replace"},
      {{"generate", image, "-o", "a.glb", "--save-latent", "a.bin"}, ".safetensors"},
      {{"generate", image, "-o", "a.glb", "--from-latent", "a.safetensors"}, "no images"},
      {{"generate", image, "-o", "a.glb", "--decode", "gaussians"}, "mesh"},
      {{"generate", image, "-o", "a.ply", "--decode", "mesh"}, "gaussians"},
      {{"generate", image, "-o", "a.glb", "--decode", "voxel"}, "voxel"},
      {{"generate", image, "-o", "a.glb", "--decode", ""}, "--decode"},
      {{"generate", image, "-o", "a.glb", "--background", "none,alpha"}, "--background"},
      {{"generate", image, "-o", "a.glb", "--vram-limit", "8x"}, "--vram-limit"},
      {{"generate", image, "-o", "a.glb", "--vram-limit", "1000"}, "1m"},
      {{"generate", image, "-o", "a.glb", "--vram-limit", "-1g"}, "8g"},
      {{"generate", image, "-o", "a.glb", "--bake-view-size", "63"}, "4096"},
      {{"generate", image, "-o", "a.glb", "--seed", "-1"}, "--seed"},
      {{"generate", image, "-o", "a.glb", "--seed", "4294967296"}, "4294967295"},
      {{"generate", image, "-o", "a.glb", "--seed", "1e3"}, "--seed"},
      {{"generate", image, "-o", "a.glb", "--seed", "1", "--seed", "2"}, "--seed"},
      {{"generate", image, "-o", "a.glb", "--structure-steps", "0"}, "--structure-steps"},
      {{"generate", image, "-o", "a.glb", "--latent-steps", "0"}, "--latent-steps"},
      {{"generate", image, "-o", "a.glb", "--latent-steps", "2.5"}, "--latent-steps"},
      {{"generate", image, "-o", "a.glb", "--latent-steps", "99999999999999999999"}, "--latent-steps"},
      {{"generate", image, "-o", "a.glb", "--structure-guidance", "nan"}, "--structure-guidance"},
      {{"generate", image, "-o", "a.glb", "--structure-guidance", "inf"}, "--structure-guidance"},
      {{"generate", image, "-o", "a.glb", "--latent-interval", "0.7,0.5"}, "--latent-interval"},
      {{"generate", image, "-o", "a.glb", "--latent-interval", "0.5"}, "--latent-interval"},
      {{"generate", image, "-o", "a.glb", "--structure-rescale-t", "0"}, "--structure-rescale-t"},
      {{"generate", image, "-o", "a.glb", "--device", "gpu"}, "cuda:N"},
      {{"generate", image, "-o", "a.glb", "--device", "cuda:-1"}, "cuda:N"},
      {{"generate", image, "-o", "a.glb", "--precision", "double"}, "full"},
      {{"generate", image, "-o", "a.glb", "--vram-tier", "tiny"}, "medium"},
      {{"generate", image, "-o", "a.glb", "--multi-image", "mean"}, "multidiffusion"},
      {{"generate", image, "-o", "a.glb", "--preset", "mobile"}, "app"},
      {{"generate", image, "-o", "a.stl", "--size", "0"}, "--size"},
      {{"generate", image, "-o", "a.stl", "--size", "12in"}, "mm"},
      {{"generate", image, "--turntable", "a.gif"}, ".webp"},
      {{"generate", image, "--sheet", "a.jpg"}, ".png"},
      {{"generate", image, "-o", "a.glb", "--turntable", "t.webp", "--sheet", "t.webp"}, ".png"},
  };
  expect_misuse(cases);
}

TEST(Usage, MisuseOfTheOtherCommandsToo) {
  const std::string image = data_path("images/bar.in.png").string();
  const std::vector<Misuse> cases{
      {{"render"}, "render takes one"},
      {{"render", "a.glb", "b.glb", "-o", "a.png"}, "render takes one"},
      {{"render", "a.glb"}, "no output"},
      {{"render", "a.glb", "-o", "a.gif"}, ".mp4"},
      {{"render", "a.glb", "-o", "a.webp", "--turntable", "./a.webp"}, "twice"},
      {{"render", image, "-o", image}, "both input and output"},
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
      {{"preprocess", image}, "one output"},
      {{"preprocess", image, "-o", "a.jpg"}, ".png"},
      {{"bench", "--voxels", "1k"}, "12k"},
      {{"info", "a", "b"}, "b"},
  };
  expect_misuse(cases);
}

// Options that contradict each other, or that nothing that is written could show.
TEST(Usage, OptionsWithoutEffectAreRefused) {
  const std::string image = data_path("images/bar.in.png").string();
  const std::vector<Misuse> cases{
      {{"-o", "a.glb", "--raw-mesh", "--watertight"}, "--raw-mesh and --watertight cannot go together"},
      {{"-o", "a.glb", "--raw-mesh", "--faces", "100"}, "--raw-mesh and --faces"},
      {{"-o", "a.glb", "--raw-mesh", "--texture-size", "1024"}, "--raw-mesh and --texture-size"},
      {{"-o", "a.glb", "--faces", "1000", "--simplify", "0.95"}, "--faces and --simplify"},
      {{"-o", "a.glb", "--no-texture", "--texture-size", "2048"}, "--no-texture and --texture-size"},
      {{"-o", "a.glb", "--no-texture", "--bake", "fast"}, "--no-texture and --bake"},
      {{"-o", "a.fbx", "--compress", "draco"}, "--compress has no effect on .fbx"},
      {{"-o", "a.obj", "--lods", "3"}, "--lods has no effect on .obj"},
      {{"-o", "a.stl", "--no-quantise"}, "--no-quantise has no effect on .stl"},
      {{"-o", "a.usdz", "--unlit"}, "--unlit has no effect on .usdz"},
      {{"-o", "a.obj", "--texture-format", "webp"}, "--texture-format webp has no effect on .obj"},
      {{"-o", "a.stl", "--texture-format", "webp"}, "--texture-format has no effect on .stl"},
      {{"-o", "a.stl", "--texture-size", "2048"}, "--texture-size has no effect on .stl"},
      {{"-o", "a.ply", "--faces", "1000"}, "--faces has no effect on .ply"},
      {{"-o", "a.glb", "--size", "80mm"}, "--size has no effect on .glb"},
      {{"-o", "a.stl", "--size", "80mm", "--height", "1m"}, "--height and --size"},
      {{"-o", "a.glb", "--spz-version", "3"}, "--spz-version has no effect"},
      {{"-o", "a.stl", "--min-wall", "1mm"}, "--min-wall has no effect without --watertight"},
      {{"-o", "a.glb", "--vram-tier", "low", "--vram-limit", "4g"}, "--vram-tier and --vram-limit"},
      {{"-o", "a.glb", "--no-preprocess", "--background", "plain"}, "--no-preprocess and --background"},
      {{"-o", "a.glb", "--multi-image", "multidiffusion"}, "--multi-image has no effect without --views"},
      {{"-o", "a.glb", "--quiet", "--progress", "json"}, "--quiet and --progress"},
  };
  for (const Misuse& c : cases) {
    std::vector<std::string> arguments{"generate", image};
    arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
    SCOPED_TRACE(c.word);
    expect_refusal(espalier(arguments), 2, {c.word, "leave", "--help"});
  }
  expect_refusal(espalier({"generate", "--prompt", "a chair", "-o", "a.glb", "--background", "none"}), 2,
                 {"--prompt and --background"});
  expect_refusal(espalier({"generate", "--from-latent", "a.safetensors", "-o", "a.glb", "--seed", "1"}), 2,
                 {"--from-latent and --seed"});
  expect_refusal(espalier({"render", "a.glb", "-o", "a.png", "--fps", "10"}), 2, {"--fps has no effect on .png"});
  expect_refusal(espalier({"bench", "--quick", "--repetitions", "3"}), 2, {"--quick and --repetitions"});
  // With one file that can, they have an effect; what only repeats a default that does nothing is fine.
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"-o", "a.obj", "-o", "a.glb", "--texture-format", "webp"},
                                             {"-o", "a.fbx", "--compress", "none"},
                                             {"-o", "a.stl", "--turntable", "t.webp", "--texture-size", "512"},
                                             {"-o", "a.glb", "--raw-mesh", "--no-texture"}}) {
    std::vector<std::string> arguments{"generate", "nothing.png"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_refusal(espalier(arguments), 1, {"nothing.png"});
  }
}

TEST(Usage, AFlagReplacesAVariableThatContradictsIt) {
  const std::vector<std::string> command{"generate", "nothing.png", "-o", "a.stl", "--simplify", "0.5"};
  expect_refusal(espalier(command, {"ESPALIER_FACES=500", "ESPALIER_COMPRESS=draco", "ESPALIER_TEXTURE_SIZE=2048"}), 1,
                 {"nothing.png"});
}

TEST(Usage, AConfigurationFileHoldsDefaults) {
  const TemporaryFolder folder;
  const std::string file = (folder / "espalier/config.toml").string();
  std::filesystem::create_directory(folder / "espalier");
  const std::vector<std::string> here{"XDG_CONFIG_HOME=" + folder.path().string()};
  const std::vector<std::string> command{"generate", "nothing.png", "-o", "a.glb"};
  const auto with = [&](const std::string& text) {
    write_text(file, text);
    return espalier(command, here);
  };
  expect_refusal(with("seed = 7\nno-texture = false\nbackground = [\"alpha\"]\n\n[generate]\ntexture-size = 2048\n"), 1,
                 {"nothing.png"});
  expect_refusal(with("seed = -1\n"), 2, {"config.toml", "seed", "4294967295"});
  expect_refusal(with("\xEF\xBB\xBFseed = 7\n"), 1, {"nothing.png"});
  expect_refusal(with("[generate]\ntexture-size = 1\n"), 2, {"config.toml", "generate.texture-size"});
  expect_refusal(with("[export]\ntexture-size = 1\n"), 1, {"nothing.png"});
  expect_refusal(with("sed = 1\n"), 2, {"config.toml", "sed is unknown", "did you mean seed?"});
  expect_refusal(with("[genrate]\nseed = 1\n"), 2, {"genrate", "not a command"});
  expect_refusal(with("raw-mesh = 3\n"), 2, {"raw-mesh", "true nor false"});
  // What it sets is used, and gives way to variables and flags.
  write_text(file, "device = \"cuda:9\"\n");
  write_text((folder / "a.obj").string(), "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n");
  const auto draw = [&](std::vector<std::string> more, std::vector<std::string> variables) {
    more.insert(more.begin(),
                {"render", (folder / "a.obj").string(), "-o", (folder / "a.png").string(), "--size", "16", "--json"});
    variables.push_back(here.front());
    return espalier(more, variables);
  };
  EXPECT_NE((draw({}, {}).out + draw({}, {}).err).find("cuda:9"), std::string::npos);
  EXPECT_NE(draw({}, {"ESPALIER_DEVICE=cpu"}).out.find("\"device\": \"cpu ("), std::string::npos);
  EXPECT_NE(draw({"--device", "cpu"}, {}).out.find("\"device\": \"cpu ("), std::string::npos);
  expect_refusal(espalier({"info", "--config", (folder / "other.toml").string()}), 1, {"other.toml", "not there"});
}

TEST(Usage, HintsNameTheCommandThatHelps) {
  const std::string image = data_path("images/bar.in.png").string();
  expect_refusal(espalier({"generate", image, "-o", "a.glb", "--model", "nope"}), 1, {"nope", "sprout", "trellis-image-large"});
  const TemporaryFolder empty;
  expect_refusal(espalier({"preprocess", image, "-o", (empty / "a.png").string(), "--background", "network"},
                          {"U2NET_HOME=" + empty.path().string()}),
                 1, {"espalier pull isnet"});
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
  EXPECT_NE(espalier({"generate", "--help"}).out.find("ESPALIER_STRUCTURE_STEPS"), std::string::npos);
}

// What is made from the option table; scripts/options writes all of it.
TEST(Usage, DocumentsOfOptionsAreCurrent) {
  const auto made = [](const char* document) {
    const Outcome outcome = espalier({"--dump-options", document});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_TRUE(made("markdown") == read_text(project_path("docs/options.md"))) << "run scripts/options";
  EXPECT_TRUE(made("page") == read_text(project_path("web/src/core/option_table.ts"))) << "run scripts/options";
  const std::string schemas = made("schemas");
  EXPECT_GT(schemas.size(), 1000U);
  EXPECT_NE(read_text(project_path("apps/server/openapi.json")).find(schemas), std::string::npos) << "run scripts/options";
  EXPECT_EQ(espalier({"--dump-options", "poem"}).code, 2);
}

TEST(Usage, OldNamesAreTakenWithANotice) {
  const auto expect_notice = [](const std::vector<std::string>& arguments, const std::vector<std::string>& variables,
                                const std::vector<std::string>& words) {
    const Outcome outcome = espalier(arguments, variables);
    EXPECT_EQ(outcome.code, 1) << outcome.err;  // of nothing.png, which is only looked for when all options are good
    for (const std::string& word : words) EXPECT_NE(outcome.err.find(word), std::string::npos) << word << "\n" << outcome.err;
  };
  const std::vector<std::string> command{"generate", "nothing.png", "-o", "a.glb"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), command.begin(), command.end());
    return more;
  };
  expect_notice(with({"--ss-sampling-steps", "3"}), {}, {"--ss-sampling-steps is called --structure-steps now", "nothing.png"});
  expect_notice(with({"--slat-guidance-strength=3"}), {}, {"is called --latent-guidance now"});
  expect_notice(
      with({"--formats", "mesh,gaussian,radiance_field"}), {},
      {"--formats is called --decode now", "gaussian is called gaussians now", "radiance_field is called radiance-field now"});
  expect_notice(with({"--background", "automatic"}), {}, {"automatic is called auto now"});
  expect_notice(command, {"ESPALIER_SLAT_SAMPLING_STEPS=3"},
                {"ESPALIER_SLAT_SAMPLING_STEPS is called ESPALIER_LATENT_STEPS now"});
  // They are held to the same ranges, and what is spelled as it is now wins.
  expect_refusal(espalier(with({"--ss-sampling-steps", "0"})), 2, {"--structure-steps"});
  expect_refusal(espalier(command, {"ESPALIER_SLAT_SAMPLING_STEPS=0"}), 2, {"--latent-steps"});
  expect_refusal(espalier(command, {"ESPALIER_SLAT_SAMPLING_STEPS=0", "ESPALIER_LATENT_STEPS=2"}), 1, {"nothing.png"});
}

TEST(Usage, SizesInMemoryTakeSuffixes) {
  for (const char* size : {"8g", "8G", "512m", "512MiB", "1.5GB", "2097152", "3000k", "1t"}) {
    expect_refusal(espalier({"generate", "nothing.png", "-o", "a.glb", "--vram-limit", size}), 1, {"nothing.png"});
  }
  for (const char* size : {"", "g", "8gg", "8 g", "1e400g", "nan", "inf", "0x8g", "99999999999t", "1023k"}) {
    expect_refusal(espalier({"generate", "nothing.png", "-o", "a.glb", "--vram-limit", size}), 2, {"--vram-limit"});
  }
}

TEST(Usage, OutputThatCannotBePrintedIsAnError) {
  const Outcome outcome = shell("\"$ESPALIER\" --help >/dev/full");
  expect_refusal(outcome, 1, {"standard output"});
}

}  // namespace
}  // namespace espalier::test
