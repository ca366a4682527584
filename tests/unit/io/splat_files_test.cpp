#include "io/formats/splat_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include "io/formats/deflate.h"
#include "io/formats/gaussian_ply.h"
#include "io/formats/gaussian_reader.h"
#include "io/formats/quarter_turn.h"
#include "ply_reader.h"
#include "support/data.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::expect_error;

Gaussians sample() {
  const auto json = test::json_data("io/gaussians.json");
  Gaussians g;
  json.at("xyz").get_to(g.xyz);
  json.at("dc").get_to(g.dc);
  json.at("scale").get_to(g.scale);
  json.at("rotation").get_to(g.rotation);
  json.at("opacity").get_to(g.opacity);
  return g;
}

// One that stands in no symmetry: a quarter turn about y, so that x and z of the ellipsoid change places.
Gaussians one() {
  const float h = std::sqrt(0.5F);
  return {{0.25F, -0.125F, 0.375F}, {1, 0, -1}, {0.1F, 0.02F, 0.005F}, {h, 0, h, 0}, {0.6F}};
}

double opacity_error(const Gaussians& a, const Gaussians& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.opacity.size(); ++i) worst = std::max(worst, std::abs(double{a.opacity[i]} - b.opacity[i]));
  return worst;
}

// Largest angle between the rotations, radians.
double rotation_error(const Gaussians& a, const Gaussians& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.rotation.size(); i += 4) {
    double dot = 0.0, lengths = 0.0;
    for (std::size_t k = 0; k < 4; ++k) {
      dot += double{a.rotation[i + k]} * b.rotation[i + k];
      lengths += double{a.rotation[i + k]} * a.rotation[i + k];
    }
    worst = std::max(worst, 2.0 * std::acos(std::min(1.0, std::abs(dot) / std::sqrt(lengths))));
  }
  return worst;
}

double scale_error(const Gaussians& a, const Gaussians& b) {
  double worst = 0.0;
  for (std::size_t i = 0; i < a.scale.size(); ++i) worst = std::max(worst, std::abs(std::log(double{a.scale[i]} / b.scale[i])));
  return worst;
}

double largest_error(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) worst = std::max(worst, std::abs(double{a[i]} - b[i]));
  return worst;
}

TEST(GaussianFiles, PlyGivesBackWhatWasWritten) {
  const Gaussians g = sample();
  const GaussianFile file = decode_gaussians(encode_gaussian_ply(g, {}), "x");
  EXPECT_EQ(file.format, "PLY");
  EXPECT_EQ(file.gaussians.xyz, g.xyz);
  EXPECT_EQ(file.gaussians.dc, g.dc);
  EXPECT_LT(scale_error(g, file.gaussians), 1e-6);
  EXPECT_LT(rotation_error(g, file.gaussians), 1e-3);  // arc cosines near one
  EXPECT_LT(opacity_error(g, file.gaussians), 1e-6);
}

// Harmonics of all degrees; small numbers of few bits, so that SPZ holds them exactly before they are turned.
Gaussians with_harmonics(Gaussians g, std::size_t coefficients) {
  unsigned x = 7;
  g.sh.resize(g.opacity.size() * 3 * coefficients);
  for (float& v : g.sh) {
    x = x * 1664525U + 1013904223U;
    v = static_cast<float>(static_cast<int>(x >> 24U) - 128) / 256.0F;
  }
  return g;
}

// Real harmonics in the order and with the signs of 3D Gaussian splatting, from degree 1.
std::array<double, 15> basis_of(const std::array<double, 3>& d) {
  const double x = d[0], y = d[1], z = d[2], xx = x * x, yy = y * y, zz = z * z;
  return {-0.4886025119029199 * y,
          0.4886025119029199 * z,
          -0.4886025119029199 * x,
          1.0925484305920792 * x * y,
          -1.0925484305920792 * y * z,
          0.31539156525252005 * (2 * zz - xx - yy),
          -1.0925484305920792 * x * z,
          0.5462742152960396 * (xx - yy),
          -0.5900435899266435 * y * (3 * xx - yy),
          2.890611442640554 * x * y * z,
          -0.4570457994644658 * y * (4 * zz - xx - yy),
          0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
          -0.4570457994644658 * x * (4 * zz - xx - yy),
          1.445305721320277 * z * (xx - yy),
          -0.5900435899266435 * x * (xx - 3 * yy)};
}

TEST(GaussianFiles, TurnedHarmonicsShowTheSameColours) {
  const Gaussians g = with_harmonics(sample(), 15);
  const auto colour = [](const float* sh, const std::array<double, 3>& d, std::size_t channel) {
    const auto basis = basis_of(d);
    double sum = 0.0;
    for (std::size_t k = 0; k < 15; ++k) sum += basis[k] * sh[3 * k + channel];
    return sum;
  };
  for (const Quarter turn : {Quarter::forward, Quarter::back}) {
    std::array<float, 45> turned{}, again{};
    turn_harmonics(g.sh.data(), 15, turn, turned.data());
    for (int i = 0; i < 50; ++i) {
      const double a = 0.7 * i, z = -0.98 + 0.039 * i, r = std::sqrt(1 - z * z);
      const std::array<float, 3> d = {static_cast<float>(r * std::cos(a)), static_cast<float>(r * std::sin(a)),
                                      static_cast<float>(z)};
      const auto to = turned_point(d.data(), turn);
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(colour(turned.data(), {to[0], to[1], to[2]}, c), colour(g.sh.data(), {d[0], d[1], d[2]}, c), 1e-5);
      }
    }
    turn_harmonics(turned.data(), 15, turn == Quarter::forward ? Quarter::back : Quarter::forward, again.data());
    for (std::size_t k = 0; k < 45; ++k) EXPECT_NEAR(again[k], g.sh[k], 1e-6);
  }
}

TEST(GaussianFiles, HarmonicsOfEveryDegreeAreKept) {
  for (const std::size_t coefficients : {3, 8, 15}) {
    SCOPED_TRACE(coefficients);
    const Gaussians g = with_harmonics(sample(), coefficients);
    const auto ply = encode_gaussian_ply(g, {});
    EXPECT_LT(largest_error(decode_gaussians(ply, "x").gaussians.sh, g.sh), 1e-6);
    for (const int version : {2, 3}) {
      const auto spz = encode_spz(g, {.version = version});
      const Gaussians back = decode_gaussians(spz, "x").gaussians;
      EXPECT_LT(largest_error(back.sh, g.sh), 0.008);
      EXPECT_GT(largest_error(back.sh, std::vector<float>(g.sh.size())), 0.4);
    }
  }
  // All of red stands first.
  const Gaussians g = with_harmonics(sample(), 3);
  const test::PlyFile file = test::PlyReader::read(encode_gaussian_ply(g, {}));
  const auto& columns = file.elements.at(0).columns;
  for (std::size_t c = 0; c < 3; ++c)
    EXPECT_FLOAT_EQ(static_cast<float>(columns.at("f_rest_" + std::to_string(3 * c + 2)).at(0)), g.sh[6 + c]);
  EXPECT_TRUE(decode_gaussians(encode_splat(g), "x.splat").gaussians.sh.empty());
}

TEST(GaussianFiles, HarmonicsThatBelongToNoDegree) {
  Gaussians g = with_harmonics(sample(), 3);
  g.sh.pop_back();
  expect_error(ErrorCode::invalid_argument, {"harmonics"}, [&] { (void)encode_gaussian_ply(g, {}); });
  expect_error(ErrorCode::invalid_argument, {"harmonics"}, [&] { (void)encode_spz(g); });
  g.sh.resize(g.opacity.size() * 12);
  expect_error(ErrorCode::invalid_argument, {"harmonics"}, [&] { (void)encode_gaussian_ply(g, {}); });
  g = with_harmonics(sample(), 8);
  g.sh[5] = std::numeric_limits<float>::infinity();
  expect_error(ErrorCode::invalid_argument, {"harmonic", "not finite"}, [&] { (void)encode_spz(g); });
  // A header with one column too many, and one too few.
  const auto ply = encode_gaussian_ply(with_harmonics(sample(), 3), {});
  std::string text(reinterpret_cast<const char*>(ply.data()), ply.size());
  text.replace(text.find("f_rest_8"), 8, "f_else_8");
  expect_error(ErrorCode::format, {"8 columns f_rest"},
               [&] { (void)decode_gaussians(std::as_bytes(std::span(text.data(), text.size())), "x"); });
}

// The bytes of the format, unpacked here by hand after the published layout.
TEST(GaussianFiles, SpzByteForByte) {
  const std::vector<std::string> comments = {"seed 7"};
  for (const int version : {2, 3}) {
    const auto packed = encode_spz(one(), {.version = version, .comments = comments});
    const std::string head(reinterpret_cast<const char*>(packed.data()), 40);
    EXPECT_NE(head.find("seed 7"), std::string::npos);
    const std::size_t rotation_bytes = version == 2 ? 3 : 4;
    std::vector<std::byte> raw(16 + 9 + 1 + 3 + 3 + rotation_bytes), more(1);
    GzipReader gzip(packed, "x");
    gzip.read(raw);
    expect_error(ErrorCode::format, {"end early"}, [&] { gzip.read(more); });
    const auto byte = [&](std::size_t at) { return std::to_integer<int>(raw[at]); };
    EXPECT_EQ(std::memcmp(raw.data(), "NGSP", 4), 0);
    EXPECT_EQ(byte(4), version);
    EXPECT_EQ(byte(8), 1);
    EXPECT_EQ(byte(12), 0);                                    // degree
    EXPECT_EQ(byte(13), 16);                                   // fractional bits
    const std::array<double, 3> place = {0.25, 0.375, 0.125};  // (x, z, -y)
    for (std::size_t k = 0; k < 3; ++k) {
      const int fixed = byte(16 + k * 3) | byte(17 + k * 3) << 8 | byte(18 + k * 3) << 16;
      EXPECT_EQ(fixed, static_cast<int>(place[k] * 65536));
    }
    EXPECT_EQ(byte(25), 153);  // 0.6 * 255
    EXPECT_EQ(byte(26), 166);  // 1 * 0.15 * 255 + 127.5 = 165.75
    EXPECT_EQ(byte(27), 128);
    EXPECT_EQ(byte(28), 89);
    EXPECT_EQ(byte(29), 123);  // (log 0.1 + 10) * 16 = 123.2
    EXPECT_EQ(byte(30), 97);
    EXPECT_EQ(byte(31), 75);
    // (h, -h, 0, 0) times (h, 0, h, 0) is (1, -1, 1, -1) / 2 in w x y z.
    if (version == 2) {
      EXPECT_EQ(byte(32), 64);
      EXPECT_EQ(byte(33), 191);
      EXPECT_EQ(byte(34), 64);
    } else {
      // x is the largest (the first of equals) and turned positive: y, z, w are -1, 1, -1 halves.
      const std::uint32_t half = 361;  // 0.5 / sqrt(0.5) * 511
      std::uint32_t word = 0;
      std::memcpy(&word, raw.data() + 32, 4);
      EXPECT_EQ(word >> 30U, 0U);
      EXPECT_EQ(word >> 20U & 1023U, half | 512U);
      EXPECT_EQ(word >> 10U & 1023U, half);
      EXPECT_EQ(word & 1023U, half | 512U);
    }
  }
}

TEST(GaussianFiles, SpzReadsBack) {
  const Gaussians g = sample();
  for (const int version : {2, 3, 4}) {
    const auto bytes = encode_spz(g, {.version = version});
    EXPECT_EQ(bytes, encode_spz(g, {.version = version}));
    EXPECT_LT(bytes.size(), static_cast<std::size_t>(g.count()) * 21);
    const GaussianFile file = decode_gaussians(bytes, "x");
    EXPECT_EQ(file.format, "SPZ");
    EXPECT_LE(largest_error(g.xyz, file.gaussians.xyz), 0.5 / 65536 + 1e-7);
    EXPECT_LE(scale_error(g, file.gaussians), 0.5 / 16 + 1e-5);
    EXPECT_LE(opacity_error(g, file.gaussians), 0.5 / 255 + 1e-6);
    EXPECT_LE(rotation_error(g, file.gaussians), version == 2 ? 0.1 : 0.005);
    double colour = 0.0;
    for (std::size_t i = 0; i < g.dc.size(); ++i) {
      const double held = std::clamp(double{g.dc[i]}, -0.5 / 0.15, 0.5 / 0.15);
      colour = std::max(colour, std::abs(held - file.gaussians.dc[i]));
    }
    EXPECT_LE(colour, 0.5 / 255 / 0.15 + 1e-6);
  }
}

TEST(GaussianFiles, SpzFarAndNear) {
  Gaussians g = one();
  g.xyz = {100'000.0F, -5.0F, 0.5F};
  EXPECT_LE(largest_error(g.xyz, decode_gaussians(encode_spz(g), "x").gaussians.xyz), 1.0 / 64);
  g.xyz[0] = 1e9F;
  expect_error(ErrorCode::invalid_argument, {"SPZ", "from the origin"}, [&] { (void)encode_spz(g); });
  g = one();
  g.scale = {1e-9F, 1e9F, 1.0F};
  g.opacity = {1.0F};
  const Gaussians read = decode_gaussians(encode_spz(g), "x").gaussians;
  EXPECT_NEAR(read.scale[0], std::exp(-10.0), 1e-7);
  EXPECT_EQ(read.opacity[0], 1.0F);
  expect_error(ErrorCode::invalid_argument, {"not 5"}, [] { (void)encode_spz(one(), {.version = 5}); });
}

// Order along a curve, and numbers in ranges that neighbours share.
TEST(GaussianFiles, CompressedPlyReadsBack) {
  const Gaussians g = with_harmonics(sample(), 15);
  const auto bytes = encode_compressed_ply(g);
  EXPECT_EQ(bytes, encode_compressed_ply(g));
  const GaussianFile file = decode_gaussians(bytes, "x");
  EXPECT_EQ(file.format, "compressed PLY");
  ASSERT_EQ(file.gaussians.count(), g.count());
  ASSERT_EQ(file.gaussians.sh.size(), g.sh.size());
  std::size_t found = 0;
  for (std::size_t i = 0; i < g.opacity.size(); ++i) {
    for (std::size_t k = 0; k < g.opacity.size(); ++k) {
      double apart = 0.0;
      for (std::size_t c = 0; c < 3; ++c)
        apart = std::max(apart, std::abs(double{g.xyz[3 * i + c]} - file.gaussians.xyz[3 * k + c]));
      if (apart > 2e-3) continue;
      if (std::abs(g.opacity[i] - file.gaussians.opacity[k]) > 0.5 / 255 + 1e-6) continue;
      ++found;
      break;
    }
  }
  EXPECT_EQ(found, g.opacity.size());
}

TEST(GaussianFiles, GlbReadsBack) {
  for (const std::size_t coefficients : {0, 3, 8, 15}) {
    const Gaussians g = coefficients == 0 ? sample() : with_harmonics(sample(), coefficients);
    const GaussianFile file = decode_gaussians(encode_gaussian_glb(g, "test", {}), "x");
    EXPECT_EQ(file.format, "GLB");
    EXPECT_TRUE(file.notices.empty());
    EXPECT_EQ(file.gaussians.xyz, g.xyz);
    EXPECT_EQ(file.gaussians.dc, g.dc);
    EXPECT_EQ(file.gaussians.scale, g.scale);
    EXPECT_EQ(file.gaussians.opacity, g.opacity);
    EXPECT_LE(rotation_error(g, file.gaussians), 1e-3);
    EXPECT_LE(coefficients == 0 ? 0.0 : largest_error(g.sh, file.gaussians.sh), 1e-5);
  }
}

// Rows that no Gaussian can have are left out, counted, and refused when nothing may be.
TEST(GaussianFiles, RowsThatAreNotFinite) {
  auto bytes = encode_gaussian_ply(sample(), {});
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t row = (bytes.size() - text.find("end_header\n") - 11) / static_cast<std::size_t>(sample().count());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t i : {2U, 4U}) std::memcpy(bytes.data() + text.find("end_header\n") + 11 + i * row + 4, &nan, 4);
  const GaussianFile file = decode_gaussians(bytes, "x");
  EXPECT_EQ(file.gaussians.count(), sample().count() - 2);
  ASSERT_EQ(file.notices.size(), 1U);
  EXPECT_NE(file.notices[0].find("2 of"), std::string::npos) << file.notices[0];
  EXPECT_NE(file.notices[0].find("Gaussian 2 "), std::string::npos) << file.notices[0];
  expect_error(ErrorCode::unsupported, {"left out"}, [&] { (void)decode_gaussians(bytes, "x", {.strict = true}); });
}

TEST(GaussianFiles, SplatByteForByte) {
  Gaussians g = one();
  // A smaller one first: it must come last.
  const Gaussians second = one();
  g.xyz.insert(g.xyz.begin(), {0, 0, 0});
  g.dc.insert(g.dc.begin(), {0, 0, 0});
  g.scale.insert(g.scale.begin(), {0.01F, 0.01F, 0.01F});
  g.rotation.insert(g.rotation.begin(), {1, 0, 0, 0});
  g.opacity.insert(g.opacity.begin(), 0.5F);
  const auto bytes = encode_splat(g);
  ASSERT_EQ(bytes.size(), 64U);
  std::array<float, 6> numbers{};
  std::memcpy(numbers.data(), bytes.data(), sizeof(numbers));
  EXPECT_EQ(numbers, (std::array<float, 6>{0.25F, -0.375F, -0.125F, 0.1F, 0.02F, 0.005F}));
  const std::array<int, 8> expected = {199, 128, 56, 153, 192, 192, 192, 192};  // (h, h, 0, 0)(h, 0, h, 0) = (1, 1, 1, 1) / 2
  for (std::size_t k = 0; k < 8; ++k) EXPECT_EQ(std::to_integer<int>(bytes[24 + k]), expected[k]) << k;
}

TEST(GaussianFiles, SplatReadsBack) {
  const GaussianFile file = decode_gaussians(encode_splat(one()), "x.splat");
  EXPECT_EQ(file.format, "splat");
  EXPECT_EQ(file.gaussians.xyz, one().xyz);
  EXPECT_EQ(file.gaussians.scale, one().scale);
  EXPECT_LE(rotation_error(one(), file.gaussians), 0.02);
  EXPECT_LE(opacity_error(one(), file.gaussians), 0.5 / 255);
  EXPECT_LE(largest_error(one().dc, file.gaussians.dc), 0.5 / 255 / 0.282 + 1e-6);
  EXPECT_EQ(decode_gaussians(encode_splat(sample()), "x.splat").gaussians.count(), sample().count());
}

TEST(GaussianFiles, WhatIsRefused) {
  Gaussians g = one();
  g.scale[1] = 0.0F;
  expect_error(ErrorCode::invalid_argument, {"SPZ", "not positive"}, [&] { (void)encode_spz(g); });
  expect_error(ErrorCode::invalid_argument, {".splat", "not positive"}, [&] { (void)encode_splat(g); });
  expect_error(ErrorCode::invalid_argument, {"no Gaussians"}, [] { (void)encode_spz({}); });
}

TEST(GaussianFiles, HostileFiles) {
  const auto bytes_of = [](const std::string& text) {
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return std::vector<std::byte>(data, data + text.size());
  };
  const auto refuse = [](const std::vector<std::byte>& bytes, const char* name, std::initializer_list<const char*> words,
                         ErrorCode code = ErrorCode::format) {
    expect_error(code, words, [&] { (void)decode_gaussians(bytes, name, {.max_vertices = 1'000'000}); });
  };
  const auto spz = [&](std::array<std::uint32_t, 3> words, std::array<std::uint8_t, 4> rest) {
    std::string raw(reinterpret_cast<const char*>(words.data()), 12);
    raw.append(reinterpret_cast<const char*>(rest.data()), 4);
    return gzipped(bytes_of(raw), {});
  };
  constexpr std::uint32_t kMagic = 0x5053474E;
  refuse(spz({kMagic, 3, 0xFFFFFFFF}, {0, 12, 0, 0}), "x", {"more than 1000000"});
  refuse(spz({kMagic, 3, 900'000}, {0, 12, 0, 0}), "x", {"ends before"});
  refuse(spz({kMagic, 3, 2}, {0, 12, 0, 0}), "x", {"end early"});
  refuse(spz({kMagic, 3, 0}, {0, 12, 0, 0}), "x", {"no Gaussians"});
  refuse(spz({kMagic, 3, 2}, {9, 12, 0, 0}), "x", {"header"});
  refuse(spz({kMagic, 3, 2}, {0, 99, 0, 0}), "x", {"header"});
  refuse(spz({kMagic, 7, 2}, {0, 12, 0, 0}), "x", {"version 7"}, ErrorCode::unsupported);
  refuse(spz({1, 3, 2}, {0, 12, 0, 0}), "x", {"not an SPZ"});
  refuse(bytes_of("NGSP...."), "x", {"ends early"});
  refuse(bytes_of("NGSP\5" + std::string(40, '\0')), "x", {"version 5"}, ErrorCode::unsupported);
  refuse(std::vector<std::byte>(33), "x.splat", {"multiple of 32"});
  std::vector<std::byte> still(32);
  std::fill(still.begin() + 28, still.end(), std::byte{128});
  refuse(still, "x.splat", {"none of its 1 Gaussians"});
  refuse(std::vector<std::byte>(32), "x.bin", {"not a PLY, SPZ, SOG"}, ErrorCode::unsupported);
  refuse({}, "x.splat", {"empty"});
  refuse(bytes_of("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0\n"), "x", {"no y"});
}

}  // namespace
}  // namespace espalier
