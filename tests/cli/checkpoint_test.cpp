// Checkpoints and latents that are incomplete, damaged, foreign or lie.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>

#include "checkpoint_copy.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;

const std::string flow = "ckpts/ss_flow_img_dit_sprout_fp16";
const std::string decoder = "ckpts/ss_dec_conv3d_sprout_fp16";

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string out(sizeof length, '\0');
  std::memcpy(out.data(), &length, sizeof length);
  return out + rest;
}

class BadCheckpoint : public ::testing::Test {
 protected:
  [[nodiscard]] CheckpointCopy fresh() { return CheckpointCopy(folder_ / std::to_string(count_++)); }
  // Both commands refuse it, and generate writes nothing.
  void refused(const CheckpointCopy& checkpoint, const std::vector<std::string>& words) const {
    const std::string path = checkpoint.path().string();
    expect_refusal(espalier({"info", path}), 1, words);
    expect_refusal(espalier({"generate", data_path("images/bar.in.png").string(), "-o", (outputs_ / "a.glb").string(),
                             "--model", path, "--quiet", "--device", "cpu"}),
                   1, words);
    expect_empty(outputs_);
  }
  // The tensor file of `module` becomes `bytes`.
  void refused_tensors(const std::string& why, const std::string& bytes, const std::vector<std::string>& words = {}) {
    SCOPED_TRACE(why);
    const CheckpointCopy checkpoint = fresh();
    checkpoint.replace(flow + ".safetensors", bytes);
    std::vector<std::string> all = words;
    all.push_back(flow + ".safetensors");
    refused(checkpoint, all);
  }
  void refused_edit(const std::string& why, const std::string& file, const std::function<void(TensorFile&)>& edit,
                    const std::vector<std::string>& words) {
    SCOPED_TRACE(why);
    const CheckpointCopy checkpoint = fresh();
    checkpoint.edit_tensors(file + ".safetensors", edit);
    refused(checkpoint, words);
  }
  void refused_json(const std::string& why, const std::string& file, const std::string& bytes) {
    SCOPED_TRACE(why);
    const CheckpointCopy checkpoint = fresh();
    checkpoint.replace(file, bytes);
    refused(checkpoint, {file});
  }

  void SetUp() override { fs::create_directory(outputs_); }

  const TemporaryFolder folder_;
  const fs::path outputs_ = folder_ / "out";
  int count_ = 0;
};

TEST_F(BadCheckpoint, CopyItselfIsGood) {
  const Outcome outcome = espalier({"info", fresh().path().string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(BadCheckpoint, MissingFiles) {
  expect_refusal(espalier({"info", (folder_ / "none").string()}), 1, {"none"});
  for (const std::string& file : {std::string("pipeline.json"), flow + ".json", flow + ".safetensors",
                                  std::string("ckpts/dinov2_sprout14_reg.safetensors")}) {
    SCOPED_TRACE(file);
    const CheckpointCopy checkpoint = fresh();
    checkpoint.remove(file);
    refused(checkpoint, {file});
  }
}

TEST_F(BadCheckpoint, BadJson) {
  for (const std::string& file : {std::string("pipeline.json"), flow + ".json"}) {
    refused_json("empty", file, "");
    refused_json("text", file, "checkpoint");
    refused_json("another type", file, "[1, 2]");
    refused_json("cut off", file, read_text(shipped_checkpoint() / file).substr(0, 100));
    refused_json("deep", file, std::string(200000, '['));
    refused_json("deep objects", file, [] {
      std::string text;
      for (int i = 0; i < 50000; ++i) text += "{\"a\":";
      return text;
    }());
    refused_json("huge", file, "{\"name\": \"" + std::string(std::size_t{20} << 20U, 'x') + "\"}");
  }
}

TEST_F(BadCheckpoint, ForeignPipelineAndArguments) {
  const auto edited = [&](const std::string& file, const std::function<void(nlohmann::json&)>& edit,
                          const std::vector<std::string>& words) {
    SCOPED_TRACE(words.back());
    const CheckpointCopy checkpoint = fresh();
    checkpoint.edit_json(file, edit);
    refused(checkpoint, words);
  };
  edited("pipeline.json", [](auto& j) { j["name"] = "StableDiffusionPipeline"; }, {"StableDiffusionPipeline"});
  edited("pipeline.json", [](auto& j) { j["args"]["models"]["slat_flow_model"] = "../../etc/passwd"; }, {"../../etc/passwd"});
  edited("pipeline.json", [](auto& j) { j["args"]["sparse_structure_sampler"]["name"] = "DdimSampler"; }, {"DdimSampler"});
  edited("pipeline.json", [](auto& j) { j["args"]["sparse_structure_sampler"]["params"]["steps"] = 0; }, {"steps"});
  edited(flow + ".json", [](auto& j) { j["name"] = "UNet"; }, {"UNet"});
  edited(flow + ".json", [](auto& j) { j["args"]["frobnicate"] = 1; }, {"frobnicate"});
  edited(flow + ".json", [](auto& j) { j["args"]["model_channels"] = -4; }, {"model_channels"});
  edited(flow + ".json", [](auto& j) { j["args"]["model_channels"] = 1 << 30; }, {flow});
}

TEST_F(BadCheckpoint, DamagedTensorFiles) {
  const std::string whole = read_text(shipped_checkpoint() / (flow + ".safetensors"));
  refused_tensors("empty", "");
  refused_tensors("three bytes", "abc");
  refused_tensors("foreign", read_text(program_path()).substr(0, 100000));
  refused_tensors("cut off in the header", whole.substr(0, 500));
  refused_tensors("cut off in the data", whole.substr(0, whole.size() - 100));
  refused_tensors("more data than tensors", whole + "rest");
  refused_tensors("header longer than the file", with_length(whole.size() * 2, whole.substr(8)));
  refused_tensors("header of 2^64 - 1 bytes", with_length(~std::uint64_t{0}, whole.substr(8)));
  refused_tensors("header of no bytes", with_length(0, whole.substr(8)));
  const std::string deep(100000, '[');
  refused_tensors("deep header", with_length(deep.size(), deep));
  refused_tensors("header of another type", with_length(2, "[]"));
}

TEST_F(BadCheckpoint, LyingTensorFiles) {
  const std::string name = "input_layer.weight";
  const auto at = [name](TensorFile& f) -> nlohmann::json& { return f.header.at(name); };
  refused_edit("offsets outside", flow, [&](TensorFile& f) { at(f)["data_offsets"] = {0, std::uint64_t{1} << 40U}; }, {name});
  refused_edit("offsets backwards", flow, [&](TensorFile& f) { at(f)["data_offsets"] = {100, 0}; }, {name});
  refused_edit("negative offsets", flow, [&](TensorFile& f) { at(f)["data_offsets"] = {-8, 0}; }, {name});
  refused_edit("sizes that overflow", flow, [&](TensorFile& f) { at(f)["shape"] = {std::int64_t{1} << 62U, 16}; }, {name});
  refused_edit("negative size", flow, [&](TensorFile& f) { at(f)["shape"] = {-1, -8}; }, {name});
  refused_edit("unknown type", flow, [&](TensorFile& f) { at(f)["dtype"] = "F7"; }, {name, "F7"});
  refused_edit("no shape", flow, [&](TensorFile& f) { at(f).erase("shape"); }, {name});
  refused_edit("overlap", flow,
               [&](TensorFile& f) { at(f)["data_offsets"] = f.header.at("input_layer.bias").at("data_offsets"); }, {flow});
}

TEST_F(BadCheckpoint, TensorsThatDoNotFitTheNetwork) {
  const std::string name = "out_layer.2.bias";
  const std::string file = decoder + ".safetensors";
  refused_edit("missing", decoder,
               [&](TensorFile& f) {
                 f.header["another.name"] = f.header.at(name);
                 f.header.erase(name);
               },
               {file, name});
  refused_edit("surplus", decoder,
               [&](TensorFile& f) {
                 const std::size_t end = f.data.size();
                 f.header["surplus.weight"] = {{"dtype", "F32"}, {"shape", {2}}, {"data_offsets", {end, end + 8}}};
                 f.data += std::string(8, '\0');
               },
               {file, "surplus.weight"});
  // Names that would write over the terminal are shown without control characters.
  refused_edit("a name of several lines", decoder,
               [&](TensorFile& f) {
                 const std::size_t end = f.data.size();
                 f.header["x\n\x1b[2Jespalier: y"] = {{"dtype", "F32"}, {"shape", {2}}, {"data_offsets", {end, end + 8}}};
                 f.data += std::string(8, '\0');
               },
               {file, "[2Jespalier: y"});
  refused_edit("shape", decoder, [&](TensorFile& f) { f.header.at(name)["shape"] = {1, 1}; }, {file, name, "[1, 1]"});
  refused_edit("dtype", decoder, [&](TensorFile& f) { f.header.at(name)["dtype"] = "I32"; }, {file, name, "I32"});
}

// The first stage decides how many voxels there are; here its decoder is made to say none.
TEST_F(BadCheckpoint, NoVoxel) {
  const CheckpointCopy checkpoint = fresh();
  checkpoint.edit_tensors(decoder + ".safetensors", [&](TensorFile& f) { f.fill("out_layer.2.bias", -1e6F); });
  expect_refusal(espalier({"generate", data_path("images/bar.in.png").string(), "-o", (outputs_ / "a.glb").string(), "--model",
                           checkpoint.path().string(), "--quiet", "--device", "cpu", "--structure-steps", "1"}),
                 1, {"no active voxel", "seed", "another image or prompt"});
  expect_empty(outputs_);
}

class BadLatent : public BadCheckpoint {
 protected:
  void latent_refused(const std::string& why, const std::string& bytes) const {
    SCOPED_TRACE(why);
    const fs::path file = folder_ / "latent.safetensors";
    write_text(file, bytes);
    expect_refusal(espalier({"generate", "--from-latent", file.string(), "-o", (outputs_ / "a.glb").string(), "--quiet",
                             "--device", "cpu"}),
                   1, {"latent.safetensors"});
    expect_empty(outputs_);
  }

  // A latent of `coords` (4 numbers per voxel) with as many rows of features of 8 channels.
  static TensorFile latent(const std::vector<std::int32_t>& coords, float value = 0.5F) {
    const std::size_t rows = coords.size() / 4;
    const std::size_t split = coords.size() * sizeof(std::int32_t);
    const std::size_t end = split + rows * 8 * sizeof(float);
    TensorFile file;
    file.header = {{"__metadata__", {{"format", "espalier-latent-1"}, {"resolution", "64"}}},
                   {"coords", {{"dtype", "I32"}, {"shape", {rows, 4}}, {"data_offsets", {0, split}}}},
                   {"feats", {{"dtype", "F32"}, {"shape", {rows, 8}}, {"data_offsets", {split, end}}}}};
    file.data.resize(end);
    if (rows == 0) return file;
    std::memcpy(file.data.data(), coords.data(), split);
    file.fill("feats", value);
    return file;
  }
};

TEST_F(BadLatent, IsRefused) {
  latent_refused("foreign", "no latent");
  latent_refused("another safetensors file", read_text(shipped_checkpoint() / (decoder + ".safetensors")));
  latent_refused("no voxel", latent({}).bytes());
  latent_refused("outside the grid", latent({0, 1, 2, 64}).bytes());
  latent_refused("negative", latent({0, -1, 2, 3}).bytes());
  latent_refused("two batch elements", latent({0, 1, 2, 3, 1, 1, 2, 3}).bytes());
  latent_refused("the same voxel twice", latent({0, 1, 2, 3, 0, 1, 2, 3}).bytes());
  latent_refused("not finite", latent({0, 1, 2, 3}, std::numeric_limits<float>::quiet_NaN()).bytes());
  TensorFile flat = latent({0, 1, 2, 3});
  flat.header["coords"]["shape"] = {2, 2};
  latent_refused("coordinates of two numbers", flat.bytes());
  TensorFile narrow = latent({0, 1, 2, 3});
  narrow.header["feats"]["shape"] = {2, 4};
  latent_refused("another number of channels", narrow.bytes());
  TensorFile mistyped = latent({0, 1, 2, 3});
  mistyped.header["coords"]["dtype"] = "F32";
  latent_refused("coordinates of another type", mistyped.bytes());
  TensorFile coarse = latent({0, 1, 2, 3});
  coarse.header["__metadata__"]["resolution"] = "32";
  latent_refused("another grid", coarse.bytes());
  const std::string whole = latent({0, 1, 2, 3, 0, 1, 2, 4}).bytes();
  latent_refused("cut off", whole.substr(0, whole.size() - 5));
}

}  // namespace
}  // namespace espalier::test
