#include "io/formats/gaussian_ply.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ply_reader.h"
#include "support/data.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::expect_error;

struct Reference {
  Gaussians gaussians;
  std::vector<float> rows;
  std::string header;
};

Reference reference() {
  const auto json = test::json_data("io/gaussians.json");
  Reference r;
  json.at("xyz").get_to(r.gaussians.xyz);
  json.at("dc").get_to(r.gaussians.dc);
  json.at("scale").get_to(r.gaussians.scale);
  json.at("rotation").get_to(r.gaussians.rotation);
  json.at("opacity").get_to(r.gaussians.opacity);
  json.at("rows").get_to(r.rows);
  json.at("header").get_to(r.header);
  return r;
}

Gaussians one() { return {{0, 0, 0}, {0, 0, 0}, {0.1F, 0.1F, 0.1F}, {1, 0, 0, 0}, {0.5F}}; }

TEST(GaussianPly, TheReferencesHeaderAndRows) {
  const Reference r = reference();
  const test::PlyFile file = test::PlyReader::read(encode_gaussian_ply(r.gaussians, {}));
  const auto count = std::to_string(r.gaussians.count());
  std::string header = r.header;
  header.replace(header.find("6200"), 4, count);
  EXPECT_EQ(file.header, header);
  EXPECT_EQ(file.bytes_left, 0U);
  const test::PlyElement& vertex = file.elements.at(0);
  ASSERT_EQ(vertex.properties.size(), 17U);
  ASSERT_EQ(vertex.count * 17, r.rows.size());
  for (std::size_t i = 0; i < vertex.count; ++i) {
    for (std::size_t c = 0; c < 17; ++c) {
      const std::string& name = vertex.properties[c].first;
      ASSERT_NEAR(vertex.columns.at(name)[i], r.rows[i * 17 + c], 2e-5) << name << " of row " << i;
    }
  }
}

TEST(GaussianPly, CommentsStandBehindTheFormatLine) {
  const std::vector<std::string> comments = {"one", "{\"seed\": 1}"};
  const test::PlyFile file = test::PlyReader::read(encode_gaussian_ply(one(), comments));
  EXPECT_EQ(file.comments, comments);
  EXPECT_EQ(file.header.find("comment one\n"), std::string("ply\nformat binary_little_endian 1.0\n").size());
  const std::vector<std::string> broken = {"two\nend_header"};
  expect_error(ErrorCode::invalid_argument, {"one line"}, [&] { (void)encode_gaussian_ply(one(), broken); });
}

TEST(GaussianPly, SaturatedOpacityStaysFinite) {
  for (const float opacity : {0.0F, 1.0F}) {
    Gaussians g = one();
    g.opacity[0] = opacity;
    const double logit = test::PlyReader::read(encode_gaussian_ply(g, {})).elements.at(0).columns.at("opacity").at(0);
    EXPECT_NEAR(std::abs(logit), 16.6, 0.1);
    EXPECT_EQ(logit > 0, opacity > 0);
  }
}

TEST(GaussianPly, WhatIsRefused) {
  const auto refuse = [](std::initializer_list<const char*> words, auto&& damage) {
    Gaussians g = one();
    damage(g);
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)encode_gaussian_ply(g, {}); });
  };
  refuse({"no Gaussians"}, [](Gaussians& g) { g = {}; });
  refuse({"differ in length"}, [](Gaussians& g) { g.dc.pop_back(); });
  refuse({"position", "not finite"}, [](Gaussians& g) { g.xyz[1] = std::numeric_limits<float>::quiet_NaN(); });
  refuse({"scale", "not positive"}, [](Gaussians& g) { g.scale[2] = 0.0F; });
  refuse({"zero quaternion"}, [](Gaussians& g) { g.rotation[0] = 0.0F; });
}

}  // namespace
}  // namespace espalier
