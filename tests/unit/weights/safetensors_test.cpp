#include "weights/safetensors.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "support/temporary_folder.h"
#include "weights/loader.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

std::string file_of(const std::string& header, std::size_t body) {
  std::string s;
  for (unsigned i = 0; i < 8; ++i)
    s.push_back(static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8U * i) & 0xFFU));
  return s + header + std::string(body, '\0');
}

class Safetensors : public ::testing::Test {
 protected:
  fs::path write(const std::string& bytes) {
    const fs::path path = folder_.path() / "t.safetensors";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  // The message of the error that opening these bytes gives.
  std::string refusal(const std::string& bytes) {
    try {
      const SafetensorsFile file(write(bytes));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::format);
      return e.what();
    }
    ADD_FAILURE() << "accepted";
    return "";
  }
  test::TemporaryFolder folder_;
};

TEST_F(Safetensors, RoundTrip) {
  std::map<std::string, HostTensor> tensors;
  tensors.emplace("b", HostTensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3}));
  tensors.emplace("a", HostTensor::from(std::vector<std::int32_t>{7}, {1}));
  tensors.emplace("empty", HostTensor(DType::f16, {0, 4}));
  const fs::path path = folder_.path() / "t.safetensors";
  save_safetensors(path, tensors, {{"key", "value"}});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("key"), "value");
  EXPECT_EQ(file.load("b").to_vector<float>("b"), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(file.load("a").to_vector<std::int32_t>("a"), (std::vector<std::int32_t>{7}));
  EXPECT_EQ(file.load("empty").size(), 0);
  EXPECT_THROW((void)file.load("c"), Error);
}

TEST_F(Safetensors, LiesAreRefusedByName) {
  const auto one = [](const std::string& entry) { return "{\"w\":" + entry + "}"; };
  EXPECT_NE(refusal("abc").find("too few"), std::string::npos);
  EXPECT_NE(refusal(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10)).find("header of"), std::string::npos);
  EXPECT_NE(refusal(file_of("nonsense", 0)).find("not a JSON object"), std::string::npos);
  EXPECT_NE(refusal(file_of(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"), 4)).find("outside"), std::string::npos);
  EXPECT_NE(refusal(file_of(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), 8)).find("needs 12"),
            std::string::npos);
  EXPECT_NE(refusal(file_of(one(R"({"dtype":"F99","shape":[2],"data_offsets":[0,8]})"), 8)).find("dtype"), std::string::npos);
  EXPECT_NE(refusal(file_of(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), 8)).find("extent"), std::string::npos);
  EXPECT_NE(refusal(file_of(one(R"({"dtype":"F32","shape":[281474976710656,281474976710656],"data_offsets":[0,8]})"), 8))
                .find("too large"),
            std::string::npos);
  EXPECT_NE(refusal(file_of(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), 8)).find("outside"), std::string::npos);
  EXPECT_NE(refusal(file_of(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})"), 8)).find("after the last"),
            std::string::npos);
  EXPECT_NE(
      refusal(
          file_of(
              R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
              12))
          .find("overlap"),
      std::string::npos);
  EXPECT_NE(
      refusal(
          file_of(
              R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
              8))
          .find("twice"),
      std::string::npos);
  EXPECT_NE(refusal(file_of(std::string(100000, '['), 0)).find("nested"), std::string::npos);
}

// Whatever is done to a good file, opening it either works or throws an Error.
TEST_F(Safetensors, MutationsNeverCrash) {
  const std::string good = file_of(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[2,2],"data_offsets":[8,16]}})", 16);
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = good;
    for (unsigned n = random() % 4 + 1; n > 0; --n) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 3 == 0) bytes.resize(random() % bytes.size());
    try {
      const SafetensorsFile file(write(bytes));
      for (const auto& [name, entry] : file.entries()) (void)file.load(name);
    } catch (const Error&) {
    }
  }
}

TEST_F(Safetensors, DeclarationsNameEveryMismatchAtOnce) {
  std::map<std::string, HostTensor> tensors;
  tensors.emplace("good", HostTensor(DType::f32, {2}));
  tensors.emplace("shape", HostTensor(DType::f32, {3}));
  tensors.emplace("type", HostTensor(DType::i32, {2}));
  tensors.emplace("surplus", HostTensor(DType::f32, {2}));
  const fs::path path = folder_.path() / "t.safetensors";
  save_safetensors(path, tensors);
  const SafetensorsFile file(path);
  try {
    check_declarations(file, {{"good", {2}}, {"shape", {4}}, {"type", {2}}, {"missing", {2}}}, {});
    FAIL();
  } catch (const Error& e) {
    const std::string text = e.what();
    for (const char* part : {"t.safetensors", "shape: expected [4], found [3]",
                             "type: expected a floating-point type, found I32", "missing", "surplus", "4 tensors"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
  }
}

TEST_F(Safetensors, ChannelsLastReorders) {
  std::vector<float> values;
  for (int i = 0; i < 2 * 3 * 8; ++i) values.push_back(static_cast<float>(i));
  std::map<std::string, HostTensor> tensors;
  tensors.emplace("w", HostTensor::from(values, {2, 3, 2, 2, 2}));
  const fs::path path = folder_.path() / "t.safetensors";
  save_safetensors(path, tensors);
  const SafetensorsFile file(path);
  Queue<Cpu> queue;
  Arena<Cpu> arena(4096, 0, "test");
  WeightLoader<Cpu> loader(queue, arena, file);
  const auto w = loader.take<float, 5>("w", {2, 3, 2, 2, 2}, Order::channels_last);
  EXPECT_EQ(w.extents(), (Extents<5>{2, 2, 2, 2, 3}));
  EXPECT_EQ(w(1, 1, 0, 1, 2), static_cast<float>(1 * 24 + 2 * 8 + 5));
}

}  // namespace
}  // namespace espalier
