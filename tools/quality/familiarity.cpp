// espalier-familiarity: makes the file by which a checkpoint tells familiar images from others (src/recipes/familiarity.h) out
// of the even objects of held-out sets, and measures on the odd ones and on images of other things how well it separates.
#include "recipes/familiarity.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>

#include "base/error.h"
#include "base/hash.h"
#include "held_out.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "recipes/image_input.h"
#include "session/session.h"

namespace espalier::quality {
namespace {

struct Options {
  std::string checkpoint = "models/sprout", device = "auto";
  std::vector<std::string> sets = {"tools/quality/held_out.safetensors.gz", "tools/quality/held_out_fronts.safetensors.gz",
                                   "tools/quality/held_out_patterns.safetensors.gz"};
  std::vector<std::string> images;
  int typical = 64;
  double share = 0.95;
  bool write = false;
};

struct Tokens {
  std::string name;
  std::vector<float> values;  // [count, channels]
  std::vector<float> whole;   // the first token, the class's
};

float product(const float* a, const float* b, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void scale_to_one(float* a, std::size_t n) {
  const float length = std::sqrt(std::max(product(a, a, n), 1e-20F));
  for (std::size_t i = 0; i < n; ++i) a[i] /= length;
}

Tokens tokens_of(Session& session, const std::string& name, const Image& image, std::int64_t& channels) {
  const std::vector<std::vector<float>> input = {encoder_input(prepare_image(image, kEncoderSide).image, kEncoderSide)};
  const Condition condition = session.network<ImageEncoder>(kImageEncoder).encode(input);
  const std::vector<float> all = session.fetch(condition);
  channels = condition.channels;
  Tokens out{name, object_tokens(input.front(), all, condition.rows, channels), {all.begin(), all.begin() + channels}};
  scale_to_one(out.whole.data(), out.whole.size());
  std::printf("%s: %zu patches of the object\n", name.c_str(), out.values.size() / static_cast<std::size_t>(channels));
  std::fflush(stdout);
  return out;
}

// k-means on the sphere, the same on every machine.
std::vector<float> typical_of(const std::vector<Tokens>& all, std::size_t channels, int count) {
  constexpr int kOfEach = 60, kRounds = 8;
  std::mt19937 random(1);
  std::vector<float> points;
  for (const Tokens& tokens : all) {
    const std::size_t n = tokens.values.size() / channels;
    for (int i = 0; i < kOfEach && n > 0; ++i) {
      const float* one = &tokens.values[random() % n * channels];
      points.insert(points.end(), one, one + channels);
    }
  }
  const std::size_t n = points.size() / channels, k = static_cast<std::size_t>(count);
  if (n < k) fail(ErrorCode::invalid_argument, "there are fewer patches than typical ones are wanted");
  std::vector<float> centres(k * channels);
  for (std::size_t c = 0; c < k; ++c) std::copy_n(&points[random() % n * channels], channels, &centres[c * channels]);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<float> sums(centres.size(), 0.0F);
    for (std::size_t p = 0; p < n; ++p) {
      std::size_t nearest = 0;
      float best = -2;
      for (std::size_t c = 0; c < k; ++c) {
        const float near = product(&points[p * channels], &centres[c * channels], channels);
        if (near > best) {
          best = near;
          nearest = c;
        }
      }
      for (std::size_t i = 0; i < channels; ++i) sums[nearest * channels + i] += points[p * channels + i];
    }
    for (std::size_t c = 0; c < k; ++c) {
      if (product(&sums[c * channels], &sums[c * channels], channels) > 0)
        std::copy_n(&sums[c * channels], channels, &centres[c * channels]);
      scale_to_one(&centres[c * channels], channels);
    }
  }
  return centres;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

// 1 less the cosine to the nearest of the others: what the class token alone would say.
double class_distance(const Tokens& one, const std::vector<Tokens>& others) {
  double nearest = 2;
  for (const Tokens& other : others)
    nearest = std::min(nearest, 1.0 - double{product(one.whole.data(), other.whole.data(), one.whole.size())});
  return nearest;
}

void report(const char* name, const std::vector<double>& known, const std::vector<double>& foreign, double limit) {
  const auto beyond = std::count_if(foreign.begin(), foreign.end(), [&](double d) { return d > limit; });
  const auto wrong = std::count_if(known.begin(), known.end(), [&](double d) { return d > limit; });
  std::printf("%s: toys median %.4f, 95 %% %.4f, largest %.4f; limit %.4f: %td of %zu toys and %td of %zu images beyond\n",
              name, quantile(known, 0.5), quantile(known, 0.95), quantile(known, 1), limit, wrong, known.size(), beyond,
              foreign.size());
}

int run(const Options& options) {
  const auto checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(options.checkpoint));
  Session session({.device = DeviceChoice::named(options.device), .tier = MemoryTier::low}, checkpoint, trellis_networks());
  std::int64_t channels = 0;
  std::vector<Tokens> fitted, known, foreign;
  for (const std::string& file : options.sets) {
    std::size_t index = 0;
    for (const HeldOutObject& object : load_held_out(file)) {
      const bool fit = index++ % 2 == 0;
      (fit ? fitted : known).push_back(tokens_of(session, object.family(), object.image(kEncoderSide), channels));
    }
  }
  for (const std::string& file : options.images) foreign.push_back(tokens_of(session, file, load_image_file(file), channels));
  const auto width = static_cast<std::size_t>(channels);
  const std::vector<float> typical = typical_of(fitted, width, options.typical);
  const Familiarity measure(typical, channels, 1);
  std::vector<double> of_known, of_foreign, class_known, class_foreign;
  for (const Tokens& t : known) {
    of_known.push_back(measure.distance(t.values));
    class_known.push_back(class_distance(t, fitted));
  }
  for (const Tokens& t : foreign) {
    of_foreign.push_back(measure.distance(t.values));
    class_foreign.push_back(class_distance(t, fitted));
    std::printf("%-60s %.4f\n", t.name.c_str(), of_foreign.back());
  }
  const double limit = std::ceil(quantile(of_known, options.share) * 1e4) / 1e4;
  report("patches", of_known, of_foreign, limit);
  report("class token", class_known, class_foreign, quantile(class_known, options.share));
  if (options.write) {
    const ModuleSource& encoder = checkpoint->module(kImageEncoder);
    Familiarity(typical, channels, limit)
        .save(options.checkpoint, {{"encoder", sha256_of_file(encoder.file)}, {"made_by", "espalier-familiarity"}});
  }
  return 0;
}

}  // namespace
}  // namespace espalier::quality

int main(int argc, char** argv) {
  CLI::App app("Makes and measures what tells familiar images from others.", "espalier-familiarity");
  espalier::quality::Options options;
  app.add_option("IMAGE", options.images, "images of things that the model does not know");
  app.add_option("--checkpoint", options.checkpoint, "folder of the checkpoint")->capture_default_str();
  app.add_option("--set", options.sets, "held-out objects: the even ones are fitted, the odd ones measured")
      ->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--typical", options.typical, "typical patches to keep")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--share", options.share, "of the odd objects that lie within the limit")
      ->check(CLI::Range(0.5, 1.0))
      ->capture_default_str();
  app.add_flag("--write", options.write, "write familiarity.safetensors into the checkpoint's folder");
  CLI11_PARSE(app, argc, argv);
  try {
    return espalier::quality::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-familiarity: %s\n", e.what());
    return 1;
  }
}
