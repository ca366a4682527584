// Weights of torch.save: converted, and used where safetensors files are.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/hash.h"
#include "checkpoint_copy.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"
#include "support/torch_writer.h"
#include "weights/safetensors.h"
#include "weights/torch_file.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;

// The tensors of a safetensors file as torch.save would write them.
std::string as_torch(const fs::path& path, bool legacy) {
  static const std::map<DType, const char*> kTypes{{DType::f32, "FloatStorage"}, {DType::f16, "HalfStorage"}};
  const SafetensorsFile file(path);
  std::vector<TorchTensorText> tensors;
  std::vector<std::pair<std::string, std::string>> storages;
  std::vector<LegacyStorage> legacy_storages;
  for (const auto& [name, entry] : file.entries()) {
    const std::string key = std::to_string(tensors.size());
    std::vector<std::int64_t> strides(entry.extents.size(), 1);
    for (std::size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * entry.extents[i];
    const std::string content(reinterpret_cast<const char*>(entry.data), entry.bytes);
    const std::int64_t count = checked_size(entry.extents);
    tensors.push_back({name, kTypes.at(entry.dtype), key, count, 0, entry.extents, strides});
    storages.emplace_back(key, content);
    legacy_storages.push_back({key, static_cast<std::uint64_t>(count), content});
  }
  const std::string pickle = torch_pickle(tensors, legacy);
  return legacy ? torch_legacy(pickle, legacy_storages) : torch_archive(pickle, storages);
}

class Convert : public ::testing::Test {
 protected:
  [[nodiscard]] std::string in(const std::string& name) const { return (folder_ / name).string(); }
  const TemporaryFolder folder_;
};

TEST_F(Convert, TensorsArriveExactlyAndTheReportSaysWhatWasWritten) {
  for (const char* name : {"plain", "types", "views", "legacy", "wrapped"}) {
    SCOPED_TRACE(name);
    const fs::path from = data_path("torch/" + std::string(name) + ".pth");
    const std::string to = in(std::string(name) + ".safetensors");
    const Outcome done = espalier({"convert", from.string(), to, "--json"});
    ASSERT_EQ(done.code, 0) << done.err;
    const TorchFile before(from);
    const SafetensorsFile after{fs::path(to)};
    ASSERT_EQ(after.entries().size(), before.entries().size());
    for (const auto& [tensor, entry] : after.entries()) {
      const TensorEntry wanted = before.read(tensor);
      EXPECT_EQ(entry.dtype, wanted.dtype);
      EXPECT_EQ(entry.extents, wanted.extents);
      EXPECT_EQ(sha256({entry.data, entry.bytes}), sha256({wanted.data, wanted.bytes})) << tensor;
    }
    const auto report = nlohmann::json::parse(done.out);
    EXPECT_EQ(report.at("tensors"), before.entries().size());
    EXPECT_EQ(report.at("bytes"), fs::file_size(to));
    EXPECT_EQ(report.at("sha256"), sha256_of_file(to));
  }
  const Outcome text = espalier({"convert", data_path("torch/plain.pth").string(), in("a.safetensors")});
  EXPECT_NE(text.out.find("36 tensors"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find(sha256_of_file(in("a.safetensors"))), std::string::npos) << text.out;
  // What is a safetensors file already only changes its order, and a second time nothing.
  EXPECT_EQ(espalier({"convert", in("a.safetensors"), in("b.safetensors")}).code, 0);
  EXPECT_EQ(sha256_of_file(in("b.safetensors")), sha256_of_file(in("a.safetensors")));
}

TEST_F(Convert, RefusalsAreOneLineAndWriteNothing) {
  constexpr const char* kCanary = "/tmp/espalier-pth-was-here";
  fs::remove(kCanary);
  const fs::path out = folder_ / "out";
  fs::create_directory(out);
  const std::string to = (out / "a.safetensors").string();
  const auto refused = [&](const std::string& from, const std::vector<std::string>& words) {
    expect_refusal(espalier({"convert", from, to}), 1, words);
    expect_empty(out);
  };
  refused(data_path("torch/hostile_system.pth").string(), {"hostile_system.pth", "os.system", "nothing was run"});
  refused(data_path("torch/truncated_half.pth").string(), {"truncated_half.pth", "truncated"});
  refused(in("none.pth"), {"none.pth"});
  write_text(folder_ / "pointer.pth", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1217607321\n");
  refused(in("pointer.pth"), {"pointer.pth", "Git LFS pointer", "1217607321", "git lfs pull"});
  EXPECT_FALSE(fs::exists(kCanary));
  const std::string good = data_path("torch/types.pth").string();
  expect_refusal(espalier({"convert", good}), 2, {"two files"});
  expect_refusal(espalier({"convert", good, in("a.pth")}), 2, {".safetensors"});
  expect_refusal(espalier({"convert", good, in("none/a.safetensors")}), 1, {"none"});
}

TEST_F(Convert, CheckpointsMayHoldFilesOfTorch) {
  const CheckpointCopy checkpoint(folder_ / "checkpoint");
  const auto moved = [&](const std::string& from, const std::string& to, bool legacy) {
    const std::string bytes = as_torch(shipped_checkpoint() / from, legacy);
    checkpoint.remove(from);
    write_text(checkpoint.path() / to, bytes);
  };
  moved("ckpts/dinov2_sprout14_reg.safetensors", "dinov2_sprout14_reg4_pretrain.pth", false);
  moved("ckpts/ss_flow_img_dit_sprout_fp16.safetensors", "ckpts/ss_flow_img_dit_sprout_fp16.pt", false);
  moved("ckpts/ss_dec_conv3d_sprout_fp16.safetensors", "ckpts/ss_dec_conv3d_sprout_fp16.bin", true);
  const auto modules = [](const std::string& path, const std::vector<std::string>& more) {
    std::vector<std::string> words{"info", path, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome done = espalier(words);
    EXPECT_EQ(done.code, 0) << done.err;
    nlohmann::json all = nlohmann::json::parse(done.out).at("modules");
    std::map<std::string, std::string> files;
    for (nlohmann::json& m : all) {
      files[m.at("role")] = fs::path(m.at("file").get<std::string>()).filename().string();
      m.erase("file");
    }
    return std::pair(all, files);
  };
  const auto [shipped, shipped_files] = modules(shipped_checkpoint().string(), {});
  const auto [mixed, files] = modules(checkpoint.path().string(), {});
  EXPECT_EQ(mixed, shipped);
  EXPECT_EQ(files.at("image_cond_model"), "dinov2_sprout14_reg4_pretrain.pth");
  EXPECT_EQ(files.at("sparse_structure_flow_model"), "ss_flow_img_dit_sprout_fp16.pt");
  EXPECT_EQ(files.at("sparse_structure_decoder"), "ss_dec_conv3d_sprout_fp16.bin");
  // Anywhere else, by name.
  fs::rename(checkpoint.path() / "dinov2_sprout14_reg4_pretrain.pth", folder_ / "encoder.pth");
  EXPECT_EQ(modules(checkpoint.path().string(), {"--image-encoder", in("encoder.pth")}).first, shipped);
  expect_refusal(espalier({"info", checkpoint.path().string()}), 1, {"dinov2_sprout14_reg", "--image-encoder"});
  // A safetensors file goes before the others.
  fs::copy(shipped_checkpoint() / "ckpts/ss_dec_conv3d_sprout_fp16.safetensors",
           checkpoint.path() / "ckpts/ss_dec_conv3d_sprout_fp16.safetensors");
  EXPECT_EQ(modules(checkpoint.path().string(), {"--image-encoder", in("encoder.pth")}).second.at("sparse_structure_decoder"),
            "ss_dec_conv3d_sprout_fp16.safetensors");
}

TEST_F(Convert, Int8FilesStandForTheOthers) {
  const CheckpointCopy checkpoint(folder_ / "checkpoint");
  const auto info = [](const fs::path& path) {
    const Outcome done = espalier({"info", path.string(), "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return nlohmann::json::parse(done.out).at("modules");
  };
  for (const nlohmann::json& m : info(shipped_checkpoint())) {
    const fs::path file = m.at("file").get<std::string>();
    const std::string to = in(file.filename().string());
    const Outcome done = espalier({"convert", "--int8", file.string(), to, "--json"});
    ASSERT_EQ(done.code, 0) << done.err;
    const auto report = nlohmann::json::parse(done.out);
    EXPECT_EQ(report.at("parameters"), m.at("parameters"));
    EXPECT_EQ(report.at("tensors"), m.at("tensors").get<int>() + report.at("quantised").get<int>());
    checkpoint.replace("ckpts/" + file.filename().string(), read_text(to));
    // A second time there is nothing left to do.
    EXPECT_EQ(espalier({"convert", "--int8", to, in("again.safetensors")}).code, 0);
    EXPECT_EQ(sha256_of_file(in("again.safetensors")), sha256_of_file(to));
  }
  const nlohmann::json before = info(shipped_checkpoint()), after = info(checkpoint.path());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].at("parameters"), before[i].at("parameters"));
    if (before[i].at("role") != "sparse_structure_flow_model") continue;
    EXPECT_EQ(after[i].at("tensors_by_dtype").at("I8"), 6 * 7);  // blocks, matrices in each
    EXPECT_LT(after[i].at("bytes").get<double>(), 0.62 * before[i].at("bytes").get<double>());
  }
  const auto made = [&](const fs::path& model, const std::string& precision, const std::string& name) {
    const Outcome done = espalier({"generate", data_path("images/bar.in.png").string(), "-o", in(name), "--model",
                                   model.string(), "--precision", precision, "--decode", "gaussians", "--structure-steps", "1",
                                   "--latent-steps", "1", "--device", "cpu", "--quiet"});
    EXPECT_EQ(done.code, 0) << done.err;
    const std::string text = read_text(in(name));
    return text.substr(text.find("end_header"));  // before it stand the hashes of the weights' files
  };
  const std::string quantised = made(shipped_checkpoint(), "int8", "a.ply");
  EXPECT_TRUE(made(checkpoint.path(), "int8", "b.ply") == quantised);
  const std::string full = made(shipped_checkpoint(), "full", "c.ply");
  EXPECT_FALSE(full == quantised);
  // The same numbers in float32, and without rounded products where the processor has such.
  EXPECT_FALSE(made(checkpoint.path(), "full", "d.ply") == full);
}

TEST_F(Convert, Float8IsForGpus) {
  expect_refusal(espalier({"generate", data_path("images/bar.in.png").string(), "-o", in("a.glb"), "--precision", "fp8",
                           "--device", "cpu", "--quiet"}),
                 1, {"fp8", "--precision int8"});
}

}  // namespace
}  // namespace espalier::test
