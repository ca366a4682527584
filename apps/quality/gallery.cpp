// espalier-gallery: pictures beside what is made of them, the mesh and the Gaussians from three sides each, on one sheet.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string>

#include "base/file.h"
#include "espalier/espalier.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "pipeline/asset.h"
#include "render/contact_sheet.h"
#include "render/mesh_picture.h"
#include "render/splat_renderer.h"

namespace espalier::quality {
namespace {

struct Options {
  std::vector<std::string> pictures;
  std::string checkpoint = "models/sprout", device = "auto", output = "gallery.jpg";
  int size = 160, quality = 88;
  std::uint32_t seed = 42;
};

constexpr std::array<std::uint8_t, 3> kPaper{255, 255, 255};

// Front and two sides, from a little above.
std::vector<Camera> views() {
  constexpr float kPi = std::numbers::pi_v<float>;
  std::vector<Camera> cameras;
  for (const float turn : {0.15F, 0.8F, 1.5F}) {
    cameras.push_back(camera_of({.yaw = kPi * (1 + turn), .pitch = 0.35F, .radius = 2.0F, .fov_degrees = 34.0F}));
  }
  return cameras;
}

Picture splat_picture(SplatRenderer<Cpu>& renderer, const Camera& camera, int size) {
  const auto side = static_cast<std::int64_t>(size);
  std::vector<float> colour(static_cast<std::size_t>(3 * side * side)), alpha(static_cast<std::size_t>(side * side));
  SplatOptions options;
  options.width = options.height = size;
  options.ssaa = 2;
  for (std::size_t c = 0; c < 3; ++c) options.background[c] = static_cast<float>(kPaper[c]) / 255;
  renderer.render(camera, options, View<Cpu, float, 3>(colour.data(), {side, side, 3}),
                  View<Cpu, float, 2>(alpha.data(), {side, side}));
  Picture picture(size, size, 3);
  std::transform(colour.begin(), colour.end(), picture.pixels.begin(),
                 [](float x) { return static_cast<std::uint8_t>(std::lround(std::clamp(x, 0.0F, 1.0F) * 255)); });
  return picture;
}

SheetRow row_of(Pipeline& pipeline, const std::filesystem::path& file, const Options& options) {
  Request request;
  request.images = {file};
  request.seed = options.seed;
  const Asset asset = pipeline.generate(request);
  SheetRow row{file.stem().string(), {prepare_picture(load_picture(file), options.size).picture}};
  Queue<Cpu> queue;
  MeshPainter painter(queue, *asset.data().mesh);
  SplatRenderer<Cpu> splats(queue, *asset.data().gaussians);
  PictureOptions picture;
  picture.width = picture.height = options.size;
  picture.background = kPaper;
  for (const Camera& camera : views()) row.pictures.push_back(painter.draw(camera, {}, picture));
  for (const Camera& camera : views()) row.pictures.push_back(splat_picture(splats, camera, options.size));
  return row;
}

void run(const Options& options) {
  Pipeline pipeline({.checkpoint = options.checkpoint, .device = options.device});
  std::vector<SheetRow> rows;
  rows.reserve(options.pictures.size());
  for (const std::string& file : options.pictures) {
    rows.push_back(row_of(pipeline, file, options));
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
  }
  write_file(options.output, encode_jpeg(contact_sheet(rows, kPaper), options.quality));
}

}  // namespace
}  // namespace espalier::quality

int main(int argc, char** argv) {
  CLI::App app("Pictures beside what is made of them, on one sheet.", "espalier-gallery");
  espalier::quality::Options options;
  app.add_option("PICTURE", options.pictures, "pictures of objects")->required();
  app.add_option("--checkpoint", options.checkpoint, "folder of the checkpoint")->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the noise")->capture_default_str();
  app.add_option("--size", options.size, "pixels on a side of a view")->check(CLI::Range(32, 1024))->capture_default_str();
  app.add_option("--quality", options.quality, "of the JPEG")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("-o,--output", options.output, "the sheet, a JPEG")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    espalier::quality::run(options);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-gallery: %s\n", e.what());
    return 1;
  }
}
