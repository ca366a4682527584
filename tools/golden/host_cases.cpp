// Cases without a network: the random stream and the preparation of images.
#include <array>
#include <cmath>
#include <cstdio>

#include "base/random.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "runner.h"

namespace espalier::golden {
namespace {

// How many values the first and the second large draw have: the case's description spells them out as randn(...).
std::array<std::size_t, 2> drawn_counts(const nlohmann::json& spec) {
  std::array<std::size_t, 2> counts{std::size_t{8} * 16 * 16 * 16, spec.value("n", std::size_t{0}) * 8};
  const std::string text = spec.value("tests", "");
  std::size_t at = 0;
  for (std::size_t& count : counts) {
    at = text.find("randn(", at);
    if (at == std::string::npos) break;
    std::size_t product = 1;
    for (at += 6; at < text.size() && text[at] >= '0' && text[at] <= '9' && product < (std::size_t{1} << 24U);) {
      std::size_t length = 0;
      product *= std::stoul(text.substr(at, 9), &length);
      at = text.find_first_not_of(", ", at + length);
    }
    if (at < text.size() && text[at] == ')' && product >= 64) count = product;
  }
  return counts;
}

void run_random(Case& c) {
  const auto counts = drawn_counts(c.spec());
  for (const auto& seed_json : c.spec().at("seeds")) {
    const auto seed = seed_json.is_number_unsigned() ? seed_json.get<std::uint64_t>()
                                                     : static_cast<std::uint64_t>(seed_json.get<std::int64_t>());
    const std::string p = seed_json.dump() + ".";
    TorchGenerator stream(seed);
    std::vector<float> structure(counts[0]);
    std::vector<float> latent(counts[1]);
    stream.randn(structure);
    stream.randn(latent);
    std::vector<double> sums;
    for (const auto& values : {structure, latent}) {
      double sum = 0.0;
      double squares = 0.0;
      for (const float v : values) {
        sum += v;
        squares += static_cast<double>(v) * v;
      }
      sums.insert(sums.end(), {sum, squares});
    }
    const auto first = [](const std::vector<float>& v) { return std::vector<float>(v.begin(), v.begin() + 64); };
    const auto last = [](const std::vector<float>& v) { return std::vector<float>(v.end() - 64, v.end()); };
    c.compare(p + "ss_first", first(structure));
    c.compare(p + "ss_last", last(structure));
    c.compare(p + "slat_first", first(latent));
    c.compare(p + "slat_last", last(latent));
    c.compare(p + "sums", sums);
    // In the order of the index, which is that of the draws.
    TorchGenerator short_stream(seed);
    for (const auto& tensor : c.spec().at("tensor_order")) {
      const auto name = tensor.get<std::string>();
      if (name.rfind(p + "draw", 0) != 0) continue;
      std::vector<float> draw(static_cast<std::size_t>(checked_size(c.shape(name))));
      short_stream.randn(draw);
      c.compare(name, draw);
    }
  }
}

std::size_t place(int channel, int y, int x, int side) {
  const auto n = static_cast<std::size_t>(side);
  return (static_cast<std::size_t>(channel) * n + static_cast<std::size_t>(y)) * n + static_cast<std::size_t>(x);
}

// Every 7th pixel of a [3, 518, 518] tensor, or of an interleaved image.
std::vector<float> thinned(const std::vector<float>& planes, int side) {
  std::vector<float> out;
  for (int ch = 0; ch < 3; ++ch) {
    for (int y = 0; y < side; y += 7) {
      for (int x = 0; x < side; x += 7) out.push_back(planes[place(ch, y, x, side)]);
    }
  }
  return out;
}

void run_preprocess(Case& c) {
  constexpr int kSide = 518;
  bool first = true;
  for (const auto& tensor : c.spec().at("tensor_order")) {
    const auto name = tensor.get<std::string>();
    if (name.size() < 5 || name.compare(name.size() - 5, 5, ".bbox") != 0) continue;
    const std::string image_name = name.substr(0, name.size() - 5);
    const Image image = load_image_file(c.folder() / "images" / (image_name + ".in.png"));
    const PreparedImage prepared = prepare_image(image, kSide);
    c.compare(name, std::vector<int>{prepared.object.x0, prepared.object.y0, prepared.object.x1 - 1, prepared.object.y1 - 1});
    c.compare(image_name + ".normalised", thinned(encoder_input(prepared.image, kSide), kSide));
    const Image expected = load_image_file(c.folder() / "images" / (image_name + ".out.png"));
    c.compare_bytes(image_name + ".out.png", expected.pixels, prepared.image.pixels);
    if (first && c.has("direct")) {
      Image rgb(image.width, image.height, 3);
      for (int y = 0; y < image.height; ++y) {
        for (int x = 0; x < image.width; ++x) std::copy_n(image.at(x, y), 3, rgb.at(x, y));
      }
      // The golden tensor is the resized bytes; the library hands out normalised planes, so this undoes the normalisation.
      const std::vector<float> planes = encoder_input(rgb, kSide);
      constexpr float kMean[] = {0.485F, 0.456F, 0.406F};
      constexpr float kDeviation[] = {0.229F, 0.224F, 0.225F};
      std::vector<int> bytes;
      for (int y = 0; y < kSide; y += 7) {
        for (int x = 0; x < kSide; x += 7) {
          for (int ch = 0; ch < 3; ++ch) {
            const float v = planes[place(ch, y, x, kSide)];
            bytes.push_back(static_cast<int>(std::lround((v * kDeviation[ch] + kMean[ch]) * 255.0F)));
          }
        }
      }
      c.compare("direct", bytes);
    }
    first = false;
  }
}

}  // namespace

bool run_host_case(Case& c) {
  if (c.name().rfind("rng", 0) == 0) {
    run_random(c);
  } else if (c.name().rfind("preprocess", 0) == 0) {
    run_preprocess(c);
  } else {
    return false;
  }
  return true;
}

}  // namespace espalier::golden
