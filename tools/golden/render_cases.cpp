// Images of Gaussians that the reference's rasteriser drew: every file of gaussian_render/.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/with_cuda.h"
#include "render/raster/splat_renderer.h"
#include "runner.h"

namespace espalier::golden {

namespace {

std::vector<float> floats(const SafetensorsFile& file, const std::string& name) {
  const HostTensor tensor = file.load(name);
  return tensor.dtype() == DType::f16 ? widen(tensor.to_vector<half>(name)) : tensor.to_vector<float>(name);
}

// Decibels of the image of a file.
template <class Dev>
double compare_image(Queue<Dev>& queue, const SafetensorsFile& file) {
  Gaussians g;
  g.xyz = floats(file, "means3D");
  g.scale = floats(file, "scales");
  g.rotation = floats(file, "rotations");
  g.opacity = floats(file, "opacities");
  const std::vector<float> colours = floats(file, "shs");
  const std::size_t n = g.opacity.size(), width_of_colours = n == 0 ? 3 : colours.size() / n;
  for (std::size_t i = 0; i < colours.size(); ++i) (i % width_of_colours < 3 ? g.dc : g.sh).push_back(colours[i]);
  const auto view = floats(file, "viewmatrix"), tangents = floats(file, "tanfov"), background = floats(file, "bg");
  const auto size = file.load("size_wh").to_vector<std::int32_t>("size_wh");
  require(view.size() == 16 && tangents.size() == 2 && background.size() == 3 && size.size() == 2, "compare_image",
          "unexpected sizes of a camera");
  Camera camera;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t i = 0; i < 3; ++i) camera.rotation[3 * row + i] = view[4 * i + row];
    camera.translation[row] = view[12 + row];
  }
  camera.fx = 0.5F / tangents[0];
  camera.fy = 0.5F / tangents[1];
  SplatOptions options{.width = size[0], .height = size[1]};
  std::copy_n(background.begin(), 3, options.background.begin());
  if (file.has("kernel_size")) options.kernel_size = floats(file, "kernel_size").at(0);

  const std::int64_t height = size[1], width = size[0];
  SplatRenderer<Dev> renderer(queue, g);
  const Buffer<Dev> colour(static_cast<std::size_t>(3 * height * width) * sizeof(float), queue.ordinal(), "an image");
  const Buffer<Dev> alpha(static_cast<std::size_t>(height * width) * sizeof(float), queue.ordinal(), "an image");
  renderer.render(camera, options, {reinterpret_cast<float*>(colour.data()), {height, width, 3}},
                  {reinterpret_cast<float*>(alpha.data()), {height, width}});
  std::vector<float> got(static_cast<std::size_t>(3 * height * width));
  download_bytes(queue, colour.data(), got.data(), got.size() * sizeof(float));
  const std::vector<float> reference = floats(file, "image");  // [3, H, W]
  require(reference.size() == got.size(), "compare_image", "the image has another size than it says");
  double squares = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double other = static_cast<double>(reference[i % 3 * (got.size() / 3) + i / 3]);
    squares += (static_cast<double>(got[i]) - other) * (static_cast<double>(got[i]) - other);
  }
  return -10.0 * std::log10(squares / static_cast<double>(got.size()) + 1e-99);
}

}  // namespace

template <class Dev>
void run_renders(Queue<Dev>& queue, const RunOptions& options, Tally& tally) {
  constexpr double kLeast = 45.0;  // dB
  for (const auto& path : files_of(options.folder / "gaussian_render")) {
    const double decibels = compare_image<Dev>(queue, SafetensorsFile(path));
    const bool alike = decibels >= kLeast;
    ++tally.compared;
    if (!alike) ++tally.failed;
    std::printf("%-18s %-34s %s  %.1f dB (at least %.0f)\n", "gaussian_render", path.stem().c_str(), alike ? "ok  " : "FAIL",
                decibels, kLeast);
  }
}

template void run_renders(Queue<Cpu>&, const RunOptions&, Tally&);
#if ESPALIER_WITH_CUDA
template void run_renders(Queue<Cuda>&, const RunOptions&, Tally&);
#endif

}  // namespace espalier::golden
