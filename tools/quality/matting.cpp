// espalier-matting: places images with a transparent background before other images, removes the background again, and compares
// the mask with the one that went in. Without a network it reports whether the plain method warned.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "image/background.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "image/resize.h"
#include "models/matting/background_network.h"
#include "runtime/device_choice.h"

namespace espalier::quality {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> objects, backgrounds;
  std::string network, device = "cpu", out;
  double margin = 0.1;
  bool pairs = false;
};

struct Sample {
  Image rgb;                        // the object before the background
  std::vector<std::uint8_t> alpha;  // what of it is the object
};

// The middle of the background, of the wanted shape, resized to it.
Image cover(const Image& background, int width, int height) {
  const double scale = std::min(static_cast<double>(background.width) / width, static_cast<double>(background.height) / height);
  const int w = std::max(1, static_cast<int>(width * scale)), h = std::max(1, static_cast<int>(height * scale));
  const int x = (background.width - w) / 2, y = (background.height - h) / 2;
  return resize_lanczos(without_alpha(background), {x, y, x + w, y + h}, width, height);
}

// The object in a square with a margin around its box, a part of the box's longer side.
Sample placed(const Image& object, const Image& background, double margin) {
  Box box{object.width, object.height, 0, 0};
  for (int y = 0; y < object.height; ++y) {
    for (int x = 0; x < object.width; ++x) {
      if (object.at(x, y)[3] < 128) continue;
      box = {std::min(box.x0, x), std::min(box.y0, y), std::max(box.x1, x + 1), std::max(box.y1, y + 1)};
    }
  }
  if (box.x0 >= box.x1) fail(ErrorCode::invalid_argument, "the image shows no object");
  const int side = static_cast<int>(std::lround(std::max(box.width(), box.height()) * (1 + 2 * margin)));
  const int x0 = (box.x0 + box.x1 - side) / 2, y0 = (box.y0 + box.y1 - side) / 2;
  Sample out{cover(background, side, side), std::vector<std::uint8_t>(static_cast<std::size_t>(side) * side)};
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const int ox = x + x0, oy = y + y0;
      if (ox < 0 || oy < 0 || ox >= object.width || oy >= object.height) continue;
      const std::uint8_t* o = object.at(ox, oy);
      std::uint8_t* p = out.rgb.at(x, y);
      for (int c = 0; c < 3; ++c) p[c] = static_cast<std::uint8_t>((o[c] * o[3] + p[c] * (255 - o[3]) + 127) / 255);
      out.alpha[static_cast<std::size_t>(y) * side + x] = o[3];
    }
  }
  return out;
}

void write_png(const fs::path& path, const Image& image) {
  const std::vector<std::byte> bytes = encode_png(image);
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) fail(ErrorCode::io, path.string(), ": cannot be written");
}

struct Agreement {
  double over_union = 0;  // of the pixels that are more than half object
  double soft = 0;        // the sum of the smaller alphas over that of the larger
};

Agreement agreement(const std::vector<std::uint8_t>& truth, const Image& found) {
  double both = 0, any = 0, smaller = 0, larger = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const int a = truth[i], b = found.pixels[i * 4 + 3];
    both += a > 127 && b > 127 ? 1 : 0;
    any += a > 127 || b > 127 ? 1 : 0;
    smaller += std::min(a, b);
    larger += std::max(a, b);
  }
  return {any > 0 ? both / any : 1, larger > 0 ? smaller / larger : 1};
}

struct Totals {
  double worst = 1, sum = 0, soft_sum = 0;
  int count = 0, warned = 0;
};

class Measurement {
 public:
  explicit Measurement(const Options& options) : options_(options) {
    if (!options.network.empty())
      network_ = open_background_network(options.network, DeviceChoice::named(options.device), false);
    for (const std::string& file : options.backgrounds) backgrounds_.push_back(load_image_file(file));
  }

  void measure(std::size_t object, std::size_t background) {
    const fs::path object_file = options_.objects[object], background_file = options_.backgrounds[background];
    const Sample sample = placed(load_image_file(object_file), backgrounds_[background], options_.margin);
    const FoundObject found =
        find_object(sample.rgb, network_ ? BackgroundRemover([this](const Image& rgb) { return network_->remove(rgb); })
                                         : BackgroundRemover());
    if (found.rgba.pixel_count() != sample.alpha.size())
      fail(ErrorCode::unsupported, object_file.string(), ": the object with its margin is larger than 1024 pixels",
           hint("give a smaller image"));
    const Agreement result = agreement(sample.alpha, found.rgba);
    const bool warned = !found.report.warnings.empty();
    std::printf("%-32s %-24s IoU %.4f  soft %.4f%s\n", object_file.stem().c_str(), background_file.stem().c_str(),
                result.over_union, result.soft, warned ? "  warned" : "");
    std::fflush(stdout);
    totals_.worst = std::min(totals_.worst, result.over_union);
    totals_.sum += result.over_union;
    totals_.soft_sum += result.soft;
    totals_.warned += warned ? 1 : 0;
    ++totals_.count;
    if (!options_.out.empty()) {
      const fs::path stem = fs::path(options_.out) / (object_file.stem().string() + "-" + background_file.stem().string());
      write_png(stem.string() + ".png", sample.rgb);
      write_png(stem.string() + ".found.png", found.rgba);
    }
  }

  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  const Options& options_;
  std::unique_ptr<BackgroundNetwork> network_;
  std::vector<Image> backgrounds_;
  Totals totals_;
};

int run(const Options& options) {
  Measurement measurement(options);
  for (std::size_t i = 0; i < options.objects.size(); ++i) {
    if (options.pairs) {
      measurement.measure(i, i % options.backgrounds.size());
      continue;
    }
    for (std::size_t k = 0; k < options.backgrounds.size(); ++k) measurement.measure(i, k);
  }
  const Totals& t = measurement.totals();
  std::printf("%d images: IoU mean %.4f, worst %.4f; soft mean %.4f; %d with a warning\n", t.count, t.sum / t.count, t.worst,
              t.soft_sum / t.count, t.warned);
  return 0;
}

}  // namespace
}  // namespace espalier::quality

int main(int argc, char** argv) {
  CLI::App app("Measures background removal with objects whose mask is known.", "espalier-matting");
  espalier::quality::Options options;
  app.add_option("OBJECT", options.objects, "images with a transparent background")->required();
  app.add_option("--background", options.backgrounds, "images to place them before; repeat it")->required();
  app.add_option("--network", options.network, "ONNX file of the network; without it the plain method is measured");
  app.add_option("--device", options.device, "cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--margin", options.margin, "around the object, as a part of its longer side")
      ->check(CLI::Range(0.0, 4.0))
      ->capture_default_str();
  app.add_flag("--pairs", options.pairs, "each object before one background only, in turn");
  app.add_option("--out", options.out, "folder for the images and what was found of them")->check(CLI::ExistingDirectory);
  CLI11_PARSE(app, argc, argv);
  try {
    return espalier::quality::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-matting: %s\n", e.what());
    return 1;
  }
}
