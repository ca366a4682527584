// Background removal: networks from ONNX files, rembg's steps before and after them, and all in a row.
#include <array>
#include <cmath>
#include <cstdio>

#include "image/codec.h"
#include "image/matte.h"
#include "image/preprocess.h"
#include "image/resize.h"
#include "models/matting/network.h"
#include "nn/backends.h"
#include "runner.h"

namespace espalier::golden {
namespace {

constexpr double kHalfNetwork = 3e-2;
// Casts to float16 inside a graph round, and which way a number near the middle is rounded follows the last bits of the sums
// before it: sums in other orders (other processors, even) differ by this much behind some forty such casts.
constexpr double kRoundedInside = 5e-3;
// Half of all values agree with the reference far closer than that where the right casts round, and nowhere near where they do
// not; in these first outputs alone, behind which no sum follows whose parts were rounded the other way.
constexpr double kMedianRounded = 3e-6;
constexpr std::size_t kRoundedOutputs = 6;

MatteInput form_of(const std::string& network) {
  if (network == "isnet") return {1024, 1024, {0.5, 0.5, 0.5}, {1.0, 1.0, 1.0}};
  return {};
}

// [channels, height, width] -> every K-th row and column, where the golden tensor [channels, height / K, width / K] has that
// size.
std::vector<float> thinned(const std::vector<float>& values, const MapShape& shape, const std::vector<std::int64_t>& wanted) {
  const auto rows = wanted[wanted.size() - 2], columns = wanted.back();
  std::int64_t step = std::max<std::int64_t>((shape.height + rows - 1) / rows, (shape.width + columns - 1) / columns);
  constexpr std::int64_t kUsual = 8;  // where a few rows leave it open
  if ((shape.height + kUsual - 1) / kUsual == rows && (shape.width + kUsual - 1) / kUsual == columns) step = kUsual;
  std::vector<float> out;
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    for (std::int64_t y = 0; y < shape.height; y += step) {
      for (std::int64_t x = 0; x < shape.width; x += step)
        out.push_back(values[static_cast<std::size_t>((c * shape.height + y) * shape.width + x)]);
    }
  }
  return out;
}

std::vector<double> statistics(const std::vector<float>& values) {
  double sum = 0, squares = 0, low = values.front(), high = values.front();
  for (const float v : values) {
    sum += v;
    squares += static_cast<double>(v) * v;
    low = std::min<double>(low, v);
    high = std::max<double>(high, v);
  }
  return {sum / static_cast<double>(values.size()), std::sqrt(squares), low, high};
}

// The file of a case: beside the cases, or where its generator has put it.
std::filesystem::path onnx_of(const Case& c) {
  if (c.spec().contains("onnx")) return c.folder() / c.spec().at("onnx").get<std::string>();
  return c.folder() / "onnx" / (c.name() + ".onnx");
}

// Median of |x - ref| / rms(ref).
double median_error(const std::vector<float>& got, const std::vector<float>& ref) {
  require(got.size() == ref.size() && !ref.empty(), "golden", "values of another number");
  double squares = 0;
  std::vector<double> errors;
  for (std::size_t i = 0; i < ref.size(); ++i) {
    squares += static_cast<double>(ref[i]) * static_cast<double>(ref[i]);
    errors.push_back(std::abs(static_cast<double>(got[i]) - static_cast<double>(ref[i])));
  }
  const auto middle = errors.begin() + std::ssize(errors) / 2;
  std::nth_element(errors.begin(), middle, errors.end());
  return *middle / std::sqrt(squares / static_cast<double>(ref.size()));
}

// Runs a network on `input` at this size and compares y0, y1, ... and mid.NAME, with a prefix.
template <class Dev, class T>
void run_network(Queue<Dev>& queue, Case& c, const std::string& prefix, std::int64_t height, std::int64_t width,
                 const std::function<std::vector<float>(const MapShape&)>& input) {
  const OnnxFile file(onnx_of(c));
  std::vector<std::string> names, tensors;
  for (std::size_t i = 0; i < file.graph().outputs.size(); ++i) {
    names.emplace_back(file.graph().outputs[i].name);
    tensors.push_back(c.name() == "onnx_ops" ? names.back() : str("y", i));
  }
  for (const std::string& tensor : c.names()) {
    if (tensor.rfind("mid.", 0) != 0) continue;
    names.push_back(tensor.substr(4));
    tensors.push_back(tensor);
  }
  const MattingPlan plan = plan_network(file.label(), file.graph(), height, width, names);
  MattingNetwork<Dev, T> network(queue, file.label(), plan);
  const auto results = network.run(input(network.input()));
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string name = prefix + tensors[i];
    const MapShape& shape = network.output(i);
    if (c.has(name)) c.compare(name, thinned(results[i], shape, c.shape(name)));
    if (c.name() == "isnet_half" && std::is_same_v<T, float> && i < kRoundedOutputs) {
      const double median = median_error(thinned(results[i], shape, c.shape(name)), c.floats(name));
      c.compare_count(name + " median error beyond", std::max(median - kMedianRounded, 0.0), 0, 0);
    }
    for (const std::string& stored : c.names()) {
      if (stored.rfind(name + ".every", 0) == 0) c.compare(stored, thinned(results[i], shape, c.shape(stored)));
    }
    c.compare(name + ".stats", statistics(results[i]));
  }
}

template <class Dev, class T>
void run_networks(Queue<Dev>& queue, Case& c) {
  const auto unit = [&](const std::string& name) {
    return [name](const MapShape& shape) { return unit_values("input/matting-visible", name, shape.elements()); };
  };
  if (c.spec().contains("sizes")) {
    for (std::size_t k = 0; k < c.spec().at("sizes").size(); ++k) {
      const auto size = c.spec().at("sizes")[k].get<std::array<std::int64_t, 2>>();
      run_network<Dev, T>(queue, c, str(k, "."), size[0], size[1], unit(str(c.name(), k)));
    }
  } else if (c.has("x")) {
    run_network<Dev, T>(queue, c, "", 0, 0, [&](const MapShape&) { return c.floats("x"); });
  } else {
    const auto input = unit(c.name());
    if (c.has("x.first")) {
      const auto all = input(MapShape{1, 1, 64});
      c.compare("x.first", all);
    }
    run_network<Dev, T>(queue, c, "", 320, 320, input);
  }
  if (c.has("y.torch")) c.skip("y.torch", "the module beside its export");
  if (c.has("y0.half")) c.skip("y0.half", "how far half arithmetic goes elsewhere");
}

Image rgb_of(const Image& image) {
  Image rgb(image.width, image.height, 3);
  for (std::size_t i = 0; i < image.pixel_count(); ++i) {
    std::copy_n(&image.pixels[i * static_cast<std::size_t>(image.channels)], 3, &rgb.pixels[i * 3]);
  }
  return rgb;
}

void run_input(Case& c) {
  for (const auto& entry : c.spec().at("images")) {
    const auto name = entry.get<std::string>();
    const Image rgb = rgb_of(load_image_file(c.folder() / "images" / (name + ".png")));
    for (const std::string network : {"u2net", "isnet"}) {
      if (!c.has(name + "." + network + ".small")) continue;
      const MatteInput form = form_of(network);
      const int byte_step = network == "u2net" ? 2 : 8;
      const Image small = resize_lanczos(rgb, form.width, form.height);
      std::vector<int> bytes;
      for (int y = 0; y < small.height; y += byte_step) {
        for (int x = 0; x < small.width; x += byte_step) bytes.insert(bytes.end(), small.at(x, y), small.at(x, y) + 3);
      }
      c.compare(name + "." + network + ".small", bytes);
      const std::string tensor = name + "." + network + ".input";
      c.compare(tensor, thinned(matte_input(rgb, form), {3, form.height, form.width}, c.shape(tensor)));
    }
  }
}

void compare_box(Case& c, const std::string& name, const Box& object) {
  c.compare(name + ".bbox", std::vector<int>{object.x0, object.y0, object.x1 - 1, object.y1 - 1});
}

void run_output(Case& c) {
  for (const auto& entry : c.spec().at("images")) {
    const auto name = entry.get<std::string>();
    const std::filesystem::path images = c.folder() / "images";
    const Image rgb = rgb_of(load_image_file(images / (name + ".png")));
    const auto shape = c.shape(name + ".pred");
    const auto matte = matte_of(c.floats(name + ".pred"), static_cast<int>(shape[1]), static_cast<int>(shape[0]));
    c.compare(name + ".mask_small", matte.values);
    const Image cutout = cut_by_matte(rgb, matte);
    std::vector<int> mask;
    for (std::size_t i = 3; i < cutout.pixels.size(); i += 4) mask.push_back(cutout.pixels[i]);
    c.compare(name + ".mask", mask);
    c.compare_bytes(name + ".cutout.png", load_image_file(images / (name + ".cutout.png")).pixels, cutout.pixels);
    const PreparedImage prepared = prepare_image(cutout, 518);
    compare_box(c, name, prepared.object);
    c.compare_bytes(name + ".final.png", load_image_file(images / (name + ".final.png")).pixels, prepared.image.pixels);
  }
}

// Bytes that may differ by `most` in a part of the places.
void compare_nearly(Case& c, const std::string& what, const std::vector<std::uint8_t>& ref,
                    const std::vector<std::uint8_t>& got, int most, double part) {
  int worst = 0;
  std::size_t different = 0;
  for (std::size_t i = 0; i < std::min(ref.size(), got.size()); ++i) {
    worst = std::max(worst, std::abs(ref[i] - got[i]));
    different += ref[i] == got[i] ? 0 : 1;
  }
  c.compare_count(what + " bytes", static_cast<double>(got.size()), static_cast<double>(ref.size()), 0.0);
  c.compare_count(what + " largest difference beyond", std::max(worst - most, 0), 0, 0);
  const double allowed = part * static_cast<double>(ref.size());
  c.compare_count(what + " pixels beyond", std::max(static_cast<double>(different) - allowed, 0.0), 0, 0);
  std::printf("%-18s %-34s      %zu of %zu bytes differ, by %d at most\n", c.name().c_str(), what.c_str(), different,
              ref.size(), worst);
}

template <class Dev, class T>
void run_chain(Queue<Dev>& queue, Case& c) {
  constexpr bool kHalf = std::is_same_v<T, half>;
  const OnnxFile file(onnx_of(c));
  MattingNetwork<Dev, T> network(queue, file.label(), plan_network(file.label(), file.graph(), 320, 320));
  for (const auto& entry : c.spec().at("images")) {
    const auto name = entry.get<std::string>();
    const Image image = load_image_file(c.folder() / "images" / (name + ".png"));
    std::vector<float> output;
    Plane<std::uint8_t> matte;
    Image cutout;
    const PreparedImage prepared = prepare_image(image, 518, [&](const Image& rgb) {
      c.compare(name + ".size", std::vector<int>{rgb.width, rgb.height});
      output = network.run(matte_input(rgb, {}))[0];
      matte = matte_of(output, 320, 320);
      cutout = cut_by_matte(rgb, matte);
      return cutout;
    });
    c.compare(name + ".pred", output);
    const HostTensor golden = c.input(name + ".mask_small");
    const auto bytes = golden.to_vector<std::uint8_t>(name);
    // Noise of the network is truncated into the bytes; in half precision there is more of it.
    compare_nearly(c, name + ".mask_small", bytes, matte.values, kHalf ? 8 : 1, kHalf ? 1.0 : 0.01);
    if (kHalf) {
      c.skip(name + ".bbox", "the mask is noise, and its box follows single pixels");
      continue;
    }
    compare_box(c, name, prepared.object);
    const Image expected = load_image_file(c.folder() / "images" / (name + ".chain_final.png"));
    compare_nearly(c, name + ".chain_final.png", expected.pixels, prepared.image.pixels, 8, 1.0);
  }
}

}  // namespace

template <class Dev, class T>
bool run_matting_case(Bench<Dev>& bench, Case& c) {
  if (c.name() == "rembg_input") {
    run_input(c);
    return true;
  }
  if (c.name() == "rembg_output") {
    run_output(c);
    return true;
  }
  const bool network = c.name().rfind("u2net", 0) == 0 || c.name().rfind("isnet", 0) == 0 || c.name() == "onnx_ops";
  if (!network && c.name() != "chain") return false;
  if (c.name() == "isnet_half") c.set_tolerance(kRoundedInside);
  if (std::is_same_v<T, half>) c.set_tolerance(kHalfNetwork);
  Queue<Dev> queue(bench.queue.ordinal());
  network ? run_networks<Dev, T>(queue, c) : run_chain<Dev, T>(queue, c);
  return true;
}

#define ESPALIER_INSTANTIATE(Dev, T) template bool run_matting_case<Dev, T>(Bench<Dev>&, Case&);
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier::golden
