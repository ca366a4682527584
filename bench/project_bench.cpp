// What projected images add: project_bench FOLDER ASSET... finishes each file of --save-asset, blends its first image into
// the texture, prints how well the textured mesh shows the image from where it was taken, before and after (peak
// signal-to-noise ratio where both are), and draws image, before and after side by side into FOLDER.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>

#include "api/asset.h"
#include "bake/project.h"
#include "base/file.h"
#include "espalier/espalier.h"
#include "image/codec.h"
#include "image/resize.h"
#include "render/views/mesh_image.h"

namespace {

using namespace espalier;
using Clock = std::chrono::steady_clock;

constexpr int kSide = 512;

double psnr(const Image& a, const Image& b) {
  double total = 0.0;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < a.pixel_count(); ++i) {
    if (a.pixels[4 * i + 3] < 250 || b.pixels[4 * i + 3] < 250) continue;
    for (std::size_t c = 0; c < 3; ++c) {
      const double d = (a.pixels[4 * i + c] - b.pixels[4 * i + c]) / 255.0;
      total += d * d;
    }
    ++count;
  }
  return count > 0 ? -10.0 * std::log10(total / (3.0 * static_cast<double>(count))) : -1.0;
}

void put(const Image& from, Image& sheet, int left) {
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        const int a = from.at(x, y)[3];
        sheet.at(left + x, y)[c] = static_cast<std::uint8_t>((from.at(x, y)[c] * a + 255 * (255 - a)) / 255);
      }
    }
  }
}

void run(const std::filesystem::path& folder, const std::filesystem::path& file) {
  FinishRequest request;
  request.bake = BakeMode::fast;
  request.views = 40;
  const Asset asset = finish(load_asset(file), request, "cpu");
  const Mesh& mesh = asset.data().finished->mesh;
  const Image& before = asset.data().finished->texture;
  Image after = before;
  Queue<Cpu> queue;
  const auto start = Clock::now();
  ProjectOptions options;
  options.least_overlap = 0.0;
  options.most_colour_error = 1.0;
  const ProjectedImages projected = project_images(queue, mesh, {asset.data().images.at(0)}, options, after, nullptr);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const FoundCamera& found = projected.images.front().found;
  const Image image = resize_lanczos(asset.data().images.front(), kSide, kSide);
  const MeshLook look{.style = MeshLook::Style::textured, .lit = false};
  const ImageOptions size{.width = kSide, .height = kSide};
  const Image shown_before = mesh_image(mesh, found.camera, look, size, &before);
  const Image shown_after = mesh_image(mesh, found.camera, look, size, &after);
  Image sheet(3 * kSide, kSide, 3);
  put(image, sheet, 0);
  put(shown_before, sheet, kSide);
  put(shown_after, sheet, 2 * kSide);
  write_file(folder / (file.stem().string() + ".png"), encode_png(sheet));
  std::printf(
      "%-14s overlap %.3f  colour error %.3f  yaw %6.1f  pitch %5.1f  distance %4.1f  %.1f -> %.1f dB  %4.1f %% of texels  "
      "%.1f s\n",
      file.stem().string().c_str(), found.agreement.overlap, found.agreement.colour_error,
      std::remainder(found.pose.yaw * 57.29578, 360.0), found.pose.pitch * 57.29578, 1.0 / found.pose.closeness,
      psnr(image, shown_before), psnr(image, shown_after),
      100.0 * static_cast<double>(projected.images.front().texels) / static_cast<double>(projected.texels), seconds);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    for (int i = 2; i < argc; ++i) run(argv[1], argv[i]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "project_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
