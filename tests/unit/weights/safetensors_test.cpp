#include "weights/safetensors.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "base/hash.h"
#include "support/errors.h"
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

// The form of the public library: widest types first, then by name; dtype, shape, data_offsets; padded to 8 bytes.
TEST(SafetensorsLayout, IsThatOfThePublicLibrary) {
  std::map<std::string, TensorEntry> entries;
  const auto add = [&](const std::string& name, DType type, std::vector<std::int64_t> extents) {
    const auto bytes = static_cast<std::size_t>(checked_size(extents)) * size_of(type);
    entries[name] = {type, std::move(extents), nullptr, bytes};
  };
  add("a", DType::boolean, {3});
  add("b\"\xc3\xa9", DType::f16, {});
  add("c", DType::f32, {2, 1});
  add("B", DType::f32, {0});
  add("z", DType::i64, {1});
  add("d", DType::bf16, {1});
  const SafetensorsLayout layout = plan_safetensors(entries, {{"format", "pt"}});
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"z":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
      R"("B":{"dtype":"F32","shape":[0],"data_offsets":[8,8]},"c":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},)"
      R"("d":{"dtype":"BF16","shape":[1],"data_offsets":[16,18]},"b\"é":{"dtype":"F16","shape":[],"data_offsets":[18,20]},)"
      R"("a":{"dtype":"BOOL","shape":[3],"data_offsets":[20,23]}})";
  ASSERT_EQ(layout.head.size() % 8, 0U);
  EXPECT_EQ(layout.head.substr(8, header.size()), header);
  EXPECT_EQ(layout.head.substr(8 + header.size()).find_first_not_of(' '), std::string::npos);
  EXPECT_EQ(layout.body_bytes, 23U);
  EXPECT_EQ(layout.order, (std::vector<std::string>{"z", "B", "c", "d", "b\"\xc3\xa9", "a"}));
  std::map<std::string, std::string> metadata;
  const std::string text = layout.head.substr(8);
  const std::vector<std::byte> body(layout.body_bytes);
  EXPECT_EQ(parse_safetensors_header("t", text.data(), text.size(), body.data(), body.size(), metadata).size(), 6U);
  add("__metadata__", DType::f32, {1});
  EXPECT_THROW((void)plan_safetensors(entries, {}), Error);
  entries.erase("__metadata__");
  add("\xff", DType::f32, {1});
  EXPECT_THROW((void)plan_safetensors(entries, {}), Error);
}

// DINOv2 ViT-L/14 with registers, as published and as converted by the public library: 344 float32 tensors, no metadata, a
// header of 32,456 bytes in a file of 1,217,523,408. The header's hash was computed by another program.
TEST(SafetensorsLayout, OfDinoHasThePublishedSizes) {
  std::map<std::string, TensorEntry> entries;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> extents) {
    const auto bytes = static_cast<std::size_t>(checked_size(extents)) * sizeof(float);
    entries[name] = {DType::f32, std::move(extents), nullptr, bytes};
  };
  constexpr std::int64_t kWidth = 1024;
  add("cls_token", {1, 1, kWidth});
  add("pos_embed", {1, 1370, kWidth});
  add("register_tokens", {1, 4, kWidth});
  add("mask_token", {1, kWidth});
  add("patch_embed.proj.weight", {kWidth, 3, 14, 14});
  add("patch_embed.proj.bias", {kWidth});
  for (const char* end : {"weight", "bias"}) add(std::string("norm.") + end, {kWidth});
  for (int i = 0; i < 24; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    for (const char* name : {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"}) {
      add(block + name, {kWidth});
    }
    const auto linear = [&](const char* name, std::int64_t out, std::int64_t in) {
      add(block + name + ".weight", {out, in});
      add(block + name + ".bias", {out});
    };
    linear("attn.qkv", 3 * kWidth, kWidth);
    linear("attn.proj", kWidth, kWidth);
    linear("mlp.fc1", 4 * kWidth, kWidth);
    linear("mlp.fc2", kWidth, 4 * kWidth);
  }
  EXPECT_EQ(entries.size(), 344U);
  const SafetensorsLayout layout = plan_safetensors(entries, {});
  EXPECT_EQ(layout.head.size(), 8U + 32456U);
  EXPECT_EQ(layout.head.size() + layout.body_bytes, 1217523408U);
  EXPECT_EQ(layout.head.substr(0, 8), std::string("\xc8\x7e\0\0\0\0\0\0", 8));
  EXPECT_EQ(sha256(std::as_bytes(std::span(layout.head).subspan(8))),
            "5769bfb92118023630e6c2eccc5f7099a2ddb9b0514e5f4a3cf32db955e1466a");
}

TEST_F(Safetensors, LiesAreRefusedByName) {
  const auto one = [](const std::string& entry) { return "{\"w\":" + entry + "}"; };
  EXPECT_NE(refusal("abc").find("too few"), std::string::npos);
  EXPECT_NE(refusal(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10)).find("header of"), std::string::npos);
  EXPECT_NE(refusal(file_of("nonsense", 0)).find("not valid JSON"), std::string::npos);
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

TEST_F(Safetensors, AFileThatBecomesShorterWhileItIsReadIsAnError) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[65536],"data_offsets":[0,262144]}})";
  const auto path = write(file_of(header, 262144));
  const SafetensorsFile file(path);
  EXPECT_EQ(file.load("a").bytes(), 262144U);
  std::filesystem::resize_file(path, 4096);
  test::expect_error(ErrorCode::io, {"shorter"}, [&] { (void)file.load("a"); });
  const auto copy = path.parent_path() / "copy.safetensors";
  test::expect_error(ErrorCode::io, {"shorter"}, [&] { (void)write_safetensors(copy, file); });
  EXPECT_FALSE(std::filesystem::exists(copy));
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
