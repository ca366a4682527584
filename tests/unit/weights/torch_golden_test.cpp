// The files of tests/data/torch: written by torch and by hand, with the hashes of every tensor, and hostile ones.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/hash.h"
#include "support/data.h"
#include "support/peak_memory.h"
#include "support/temporary_folder.h"
#include "weights/torch_file.h"
#include "weights/weight_file.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kCanary = "/tmp/espalier-pth-was-here";  // hostile files make it when anything in them is run

DType dtype_of_name(const std::string& name) {
  static const std::map<std::string, DType> names{{"float64", DType::f64},   {"float32", DType::f32}, {"float16", DType::f16},
                                                  {"bfloat16", DType::bf16}, {"int64", DType::i64},   {"int32", DType::i32},
                                                  {"int16", DType::i16},     {"int8", DType::i8},     {"uint8", DType::u8},
                                                  {"bool", DType::boolean}};
  return names.at(name);
}

void expect_tensors(const TensorSource& file, const json& expected) {
  EXPECT_EQ(file.entries().size(), expected.size());
  for (const json& t : expected) {
    const std::string name = t.at("name");
    SCOPED_TRACE(name);
    ASSERT_EQ(file.entries().count(name), 1U);
    const TensorEntry entry = file.read(name);
    EXPECT_EQ(entry.dtype, dtype_of_name(t.at("dtype")));
    EXPECT_EQ(entry.extents, t.at("shape").get<std::vector<std::int64_t>>());
    EXPECT_EQ(sha256({entry.data, entry.bytes}), t.at("sha256"));
  }
}

// A message of one line, without control characters.
void expect_one_line(const std::string& message) {
  EXPECT_FALSE(message.empty());
  EXPECT_LT(message.size(), 600U);
  for (const char c : message) EXPECT_TRUE(c >= ' ' && c <= '~') << message;
}

class TorchGolden : public ::testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] static fs::path file() { return test::data_path("torch/" + GetParam()); }
};

TEST_P(TorchGolden, TensorsAreExactOrTheFileIsRefused) {
  const json expected = test::json_data("torch/expected.json").at(GetParam());
  const std::string expect = expected.at("expect");
  fs::remove(kCanary);
  try {
    const auto weights = open_weights(file());
    if (expect == "error") {
      for (const auto& [name, entry] : weights->entries()) (void)weights->read(name);
      ADD_FAILURE() << "accepted";
    } else {
      if (expected.contains("tensors")) expect_tensors(*weights, expected["tensors"]);
    }
  } catch (const Error& error) {
    EXPECT_NE(expect, "tensors") << error.what();
    EXPECT_TRUE(error.code() == ErrorCode::format || error.code() == ErrorCode::unsupported) << error.what();
    EXPECT_NE(std::string(error.what()).find(GetParam()), std::string::npos) << error.what();
    expect_one_line(error.what());
    RecordProperty("refusal", error.what());
  }
  EXPECT_FALSE(fs::exists(kCanary)) << "something in the file was run";
}

// The whole of each refusal in a process of its own: what its peak grows by.
TEST_P(TorchGolden, RefusalsTakeLittleMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "freed memory stays in AddressSanitizer's quarantine";
#endif
  if (test::json_data("torch/expected.json").at(GetParam()).at("expect") == "tensors") return;
  const fs::path path = file();
  const std::int64_t kib = test::peak_growth([&] {
    try {
      const auto file = open_weights(path);
      for (const auto& [name, entry] : file->entries()) (void)file->read(name);
    } catch (const Error&) {
    }
    return true;
  });
  EXPECT_GE(kib, 0) << "it crashed";
  EXPECT_LT(kib, 64 * 1024);
}

std::vector<std::string> golden_files() {
  std::vector<std::string> names;
  const json all = test::json_data("torch/expected.json");
  for (const auto& [name, expected] : all.items()) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Files, TorchGolden, ::testing::ValuesIn(golden_files()), [](const auto& file) {
  std::string name = file.param.substr(0, file.param.find('.'));
  return name;
});

TEST(TorchGoldenFiles, AreAllThere) {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator(test::data_path("torch"))) {
    const fs::path name = entry.path().filename();
    if (name.extension() != ".json") found.insert(name);
  }
  const std::vector<std::string> listed = golden_files();
  EXPECT_EQ(found, std::set<std::string>(listed.begin(), listed.end()));
}

// Cut off anywhere, a file is refused: no byte is missing without being missed.
TEST(TorchGoldenFiles, TruncatedFilesAreRefused) {
  const test::TemporaryFolder folder;
  const json all = test::json_data("torch/expected.json");
  for (const auto& [name, expected] : all.items()) {
    if (expected.at("expect") != "tensors") continue;
    std::ifstream in(test::data_path("torch/" + name), std::ios::binary);
    const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    ASSERT_GT(whole.size(), 1000U);
    const std::size_t step = whole.size() > 10000 ? 1024 : 97;
    const auto refused = [&](std::size_t size) {
      std::ofstream(folder / "cut.pth", std::ios::binary) << whole.substr(0, size);
      try {
        (void)open_weights(folder / "cut.pth");
        ADD_FAILURE() << name << " cut to " << size << " of " << whole.size() << " bytes was accepted";
      } catch (const Error& error) {
        expect_one_line(error.what());
      }
    };
    for (std::size_t size = 0; size < whole.size(); size += step) refused(size);
    for (std::size_t less = 1; less < 32; ++less) refused(whole.size() - less);
  }
}

}  // namespace
}  // namespace espalier
