// espalier-gallery: images beside what is made of them, on one sheet: the finished mesh and the Gaussians from three sides
// each, or the mesh alone from four.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <numbers>
#include <string>
#include <utility>

#include "api/asset.h"
#include "api/painter.h"
#include "base/file.h"
#include "espalier/espalier.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "image/resize.h"
#include "render/pictures/contact_sheet.h"
#include "runtime/device_choice.h"

namespace espalier::quality {
namespace {

struct Options {
  std::vector<std::string> images;
  std::string checkpoint = "models/sprout", device = "auto", output = "gallery.jpg";
  int size = 160, quality = 88;
  bool mesh_only = false;
  std::uint32_t seed = 42;
};

constexpr std::array<std::uint8_t, 3> kPaper{255, 255, 255};

// Front and two sides, or all four, from a little above.
std::vector<Camera> views(const Options& options) {
  constexpr float kPi = std::numbers::pi_v<float>;
  const std::vector<float> turns =
      options.mesh_only ? std::vector{-0.09F, 0.41F, 0.91F, 1.41F} : std::vector{0.15F, 0.8F, 1.5F};
  std::vector<Camera> cameras;
  cameras.reserve(turns.size());
  for (const float turn : turns) {
    cameras.push_back(camera_of({.yaw = kPi * (1 + turn), .pitch = 0.35F, .radius = 2.0F, .fov_degrees = 34.0F}));
  }
  return cameras;
}

// What the encoder sees, but on paper where the image brought its own cut-out and nothing else is on the sheet.
Picture original(const std::filesystem::path& file, const Options& options) {
  const Picture image = load_picture(file);
  PreparedPicture prepared = prepare_picture(image, options.size);
  if (!options.mesh_only || !has_alpha(image)) return std::move(prepared.picture);
  return resize_lanczos(image, prepared.box, options.size, options.size);
}

SheetRow row_of(Pipeline& pipeline, const std::filesystem::path& file, const Options& options) {
  Request request;
  request.images = {file};
  request.seed = options.seed;
  request.finish = FinishRequest{};
  const Asset asset = pipeline.generate(request);
  SheetRow row{options.mesh_only ? "" : file.stem().string(), {original(file, options)}};
  const Exhibit exhibit = exhibit_of(asset.data());
  const auto painter = make_painter(DeviceChoice::named(options.device), exhibit, nullptr);
  const PictureOptions look{.width = options.size, .height = options.size, .background = kPaper};
  const auto draw = [&](RenderStyle style) {
    for (const Camera& camera : views(options)) row.images.push_back(painter->draw(style, true, camera, look));
  };
  draw(resolved_style(RenderStyle::automatic, exhibit));
  if (!options.mesh_only) draw(RenderStyle::splats);
  return row;
}

void run(const Options& options) {
  Pipeline pipeline({.checkpoint = options.checkpoint, .device = options.device});
  std::vector<SheetRow> rows;
  rows.reserve(options.images.size());
  for (const std::string& file : options.images) {
    rows.push_back(row_of(pipeline, file, options));
    std::printf("%s\n", file.c_str());
    std::fflush(stdout);
  }
  const Picture sheet = contact_sheet(rows, kPaper);
  const bool png = std::filesystem::path(options.output).extension() == ".png";
  write_file(options.output, png ? encode_png(sheet) : encode_jpeg(sheet, options.quality));
}

}  // namespace
}  // namespace espalier::quality

int main(int argc, char** argv) {
  CLI::App app("Images beside what is made of them, on one sheet.", "espalier-gallery");
  espalier::quality::Options options;
  app.add_option("IMAGE", options.images, "images of objects")->required();
  app.add_option("--checkpoint", options.checkpoint, "folder of the checkpoint")->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--seed", options.seed, "seed of the noise")->capture_default_str();
  app.add_option("--size", options.size, "pixels on a side of a view")->check(CLI::Range(32, 1024))->capture_default_str();
  app.add_flag("--mesh-only", options.mesh_only, "the mesh from four sides, without names and Gaussians");
  app.add_option("--quality", options.quality, "of the JPEG")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("-o,--output", options.output, "the sheet, a JPEG or, by its name, a PNG")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    espalier::quality::run(options);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "espalier-gallery: %s\n", e.what());
    return 1;
  }
}
