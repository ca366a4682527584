// Background networks from ONNX files: plans against plain loops, and files that are meant to do harm.
#include "models/matting/network.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>
#include <set>

#include "base/error.h"
#include "models/matting/background_network.h"
#include "support/data.h"
#include "support/errors.h"
#include "support/onnx_writer.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using namespace test::onnx;
using Ints = std::vector<std::int64_t>;

std::vector<float> noise(std::size_t count, unsigned seed, float scale = 1.0F) {
  std::mt19937 random(seed);
  std::vector<float> out(count);
  for (float& v : out) v = scale * (static_cast<float>(random() % 2001) / 1000.0F - 1.0F);
  return out;
}

std::vector<float> run(const std::string& bytes, const std::vector<float>& input) {
  const OnnxGraph graph = parse_onnx("model.onnx", bytes);
  Queue<Cpu> queue;
  MattingNetwork<Cpu, float> network(queue, "model.onnx", plan_network("model.onnx", graph, 8, 8));
  return network.run(input)[0];
}

Error refusal(const std::string& bytes) {
  try {
    (void)run(bytes, std::vector<float>(16));
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "accepted";
  return Error(ErrorCode::internal, "");
}

// y = Conv 3x3 of 2 channels to 3, then `behind`.
Model convolution(const std::vector<std::string>& behind, const std::string& result) {
  Model m;
  m.nodes = {node("Conv", {"x", "w", "b"}, {"c"}, attribute("pads", Ints{1, 1, 1, 1}))};
  m.nodes.insert(m.nodes.end(), behind.begin(), behind.end());
  m.tensors = {floats("w", {3, 2, 3, 3}, noise(54, 1)),   floats("b", {3}, {0.1F, -0.2F, 0.3F}),
               floats("scale", {3}, {1.0F, 0.5F, -2.0F}), floats("shift", {3}, {0.0F, 1.0F, 0.5F}),
               floats("mean", {3}, {0.1F, -0.3F, 0.2F}),  floats("variance", {3}, {1.0F, 4.0F, 0.25F})};
  m.inputs = {value("x", {1, 2, 5, 4})};
  m.outputs = {value(result, {1, 3, 5, 4})};
  return m;
}

// The same by plain loops.
std::vector<float> plain_convolution(const std::vector<float>& x) {
  const auto w = noise(54, 1);
  const float bias[] = {0.1F, -0.2F, 0.3F};
  std::vector<float> out;
  for (int o = 0; o < 3; ++o) {
    for (int y = 0; y < 5; ++y) {
      for (int column = 0; column < 4; ++column) {
        double sum = bias[o];
        for (int c = 0; c < 2; ++c) {
          for (int t = 0; t < 9; ++t) {
            const int from_y = y + t / 3 - 1, from_x = column + t % 3 - 1;
            if (from_y < 0 || from_y >= 5 || from_x < 0 || from_x >= 4) continue;
            sum +=
                w[static_cast<std::size_t>((o * 2 + c) * 9 + t)] * x[static_cast<std::size_t>((c * 5 + from_y) * 4 + from_x)];
          }
        }
        out.push_back(static_cast<float>(sum));
      }
    }
  }
  return out;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-5) << i;
}

TEST(MattingNetwork, BatchNormsBehindAndBesideConvolutions) {
  const std::vector<float> x = noise(40, 2);
  std::vector<float> expected = plain_convolution(x);
  expect_near(run(convolution({}, "c").bytes(), x), expected);
  const float scale[] = {1.0F, 0.5F, -2.0F}, shift[] = {0.0F, 1.0F, 0.5F}, mean[] = {0.1F, -0.3F, 0.2F},
              var[] = {1.0F, 4.0F, 0.25F};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::size_t c = i / 20;
    expected[i] = (expected[i] - mean[c]) / std::sqrt(var[c] + 1e-5F) * scale[c] + shift[c];
  }
  const std::string norm = node("BatchNormalization", {"c", "scale", "shift", "mean", "variance"}, {"n"});
  expect_near(run(convolution({norm}, "n").bytes(), x), expected);
  // Read twice, so nothing can be joined: n + relu(c) - the sum shows both.
  const std::vector<float> c = plain_convolution(x);
  std::vector<float> both = expected;
  for (std::size_t i = 0; i < both.size(); ++i) both[i] += std::max(c[i], 0.0F);
  expect_near(run(convolution({norm, node("Relu", {"c"}, {"r"}), node("Add", {"n", "r"}, {"y"})}, "y").bytes(), x), both);
  for (float& v : expected) v = 1.0F / (1.0F + std::exp(-std::max(v, 0.0F)));
  expect_near(run(convolution({norm, node("Relu", {"n"}, {"r"}), node("Sigmoid", {"r"}, {"y"})}, "y").bytes(), x), expected);
}

TEST(MattingNetwork, OrderOfTheFileDoesNotMatter) {
  const std::vector<float> x = noise(40, 3);
  Model m = convolution({node("Relu", {"c"}, {"r"}), node("Concat", {"r", "x"}, {"y"}, attribute("axis", 1))}, "y");
  const std::vector<float> expected = run(m.bytes(), x);
  ASSERT_EQ(expected.size(), 100U);
  std::reverse(m.nodes.begin(), m.nodes.end());
  EXPECT_EQ(run(m.bytes(), x), expected);
}

TEST(MattingNetwork, UnneededStepsAreCheckedButNotRun) {
  Model m = convolution({node("Relu", {"c"}, {"r"}), node("Sigmoid", {"x"}, {"unused"})}, "r");
  const std::string bytes = m.bytes();
  const OnnxGraph graph = parse_onnx("model.onnx", bytes);
  const MattingPlan plan = plan_network("model.onnx", graph, 8, 8);
  ASSERT_EQ(plan.steps.size(), 1U);
  EXPECT_EQ(plan.steps[0].activation, Activation::relu);
  m.nodes.push_back(node("Tanh", {"x"}, {"unused too"}));
  EXPECT_NE(std::string(refusal(m.bytes()).what()).find("Tanh"), std::string::npos);
}

// Maps that are alive together must not share memory: every map keeps its owner until its last reader.
TEST(MattingNetwork, MapsThatAreAliveTogetherLieApart) {
  const OnnxFile file(test::data_path("golden_matting/onnx/u2net_odd.onnx"));
  const MattingPlan plan = plan_network(file.label(), file.graph(), 320, 320);
  const auto at = [](int map) { return static_cast<std::size_t>(map); };
  std::vector<std::size_t> last(plan.maps.size(), 0);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    for (const int map : plan.steps[i].inputs) last[at(map)] = i;
  }
  for (const int map : plan.outputs) last[at(map)] = plan.steps.size();
  std::set<int> alive{plan.input};
  std::int64_t together = 0, most = 0;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const MattingStep& step = plan.steps[i];
    for (const int map : alive) {
      const bool handed_on = last[at(map)] == i && plan.offsets[at(map)] == plan.offsets[at(step.output)];
      const std::int64_t a = plan.offsets[at(map)], b = plan.offsets[at(step.output)];
      const bool apart = a + plan.maps[at(map)].elements() <= b || b + plan.maps[at(step.output)].elements() <= a;
      EXPECT_TRUE(apart || handed_on) << "step " << i << ", map " << map;
    }
    alive.insert(step.output);
    together = 0;
    for (const int map : alive) together += plan.maps[at(map)].elements();
    most = std::max(most, together);
    for (auto it = alive.begin(); it != alive.end();) it = last[at(*it)] <= i ? alive.erase(it) : std::next(it);
    EXPECT_LE(plan.offsets[at(step.output)] + plan.maps[at(step.output)].elements(), plan.elements);
  }
  EXPECT_LT(plan.elements, 2 * most) << "memory that is free is used again";
}

// What is asked for before anything is allocated is what is allocated then.
TEST(MattingNetwork, PlansItsMemory) {
  const test::TemporaryFolder folder;
  Model m;
  m.nodes = {node("Conv", {"x", "w", "b"}, {"c"}, attribute("pads", Ints{1, 1, 1, 1})), node("Relu", {"c"}, {"r"}),
             node("Conv", {"r", "v"}, {"y"})};
  m.tensors = {floats("w", {16, 3, 3, 3}, noise(432, 1)), floats("b", {16}, noise(16, 2)),
               floats("v", {1, 16, 1, 1}, noise(16, 3))};
  m.inputs = {value("x", {1, 3, 256, 192})};
  m.outputs = {value("y", {1, 1, 256, 192})};
  const auto path = folder.path() / "small.onnx";
  std::ofstream(path, std::ios::binary) << m.bytes();
  const OnnxFile file(path);
  const MattingPlan plan = plan_network(file.label(), file.graph(), 256, 192);
  Queue<Cpu> queue;
  const MattingNetwork<Cpu, float> network(queue, file.label(), plan);
  EXPECT_EQ((MattingNetwork<Cpu, float>::planned_bytes(queue, file.label(), plan)), network.bytes());
  EXPECT_EQ(background_network_bytes(path), network.bytes());
  EXPECT_GT(network.bytes(), 256UL * 192 * (16 + 3) * sizeof(float));  // the maps that are alive together
  EXPECT_LT(network.bytes(), 256UL * 192 * (16 + 16 + 3 + 3) * sizeof(float));
}

TEST(MattingNetwork, RefusesByName) {
  const auto message = [](const Model& m) { return std::string(refusal(m.bytes()).what()); };
  Model m = convolution({node("Relu", {"c"}, {"y"})}, "y");
  const std::string conv_start = "Conv_node (Conv): ";
  const auto with = [&](const std::string& attributes) {
    Model changed = m;
    changed.nodes[0] = node("Conv", {"x", "w", "b"}, {"c"}, attribute("pads", Ints{1, 1, 1, 1}) + attributes);
    return message(changed);
  };
  EXPECT_NE(with(attribute("group", 2)).find(conv_start + "group 2"), std::string::npos);
  EXPECT_NE(with(attribute("strides", Ints{0, 1})).find("stride 0"), std::string::npos);
  EXPECT_NE(with(attribute("auto_pad", std::string("SAME_UPPER"))).find("SAME_UPPER"), std::string::npos);
  EXPECT_NE(with(attribute("kernel_shape", Ints{3, 5})).find("kernel_shape"), std::string::npos);
  EXPECT_NE(with(attribute("novelty", 1)).find("novelty"), std::string::npos);
  m.opset = 999;
  EXPECT_NE(message(m).find("999"), std::string::npos);
  m = convolution({node("Relu", {"nowhere"}, {"y"})}, "y");
  EXPECT_NE(message(m).find("nowhere"), std::string::npos);
  m = convolution({node("Relu", {"y"}, {"y"})}, "y");
  EXPECT_NE(message(m).find("depends on itself"), std::string::npos);
}

TEST(MattingNetwork, AFileThatBecomesShorterIsAnError) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "u2net.onnx";
  std::filesystem::copy_file(test::data_path("golden_matting/onnx/u2net_odd.onnx"), path);
  const OnnxFile file(path);
  EXPECT_NO_THROW(file.check_intact());
  std::filesystem::resize_file(path, 10'000);
  for (const OnnxTensor& weights : file.graph().initializers) {
    if (weights.type == OnnxTensor::kFloat) (void)onnx_floats(file.label(), weights);  // zeros for what is gone
  }
  test::expect_error(ErrorCode::io, {"u2net.onnx", "shorter"}, [&] { file.check_intact(); });
}

// One file each, with what must come of it.
TEST(MattingNetwork, HostileFiles) {
  int runs = 0, refused = 0;
  const nlohmann::json files = test::json_data("hostile_onnx/expected.json");
  for (const auto& [name, expected] : files.items()) {
    const auto path = test::data_path("hostile_onnx") / name;
    if (!std::filesystem::exists(path)) continue;  // two large ones are made in other tests
    const std::string expect = expected.at("expect");
    try {
      const OnnxFile file(path);
      Queue<Cpu> queue;
      const MattingPlan plan = plan_network(file.label(), file.graph(), 4, 4);
      EXPECT_LE(plan.elements, std::int64_t{1} << 20U) << name;
      MattingNetwork<Cpu, float> network(queue, file.label(), plan);
      const auto result = network.run(std::vector<float>(static_cast<std::size_t>(network.input().elements()), 0.5F));
      EXPECT_NE(expect, "error") << name << ": " << expected.at("text");
      for (const float v : result[0]) EXPECT_TRUE(std::isfinite(v)) << name;
      ++runs;
    } catch (const Error& e) {
      const std::string what = e.what();
      EXPECT_NE(expect, "runs") << name << ": " << what;
      EXPECT_TRUE(e.code() == ErrorCode::format || e.code() == ErrorCode::unsupported) << name << ": " << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << name;
      EXPECT_NE(what.find(name), std::string::npos) << what;
      ++refused;
    }
  }
  EXPECT_GE(runs, 6);
  EXPECT_GE(refused, 40);
}

}  // namespace
}  // namespace espalier
