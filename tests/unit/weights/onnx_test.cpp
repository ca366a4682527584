// The reader of ONNX files: what it takes out of them, and what it refuses.
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/onnx_writer.h"
#include "weights/onnx_file.h"

namespace espalier {
namespace {

using namespace test::onnx;

OnnxGraph parse(const std::string& bytes) { return parse_onnx("model.onnx", bytes); }

std::string refusal(const std::string& bytes, ErrorCode code) {
  try {
    const OnnxGraph graph = parse(bytes);
    for (const OnnxTensor& t : graph.initializers) (void)onnx_floats("model.onnx", t);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    return e.what();
  }
  ADD_FAILURE() << "accepted";
  return "";
}

Model small() {
  Model m;
  m.nodes = {node("Conv", {"x", "w"}, {"y"},
                  attribute("pads", std::vector<std::int64_t>{1, 1, 1, 1}) + attribute("group", 1) +
                      attribute("auto_pad", std::string("NOTSET")))};
  m.tensors = {floats("w", {1, 1, 1, 2}, {1.5F, -2.0F})};
  m.inputs = {value("x", {1, 1, -1, 4})};
  m.outputs = {value("y", {1, 1, 4, 4})};
  return m;
}

TEST(Onnx, ReadsGraphs) {
  const std::string bytes = small().bytes();
  const OnnxGraph g = parse(bytes);
  EXPECT_EQ(g.opset, 13);
  ASSERT_EQ(g.nodes.size(), 1U);
  EXPECT_EQ(g.nodes[0].op, "Conv");
  EXPECT_EQ(g.nodes[0].inputs, (std::vector<std::string_view>{"x", "w"}));
  ASSERT_NE(g.nodes[0].find("pads"), nullptr);
  EXPECT_EQ(g.nodes[0].find("pads")->integers, (std::vector<std::int64_t>{1, 1, 1, 1}));
  EXPECT_EQ(g.nodes[0].find("group")->integer, 1);
  EXPECT_EQ(g.nodes[0].find("auto_pad")->text, "NOTSET");
  EXPECT_EQ(g.nodes[0].find("strides"), nullptr);
  ASSERT_EQ(g.inputs.size(), 1U);
  EXPECT_EQ(g.inputs[0].extents, (std::vector<std::int64_t>{1, 1, -1, 4}));
  EXPECT_EQ(onnx_floats("", g.initializers[0]), (std::vector<float>{1.5F, -2.0F}));
}

TEST(Onnx, ReadsElementsHoweverTheyAreStored) {
  Model m = small();
  m.tensors = {number(1, 2) + number(2, 1) + blob(4, raw(std::vector<float>{0.5F, 3.0F})),  // float_data
               number(1, 2) + number(2, 10) + blob(5, varint(0x3C00) + varint(0xC000)),     // halves as int32_data
               number(1, 2) + number(2, 10) + blob(9, raw(std::vector<std::uint16_t>{0x3C00, 0x3800})),
               number(1, 3) + number(2, 7) + blob(7, varint(5) + varint(static_cast<std::uint64_t>(-1)) + varint(300)),
               number(1, 1) + number(2, 6) + blob(9, raw(std::vector<std::int32_t>{-7}))};
  const std::string bytes = m.bytes();
  const OnnxGraph g = parse(bytes);
  EXPECT_EQ(onnx_floats("", g.initializers[0]), (std::vector<float>{0.5F, 3.0F}));
  EXPECT_EQ(onnx_floats("", g.initializers[1]), (std::vector<float>{1.0F, -2.0F}));
  EXPECT_EQ(onnx_floats("", g.initializers[2]), (std::vector<float>{1.0F, 0.5F}));
  EXPECT_EQ(onnx_integers("", g.initializers[3]), (std::vector<std::int64_t>{5, -1, 300}));
  EXPECT_EQ(onnx_integers("", g.initializers[4]), (std::vector<std::int64_t>{-7}));
}

TEST(Onnx, RefusesWhatTheFormatHasAndThisReaderLeavesOut) {
  const auto with = [](const std::string& tensor_field) {
    Model m = small();
    m.tensors = {number(1, 1) + number(2, 1) + blob(8, "w") + tensor_field};
    return m.bytes();
  };
  const std::string place = blob(1, "location") + blob(2, "../../etc/passwd");
  EXPECT_NE(refusal(with(blob(13, place) + number(14, 1)), ErrorCode::unsupported).find("another file"), std::string::npos);
  EXPECT_NE(refusal(with(number(14, 1)), ErrorCode::unsupported).find("another file"), std::string::npos);
  Model m = small();
  m.graph_extra = blob(15, "");
  EXPECT_NE(refusal(m.bytes(), ErrorCode::unsupported).find("sparse"), std::string::npos);
  m = small();
  m.nodes.push_back(node("If", {"x"}, {"z"}, blob(5, blob(1, "then_branch") + blob(6, ""))));
  EXPECT_NE(refusal(m.bytes(), ErrorCode::unsupported).find("graph inside"), std::string::npos);
  EXPECT_NE(refusal(small().bytes() + blob(25, ""), ErrorCode::unsupported).find("functions"), std::string::npos);
  m = small();
  m.tensors = {tensor("w", {2}, 2, "ab")};
  EXPECT_NE(refusal(m.bytes(), ErrorCode::unsupported).find("uint8"), std::string::npos);
}

TEST(Onnx, RefusesDamage) {
  const std::string good = small().bytes();
  for (std::size_t length = 0; length < good.size(); ++length) {
    // Without the version of the operators at the end the graph alone is whole; it is refused for that.
    EXPECT_FALSE(refusal(good.substr(0, length), ErrorCode::format).empty()) << length;
  }
  EXPECT_FALSE(refusal(good + good, ErrorCode::format).empty());
  Model m = small();
  m.tensors = {tensor("w", {3}, 1, std::string(8, '\0'))};
  EXPECT_NE(refusal(m.bytes(), ErrorCode::format).find("3 elements"), std::string::npos);
  m.tensors = {tensor("w", {std::int64_t{1} << 62, 4}, 1, "")};
  EXPECT_FALSE(refusal(m.bytes(), ErrorCode::format).empty());
  m.tensors = {tensor("w", std::vector<std::int64_t>(100'000, 1), 1, std::string(4, '\0'))};
  EXPECT_FALSE(refusal(m.bytes(), ErrorCode::format).empty());
}

TEST(Onnx, PartsAreCountedBeforeTheyAreStored) {
  std::string nodes;
  for (int i = 0; i < 250'000; ++i) nodes += blob(1, "");
  EXPECT_NE(refusal(blob(7, nodes) + blob(8, number(2, 13)), ErrorCode::unsupported).find("parts"), std::string::npos);
}

TEST(Onnx, NamesInMessagesAreShortAndPrintable) {
  EXPECT_EQ(printable("a\nb\x01"), "a?b?");
  EXPECT_EQ(printable(std::string(200, 'x')).size(), 83U);
}

}  // namespace
}  // namespace espalier
